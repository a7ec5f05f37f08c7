"""What one namespace writes means nothing in another, but for authentications that a policy there
names by their namespace."""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.policy.index.kinds import Kind
from tests.support.policy.inbound import Follower, World
from tests.support.policy.inbound_objects import EXTERNAL, MAKERS, PODS, PORTS
from tests.support.policy.objects import POLICY

_OURS: Final = "fin"
_THEIRS: Final = "ops"
_MAKE: Final = {kind: make for _, kind, make in MAKERS}
_WEIGHTS: Final = [weight for weight, *_ in MAKERS]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


def _of(namespace: str, made: Any) -> Any:
    metadata = msgspec.structs.replace(made.metadata, namespace=namespace)
    return msgspec.structs.replace(made, metadata=metadata)


def _ours(r: Random) -> tuple[Kind, Any]:
    """An object of ours that names no other namespace."""
    ((_, kind, make),) = r.choices(MAKERS, _WEIGHTS)
    made = _of(_OURS, make(r))
    if kind is Kind.AUTHORIZATION_POLICY:
        refs = made.spec.required_authentication_refs
        own = tuple(msgspec.structs.replace(ref, namespace=None) for ref in refs)
        spec = msgspec.structs.replace(made.spec, required_authentication_refs=own)
        made = msgspec.structs.replace(made, spec=spec)
    return kind, made


def _followers(world: World) -> Iterator[Follower]:
    workloads = world.index.home.objects.workloads
    for names, is_external, members in (
        (PODS, False, workloads.pods),
        (EXTERNAL, True, workloads.external),
    ):
        for name in names:
            if (_OURS, name) in members:
                yield from (world.follow(port, name, is_external=is_external) for port in PORTS)


@pytest.mark.parametrize("kind", _MAKE, ids=lambda kind: kind.value)
@settings(max_examples=15, deadline=None, suppress_health_check=[*HealthCheck])
@given(seed=st.integers(0, 1 << 64))
def test_objects_of_other_namespaces_are_not_heard_of(kind: Kind, seed: int) -> None:
    r = Random(seed)
    world = World()
    for _ in range(80):
        world.tell(*_ours(r))
    followers = list(_followers(world))
    for follower in followers:
        follower.read()
    for _ in range(20):
        theirs = _of(_THEIRS, _MAKE[kind](r))
        world.tell(kind, theirs)
        if r.random() < 0.3:
            world.remove(kind, theirs)
    assert [follower.read() for follower in followers] == [[]] * len(followers)
    assert not any(follower.wakes for follower in followers)


@pytest.mark.parametrize(
    ("kind", "ref", "spec"),
    [
        (Kind.MESH_TLS_AUTHENTICATION, "MeshTLSAuthentication", {"identities": ["a.b"]}),
        (
            Kind.NETWORK_AUTHENTICATION,
            "NetworkAuthentication",
            {"networks": [{"cidr": "10.1.0.0/16"}]},
        ),
    ],
    ids=["mesh-tls", "network"],
)
@pytest.mark.parametrize("written", [None, _OURS, _THEIRS])
@pytest.mark.parametrize("namespace", [_OURS, _THEIRS])
def test_an_authentication_is_of_the_namespace_that_the_reference_says(
    kind: Kind, ref: str, spec: Any, written: str | None, namespace: str
) -> None:
    world = World()
    world.pod()
    world.server()
    reference = {"group": POLICY, "kind": ref, "name": "x"}
    reference |= {"namespace": written} if written else {}
    policy = {
        "targetRef": {"group": POLICY, "kind": "Server", "name": "web"},
        "requiredAuthenticationRefs": [reference],
    }
    world.put(Kind.AUTHORIZATION_POLICY, "policy", policy)
    world.put(kind, "x", spec, namespace=namespace)
    assert bool(world.told().authorizations) is (namespace == (written or _OURS))
