"""Command lines and settings of the components."""

import json
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkerd.local.apiserver import apiserver
from linkerd.local.component import Component, flags
from linkerd.local.controllers import controller_manager, kube_proxy, scheduler
from linkerd.local.credentials import Credentials, ensure_credentials
from linkerd.local.dns import coredns, dns_address, dns_objects, usable_resolvers
from linkerd.local.etcd import etcd
from linkerd.local.kubeconfig import render_kubeconfig
from linkerd.local.kubelet import kubelet_settings
from linkerd.local.network import choose_network
from linkerd.local.state import State

NETWORK = choose_network([])
ADDRESS = NETWORK.node_address


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def credentials(state: State) -> Credentials:
    server = f"https://{ADDRESS}:6443"
    return ensure_credentials(state, server=server, address=ADDRESS, services=NETWORK.services)


def api(credentials: Credentials, address: str, *, api_only: bool) -> Component:
    return apiserver(
        Path("/bin/kube-apiserver"),
        credentials,
        address=address,
        port=6443,
        etcd_port=2379,
        services="10.96.0.0/16",
        scratch=Path("/tmp/x"),
        api_only=api_only,
    )


def options(component: Component) -> dict[str, str]:
    pairs = (argument.removeprefix("--").partition("=") for argument in component.argv[1:])
    return {name: value for name, _, value in pairs}


def test_flags_are_written_as_kubernetes_reads_them() -> None:
    assert flags(Path("/p"), bind_address="::", leader_elect=False, port=5) == (
        "/p",
        "--bind-address=::",
        "--leader-elect=false",
        "--port=5",
    )


@given(address=st.ip_addresses(v=4).map(str))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_control_plane_listens_where_it_is_told_only(
    credentials: Credentials, address: str
) -> None:
    store = etcd(
        Path("/bin/etcd"), credentials, data=Path("/d"), address=address, client=2379, peer=2380
    )
    urls = {name: value for name, value in options(store).items() if name.endswith("-urls")}

    assert urls
    assert all(value.startswith(f"https://{address}:") for value in urls.values())
    assert options(api(credentials, address, api_only=True))["bind-address"] == address


def test_nobody_reaches_the_store_without_a_certificate(credentials: Credentials) -> None:
    store = etcd(Path("/e"), credentials, data=Path("/d"), address=ADDRESS, client=1, peer=2)

    assert options(store)["client-cert-auth"] == "true"
    assert options(store)["peer-client-cert-auth"] == "true"
    assert credentials.etcd_authority != credentials.authority


def test_service_accounts_are_wanted_only_where_somebody_makes_them(
    credentials: Credentials,
) -> None:
    assert "disable-admission-plugins" in options(api(credentials, ADDRESS, api_only=True))
    assert "disable-admission-plugins" not in options(api(credentials, ADDRESS, api_only=False))


def test_no_key_is_on_a_command_line(credentials: Credentials, state: State) -> None:
    components = [
        api(credentials, ADDRESS, api_only=False),
        controller_manager(Path("/c"), credentials, NETWORK),
        scheduler(Path("/s"), credentials, NETWORK),
        kube_proxy(Path("/p"), credentials, NETWORK),
        coredns(Path("/d"), credentials, state, NETWORK),
    ]
    text = " ".join(word for component in components for word in component.argv)

    assert "PRIVATE" not in text
    for file in state.pki.glob("*.key"):
        assert file.read_text().splitlines()[1] not in text


def test_fingerprint_follows_command_line_and_settings() -> None:
    def component(argv: tuple[str, ...], settings: str) -> str:
        return Component("x", argv, lambda: True, settings=settings).fingerprint

    first = component(("a", "b"), "s")

    assert first == component(("a", "b"), "s")
    assert len({first, component(("a", "b"), "t"), component(("a",), "bs"), component((), "")}) == 4


def test_kubelet_keeps_images_that_cannot_be_had_again(
    credentials: Credentials, state: State
) -> None:
    written = kubelet_settings(credentials, state, NETWORK, cgroup="/x", dns="10.96.0.10")
    read = yaml.safe_load(yaml.safe_dump(written))

    assert read["imageGCHighThresholdPercent"] == 100
    assert set(read["evictionHard"].values()) == {"0%"}
    assert read["authentication"]["anonymous"] == {"enabled": False}
    assert read["address"] == ADDRESS


def test_kubeconfig_needs_no_other_file() -> None:
    text = render_kubeconfig(
        server="https://h:1", authority=b"CA", certificate=b"CERT", key=b"KEY", user="me"
    )
    document = yaml.safe_load(text)
    context = document["contexts"][0]

    assert context["name"] == document["current-context"]
    assert context["context"]["user"] == document["users"][0]["name"]
    assert "/" not in json.dumps(document["users"][0]["user"])


def test_dns_has_the_tenth_service_address() -> None:
    service = dns_objects(NETWORK)["/api/v1/namespaces/kube-system/services/kube-dns"]

    assert service["spec"]["clusterIP"] == dns_address(NETWORK) == "10.96.0.10"
    assert ip_network(NETWORK.services)[10].compressed == "10.96.0.10"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], []),
        (["nameserver 127.0.0.53\n"], []),
        (["nameserver 127.0.0.53\n", "nameserver 192.0.2.1\n"], ["192.0.2.1"]),
        (["nameserver 192.0.2.1\nnameserver 192.0.2.1\n"], ["192.0.2.1"]),
        (["# nameserver 192.0.2.1\nsearch x\nnameserver\nnameserver ::1\nnameserver what\n"], []),
        (
            ["".join(f"nameserver 192.0.2.{i}\n" for i in range(1, 6))],
            [f"192.0.2.{i}" for i in (1, 2, 3)],
        ),
    ],
    ids=["none", "stub", "behind-stub", "twice", "noise", "many"],
)
def test_usable_resolvers(files: list[str], expected: list[str]) -> None:
    assert usable_resolvers(iter(files)) == expected


def test_dns_without_resolvers_answers_for_the_cluster(
    credentials: Credentials, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linkerd.local.dns._RESOLVERS", ())

    component = coredns(Path("/d"), credentials, state, NETWORK)

    assert "forward" not in component.settings
    assert "cluster.local" in component.settings
