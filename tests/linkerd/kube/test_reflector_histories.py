"""Whatever happens, in whatever order: the store ends as the server is, and the events say how."""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.kube.client import KubeClient
from linkerd.kube.objects import KubeObject
from tests.support.api_peer import ApiPeer
from tests.support.pods import PODS, Pod
from tests.support.reflecting import Follower, ImpatientClock, reflecting

Step = Callable[[ApiPeer], object]

_GOOD, _BAD = {"phase": "Running"}, "banana"
_NAMES = st.sampled_from([f"pod-{n}" for n in range(4)])
_CHANGES = st.one_of(
    st.builds(lambda name: lambda peer: peer.put(name, status=_GOOD), _NAMES),
    st.builds(lambda name: lambda peer: peer.put(name, status=_BAD), _NAMES),
    st.builds(lambda name: lambda peer: peer.delete(name), _NAMES),
)
_DISRUPTIONS: dict[str, Step] = {
    "nothing": lambda _: None,
    "a bookmark": ApiPeer.bookmark,
    "the watch ends": ApiPeer.end_watches,
    "the watch is told that it is too late": ApiPeer.expire_watches,
    "history is forgotten": ApiPeer.compact,
    "a token will have expired": lambda peer: setattr(peer, "expired_tokens", 1),
    "too many requests": lambda peer: peer.refuse(429, "TooManyRequests"),
    "in trouble": lambda peer: peer.refuse(503, "ServiceUnavailable"),
    "unauthorized": lambda peer: peer.refuse(401, "Unauthorized"),
    "gone": lambda peer: peer.refuse(410, "Expired"),
    "a version is invalid": lambda peer: peer.disown(400, "invalid resource version"),
    "a version is too large": lambda peer: peer.disown(
        504, "Timeout: Too large resource version: 9, current: 5", {"Retry-After": "1"}
    ),
    "a version is a mystery": lambda peer: peer.disown(500, "internal error"),
    "a watch says so": lambda peer: peer.disown(500, "internal error", late=True),
    "garbage": lambda peer: peer.say(b"<html>\n"),
    "half a line": lambda peer: peer.say(b'{"type":"ADD'),
    "an unknown kind of event": lambda peer: peer.say(b'{"type":"NEWS","object":{}}\n'),
}
_STEPS = _CHANGES | st.sampled_from(list(_DISRUPTIONS.values()))
_TURNS = st.lists(_STEPS, min_size=1, max_size=6)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_TURNS, max_size=8))
def test_any_history(turns: list[list[Step]]) -> None:
    """In each turn several things happen at once; then the reflector has time to catch up."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_live_through(turns, Path(directory)))


async def _live_through(turns: list[list[Step]], directory: Path) -> None:
    async with ApiPeer() as peer:
        path = peer.kubeconfig(directory)
        async with await KubeClient.connect(path, user_agent="test") as client:
            client.limits = replace(client.limits, page=2)
            await _follow(turns, peer, client)


async def _follow(turns: list[list[Step]], peer: ApiPeer, client: KubeClient) -> None:
    async with reflecting(client, PODS, clock=ImpatientClock()) as follower:
        for turn in turns:
            for step in turn:
                step(peer)
            peer.put("probe", status=_GOOD)  # proves that a watch has come through
            await follower.until(lambda f: _agrees(peer, f))
        for name, document in list(peer.objects.items()):
            if document["status"] == _BAD:
                peer.put(name, status=_GOOD)
        await follower.until(lambda f: f.reflector.synced and _equals(peer, f))
        assert dict(follower.reflector.store) == follower.replayed


def _agrees(peer: ApiPeer, follower: Follower[Pod]) -> bool:
    """Whether all good objects are known as they are, and none that is gone is known."""
    known = {key.name: item for key, item in follower.replayed.items()}
    good = [doc["metadata"] for doc in peer.objects.values() if doc["status"] != _BAD]
    return (
        follower.reflector.synced
        and known.keys() <= peer.objects.keys()
        and all(_same(known.get(meta["name"]), meta) for meta in good)
        and all(item.metadata.uid == _uid(peer, name) for name, item in known.items())
    )


def _uid(peer: ApiPeer, name: str) -> object:
    return peer.objects[name]["metadata"]["uid"]


def _equals(peer: ApiPeer, follower: Follower[Pod]) -> bool:
    return len(follower.replayed) == len(peer.objects) and _agrees(peer, follower)


def _same(item: KubeObject | None, meta: dict[str, str]) -> bool:
    return item is not None and (item.metadata.uid, item.metadata.resource_version) == (
        meta["uid"],
        meta["resourceVersion"],
    )
