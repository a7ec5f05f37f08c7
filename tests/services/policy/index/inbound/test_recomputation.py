"""A change costs what it selects: counted over 10, 100 and 1,000 pods, each with a Server, a
ServerAuthorization, and a policy with an authentication of its own."""

from collections import Counter
from typing import Any

import pytest

from linkerd.kube.events import Applied
from services.policy.index.inbound.answers import AnswerBook
from services.policy.index.inbound.ports import Crowd, PortView
from services.policy.index.kinds import Kind
from tests.support.policy import inbound as support
from tests.support.policy.inbound import World
from tests.support.policy.objects import POLICY, item

_PORT = 8080
_NUMBERS = pytest.mark.parametrize("number", [10, 100, 1_000])
_FEWER = pytest.mark.parametrize("number", [10, 100])  # a thousand take a second to set up


class Shop:
    """`number` applications with everything of their own, all followed."""

    def __init__(self, number: int) -> None:
        self.world = World()
        self.number = number
        makers = (self.pod, self.server, self.authorization, self.policy, self.identity)
        for make in makers:
            kind, _ = make(0)
            listener = self.world.index.listener(kind)
            listener([Applied(make(each)[1]) for each in range(number)])
        self.followers = [self.world.follow(_PORT, f"app-{each}") for each in range(number)]
        self.heard()

    def heard(self) -> int:
        """How many proxies have heard something new."""
        return sum(bool(follower.read()) for follower in self.followers)

    def pod(self, each: int, **more: str) -> tuple[Kind, Any]:
        return Kind.POD, item(Kind.POD, f"app-{each}", labels={"app": str(each), **more})

    def server(self, each: int, access: str = "deny") -> tuple[Kind, Any]:
        chosen = {"matchLabels": {"app": str(each)}}
        spec = {"podSelector": chosen, "port": _PORT, "accessPolicy": access}
        labels = {"app": str(each)}
        made = item(Kind.SERVER, f"app-{each}", spec, labels=labels, created="2026-01-02")
        return Kind.SERVER, made

    def authorization(self, each: int, **client: Any) -> tuple[Kind, Any]:
        server = {"selector": {"matchLabels": {"app": str(each)}}}
        spec = {"server": server, "client": client or {"unauthenticated": True}}
        return Kind.SERVER_AUTHORIZATION, item(Kind.SERVER_AUTHORIZATION, f"app-{each}", spec)

    def policy(self, each: int) -> tuple[Kind, Any]:
        spec = {
            "targetRef": {"group": POLICY, "kind": "Server", "name": f"app-{each}"},
            "requiredAuthenticationRefs": [
                {"group": POLICY, "kind": "MeshTLSAuthentication", "name": f"app-{each}"}
            ],
        }
        return Kind.AUTHORIZATION_POLICY, item(Kind.AUTHORIZATION_POLICY, f"app-{each}", spec)

    def identity(self, each: int, name: str = "a.b") -> tuple[Kind, Any]:
        made = item(Kind.MESH_TLS_AUTHENTICATION, f"app-{each}", {"identities": [name]})
        return Kind.MESH_TLS_AUTHENTICATION, made


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often what was computed."""
    counts: Counter[str] = Counter()

    def count(what: str, owner: Any, name: str) -> None:
        function = getattr(owner, name)

        def counting(*args: Any) -> Any:
            counts[what] += 1
            return function(*args)

        monkeypatch.setattr(owner, name, counting)

    count("answers", AnswerBook, "_derive_answer")
    count("ports", PortView, "refresh")
    count("moves", Crowd, "_move")
    count("messages", support, "encode_port")
    return counts


@_NUMBERS
def test_what_one_server_is_told_by_is_its_own_matter(number: int, counted: Counter[str]) -> None:
    shop = Shop(number)
    for change in (
        shop.server(3, access="audit"),
        shop.authorization(3, meshTLS={"unauthenticatedTLS": True}),
        shop.identity(3, "c.d"),
    ):
        counted.clear()
        shop.world.tell(*change)
        assert counted == {"answers": 1, "ports": 1, "messages": 1}
        assert shop.heard() == 1


@_FEWER
def test_a_pod_that_changes_is_alone_in_that(number: int, counted: Counter[str]) -> None:
    shop = Shop(number)
    counted.clear()
    shop.world.tell(*shop.pod(3, app="4"))
    assert counted == {"moves": 1}  # to a view that is there
    assert shop.heard() == 1


@_NUMBERS
def test_what_is_the_same_for_all_is_computed_once(number: int, counted: Counter[str]) -> None:
    """All ports go over to a Server that is older than theirs: one answer, one message."""
    shop = Shop(number)
    counted.clear()
    spec = {"podSelector": {}, "port": _PORT}
    oldest = item(Kind.SERVER, "all", spec, created="2026-01-01")
    shop.world.tell(Kind.SERVER, oldest)
    assert counted == {"answers": 1, "messages": 1, "ports": number}
    assert shop.heard() == number


@_NUMBERS
def test_pods_of_one_template_share_a_port(number: int, counted: Counter[str]) -> None:
    world = World()
    world.index.listener(Kind.POD)(
        [Applied(item(Kind.POD, f"web-{each}", labels={"app": "web"})) for each in range(number)]
    )
    followers = [world.follow(_PORT, f"web-{each}") for each in range(number)]
    assert all(follower.read() for follower in followers)
    counted.clear()
    world.server()
    assert counted == {"answers": 1, "messages": 1, "ports": 1}
    assert sum(follower.wakes for follower in followers) == number


@_FEWER
def test_what_nobody_follows_is_not_computed(number: int, counted: Counter[str]) -> None:
    shop = Shop(number)
    for follower in shop.followers[1:]:
        follower.subscription.close()
    counted.clear()
    shop.world.tell(*shop.server(3, access="audit"))
    assert not counted


@_FEWER
def test_objects_that_are_about_other_things_cost_nothing(
    number: int, counted: Counter[str]
) -> None:
    shop = Shop(number)
    counted.clear()
    shop.world.server("other", 9000)
    shop.world.pod("other", labels={"app": "other"})
    shop.world.put(Kind.MESH_TLS_AUTHENTICATION, "other", {"identities": ["*"]})
    selector = {"selector": {"matchLabels": {"app": "other"}}}
    spec = {"server": selector, "client": {"unauthenticated": True}}
    shop.world.put(Kind.SERVER_AUTHORIZATION, "other", spec)
    assert not counted
