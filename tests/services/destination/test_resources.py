"""Where endpoints are read from."""

import pytest

from linkerd.kube.resource import ENDPOINT_SLICES, ENDPOINTS
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.settings import load
from services.destination.app import Settings, mesh_of
from services.destination.index import Kind
from services.destination.resources import linked_resources, resources


def settings(*flags: str) -> Settings:
    domains = ("--cluster-domain=mesh.test", "--identity-trust-domain=mesh.test")
    return load(Settings, (*domains, *flags), {}, prog="destination")


@pytest.mark.parametrize("slices", [True, False])
def test_endpoints_are_read_from_one_kind_only(slices: bool) -> None:
    read = resources(slices=slices)
    assert (ENDPOINT_SLICES in read.values(), ENDPOINTS in read.values()) == (slices, not slices)
    assert set(Kind) - set(read) == {Kind.ENDPOINTS if slices else Kind.SLICE}


def test_dashboards_find_what_is_read_under_upstreams_names() -> None:
    every = {each for slices in (True, False) for each in resources(slices=slices).values()}
    assert {each.cache for each in every} == {
        *("endpoints", "endpointslices", "externalworkload", "job", "node", "pod", "replicaset"),
        *("server", "service", "serviceprofile", "trafficsplit"),
    }
    assert {each.lag for each in every if each.lag} == {
        *("endpoints", "endpointslices", "externalworkload", "pods"),
        *("serviceprofiles", "servers", "services"),
    }


@pytest.mark.parametrize("slices", [True, False])
def test_what_may_be_missing_and_what_we_may_be_forbidden(slices: bool) -> None:
    """The rest is waited for: without it answers would be wrong."""
    ours, linked = resources(slices=slices), linked_resources(slices=slices)
    definitions = {Kind.EXTERNAL_WORKLOAD, Kind.SERVER, Kind.PROFILE, Kind.SPLIT}
    assert {kind for kind, each in ours.items() if each.may_be_missing} == definitions
    assert {kind for kind, each in ours.items() if each.may_be_forbidden} == {Kind.SPLIT}
    assert set(linked) == set(ours) - (definitions - {Kind.SERVER}) - {Kind.NODE}
    spared = {Kind.REPLICA_SET, Kind.JOB, Kind.SERVER}
    assert {kind for kind, each in linked.items() if each.may_be_missing} == spared
    assert {kind for kind, each in linked.items() if each.may_be_forbidden} == spared


def test_without_slices_there_can_be_no_families() -> None:
    with pytest.raises(SettingsError, match="needs --enable-ipv6=false"):
        mesh_of(settings("--enable-endpoint-slices=false"))
    mesh = mesh_of(settings("--enable-endpoint-slices=false", "--enable-ipv6=false"))
    assert mesh.ipv6, "what Endpoints list is given out whatever its family"
