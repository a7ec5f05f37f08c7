"""A mistake of ours, such as an odd object may provoke, leaves nothing behind: who asks next asks
anew."""

import pytest

from linkerd.index import AtOnce
from linkerd.kube.events import Applied
from linkerd.streams import drain
from tests.support.indexes import tiny
from tests.support.objects import service


def test_who_asks_after_a_mistake_asks_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    index = tiny.Tiny(AtOnce())
    index.listener(tiny.KIND)([Applied(service("a", "fin", "10.96.0.1", ports={"x": 80}))])

    def mistaken(_item: object) -> str:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(tiny, "_text", mistaken)
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                index.follow(("ip", "10.96.0.1"))
        assert (len(index.home.dependencies), len(index.ports), len(index.views)) == (0, 0, 0)
    assert drain(index.follow(("ip", "10.96.0.1"))) == [b"=", b"a 80"]
