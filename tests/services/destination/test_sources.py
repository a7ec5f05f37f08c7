"""Where endpoints are read from."""

import pytest

from linkerd.kube.resource import ENDPOINT_SLICES, ENDPOINTS
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.settings import load
from services.destination.app import Settings, mesh_of
from services.destination.index import Kind
from services.destination.sources import OPTIONAL, sources


def settings(*flags: str) -> Settings:
    domains = ("--cluster-domain=mesh.test", "--identity-trust-domain=mesh.test")
    return load(Settings, (*domains, *flags), {}, prog="destination")


@pytest.mark.parametrize("slices", [True, False])
def test_endpoints_are_read_from_one_kind_only(slices: bool) -> None:
    read = sources(slices=slices)
    assert (ENDPOINT_SLICES in read.values(), ENDPOINTS in read.values()) == (slices, not slices)
    assert set(read) >= OPTIONAL
    assert set(Kind) - set(read) == {Kind.ENDPOINTS if slices else Kind.SLICE}


def test_without_slices_there_can_be_no_families() -> None:
    with pytest.raises(SettingsError, match="needs --enable-ipv6=false"):
        mesh_of(settings("--enable-endpoint-slices=false"))
    mesh = mesh_of(settings("--enable-endpoint-slices=false", "--enable-ipv6=false"))
    assert mesh.ipv6, "what Endpoints list is given out whatever its family"
