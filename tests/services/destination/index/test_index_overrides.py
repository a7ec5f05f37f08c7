"""Where ServiceProfiles send traffic instead: authorities and weights."""

from typing import Any

import pytest

from linkerd.stubs.proxy import destination_pb2 as pb
from tests.support.destination.world import World
from tests.support.objects import service, service_profile

FQN = "ledger.fin.svc.mesh.test"
PATH = f"{FQN}:9000"
GET_ITEMS = {"name": "list", "condition": {"method": "get", "pathRegex": "/v1/items"}}


def with_service() -> World:
    world = World()
    world.apply(service("ledger", "fin", "10.96.3.3", "fd00:96::3", ports={"": 9000}))
    return world


def said(**spec: Any) -> pb.DestinationProfile:
    """What a client hears of a profile with this spec."""
    world = with_service()
    world.apply(service_profile(FQN, **spec))
    return world.profile(PATH).one()


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.fin.svc.mesh.test", "a.fin.svc.mesh.test:9000"),
        ("a.fin.svc.mesh.test:1", "a.fin.svc.mesh.test:1"),
        ("a.fin.svc.mesh.test.", "a.fin.svc.mesh.test.:9000"),
        ("fd00::1", "[fd00::1]:9000"),
        ("[fd00::1]", "[fd00::1]:9000"),
        ("[fd00::1]:1", "[fd00::1]:1"),
    ],
)
def test_authorities_of_overrides(authority: str, expected: str) -> None:
    (target,) = said(dstOverrides=[{"authority": authority, "weight": 1}]).dst_overrides
    assert target.authority == expected


@pytest.mark.parametrize(
    ("weight", "expected"), [("500m", 5000), (1, 10_000), ("900m", 9000), ("2k", 20_000_000)]
)
def test_weights_of_overrides(weight: str | int, expected: int) -> None:
    assert said(dstOverrides=[{"authority": "a.b", "weight": weight}]).dst_overrides[0].weight == (
        expected
    )


def test_weights_that_would_overflow_a_proxy_are_scaled() -> None:
    overrides = [
        {"authority": f"a{i}.b", "weight": weight} for i, weight in enumerate(["1G", "3G"])
    ]
    first, second = said(dstOverrides=overrides).dst_overrides
    assert first.weight + second.weight < 1 << 32
    assert round(second.weight / first.weight, 6) == 3
