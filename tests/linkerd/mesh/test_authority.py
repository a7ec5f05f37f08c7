"""Authorities: section by section of Go's splitting rules, and what a cluster can know."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.mesh.authority import (
    AuthorityError,
    IpTarget,
    ServiceTarget,
    is_target,
    parse_authority,
    with_port,
)
from linkerd.mesh.names import service_name

DOMAIN = "mesh.test"
LABELS = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("ledger.fin.svc.mesh.test:7443", ServiceTarget("fin", "ledger", 7443)),
        ("ledger.fin.svc.mesh.test", ServiceTarget("fin", "ledger", 80)),
        ("db-2.ledger.fin.svc.mesh.test:5432", ServiceTarget("fin", "ledger", 5432, "db-2")),
        ("ledger.fin.svc.mesh.test:+90", ServiceTarget("fin", "ledger", 90)),
        ("ledger.fin.svc.mesh.test:0090", ServiceTarget("fin", "ledger", 90)),
        ("10.9.8.7:81", IpTarget("10.9.8.7", 81)),
        ("10.9.8.7", IpTarget("10.9.8.7", 80)),
        ("[10.9.8.7]:81", IpTarget("10.9.8.7", 81)),
        ("[fd00::5]:81", IpTarget("fd00::5", 81)),
        ("[FD00:0::5]:81", IpTarget("fd00::5", 81)),
        ("[::ffff:10.9.8.7]:81", IpTarget("::ffff:10.9.8.7", 81)),
    ],
)
def test_valid(path: str, target: object) -> None:
    assert parse_authority(path, DOMAIN) == target


@pytest.mark.parametrize(
    "path",
    [
        "",
        "foo",
        "a.b.c.fin.svc.mesh.test",
        "ledger.fin.svc.mesh.test.:80",
        "ledger.fin.svc.mesh.test.",
        "Ledger.fin.SVC.mesh.test:80",
        "svc.mesh.test:80",
        "fin.svc.mesh.test:80",
        "ledger.fin:80",
        "example.org",
        "ledger.fin.svc.other.test:80",
        "ledger.fin.svc.mesh.test:",
        "ledger.fin.svc.mesh.test:0",
        "ledger.fin.svc.mesh.test:-1",
        "ledger.fin.svc.mesh.test:65536",
        "ledger.fin.svc.mesh.test:http",
        "ledger.fin.svc.mesh.test:8_0",
        "ledger.fin.svc.mesh.test:\u0668\u0660",
        "ledger.fin.svc.mesh.test:80:80",
        "ledger.fin.svc.mesh.test:" + "9" * 5000,
        "fd00::5",
        "[fd00::5]",
        "[fd00::5",
        "[fd00::5]81",
        "[fd00::5]:81:82",
        "[fe80::1%eth0]:81",
        "fd00::5]:81",
        "[[fd00::5]]:81",
        ":80",
        ":",
        ".fin.svc.mesh.test:80",
        "ledger..svc.mesh.test:80",
        "010.9.8.7:81",
        "\0:80",
    ],
)
def test_invalid(path: str) -> None:
    with pytest.raises(AuthorityError, match=r"^invalid authority"):
        parse_authority(path, DOMAIN)


def test_message_names_the_authority_and_stays_short() -> None:
    with pytest.raises(AuthorityError, match='"foo"'):
        parse_authority("foo", DOMAIN)
    with pytest.raises(AuthorityError) as caught:
        parse_authority("x" * 100_000, DOMAIN)
    assert len(str(caught.value)) < 400


def test_a_cluster_domain_of_one_label() -> None:
    assert parse_authority("a.b.svc.local:1", "local") == ServiceTarget("b", "a", 1)


@given(st.text(max_size=60) | st.from_regex(r"[\[\]:.a-f0-9]{0,30}", fullmatch=True))
def test_any_text_is_parsed_or_refused(path: str) -> None:
    try:
        target = parse_authority(path, DOMAIN)
    except AuthorityError:
        return
    assert 0 < target.port <= 65535
    if isinstance(target, IpTarget):
        ipaddress.ip_address(target.ip)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_ips_come_back(ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    host = f"[{ip}]" if ip.version == 6 else str(ip)
    target = parse_authority(f"{host}:{port}", DOMAIN)
    assert isinstance(target, IpTarget)
    assert ipaddress.ip_address(target.ip) == ip
    assert target.port == port


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        *[(name, True) for name in ("a", "A_b.c-d.", "a.b:80", "a.b.:0", "1.a", "a" * 63)],
        *[(ip, True) for ip in ("10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:1")],
        *[(name, False) for name in ("", ".", "a..b", "a b", "-a", "a-", "1", "a.1", "a" * 64)],
        *[(end, False) for end in ("a:", ":80", "a:b", "a:65536", "a:-1", "a:٣", "a.b..:80")],
        *[(odd, False) for odd in ("[a]", "[fd00::1", "[fd00::1]80", "a:1:2", ".".join("a" * 128))],
    ],
)
def test_where_traffic_can_be_sent(text: str, *, holds: bool) -> None:
    assert is_target(text) == holds


@pytest.mark.parametrize(
    ("authority", "full"),
    [
        ("ledger.fin", "ledger.fin:80"),
        ("ledger.fin:90", "ledger.fin:90"),
        ("10.9.8.7", "10.9.8.7:80"),
        ("fd00::5", "[fd00::5]:80"),
        ("[fd00::5]", "[fd00::5]:80"),
        ("[fd00::5]:90", "[fd00::5]:90"),
    ],
)
def test_a_port_of_its_own_stays(authority: str, full: str) -> None:
    assert with_port(authority, 80) == full


@given(LABELS, LABELS, st.integers(1, 65535))
def test_a_services_full_name_leads_to_it(name: str, namespace: str, port: int) -> None:
    full = with_port(service_name(name, namespace, DOMAIN), port)
    assert parse_authority(full, DOMAIN) == ServiceTarget(namespace, name, port)
