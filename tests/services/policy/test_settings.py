"""The flags of the policy service."""

from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from linkerd.policy.default_policies import DefaultPolicy
from linkerd.policy.networks import Network
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.settings import describe, load
from services.policy.settings import Settings, mesh_of, parse_log_filter

REQUIRED = "--default-opaque-ports=25,4444-4446"


def settings(*flags: str, **environ: str) -> Settings:
    return load(Settings, (REQUIRED, *flags), environ, prog="policy")


def test_upstreams_manifest() -> None:
    """The arguments of upstream's own container, dash for dash."""
    given = settings(
        "--admin-addr=[::]:9990",
        "--control-plane-namespace=mesh-sys",
        "--grpc-addr=[::]:8090",
        "--server-addr=[::]:9443",
        "--server-tls-key=/var/run/linkerd/tls/tls.key",
        "--server-tls-certs=/var/run/linkerd/tls/tls.crt",
        "--cluster-networks=10.0.0.0/8,fd00::/8",
        "--identity-domain=trust.test",
        "--cluster-domain=mesh.test",
        "--default-policy=cluster-authenticated",
        "--log-level=info",
        "--log-format=plain",
        "--default-opaque-ports=25,587,4444-4446",
        "--global-egress-network-namespace=outside",
        "--probe-networks=0.0.0.0/0,::/0",
    )
    with capture_logs() as logs:
        mesh = mesh_of(given)
    assert [entry["event"] for entry in logs] == [
        "nothing is admitted here: services/validator does that; --server-… is ignored"
    ]
    assert mesh.identities.workload("a", "b").endswith("mesh-sys.trust.test")
    assert mesh.cluster_networks == (
        Network(ip_network("10.0.0.0/8")),
        Network(ip_network("fd00::/8")),
    )
    assert mesh.cluster_domain == "mesh.test"
    assert mesh.default_policy is DefaultPolicy.CLUSTER_AUTHENTICATED
    assert mesh.probe_networks == (Network(ip_network("0.0.0.0/0")), Network(ip_network("::/0")))
    assert (4445 in mesh.opaque_ports, 4447 in mesh.opaque_ports) == (True, False)
    assert mesh.egress_namespace == "outside"
    assert not mesh.request_headers


def test_defaults() -> None:
    given = settings()
    assert (str(given.addr), str(given.admin_addr)) == (":8090", ":9990")
    assert settings("--addr=:1").addr == settings("--grpc-addr=:1").addr
    assert given.patch_timeout.total_seconds() == 5
    mesh = mesh_of(given)
    assert [str(network.block) for network in mesh.cluster_networks] == [
        "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16",
    ]  # fmt: skip
    assert mesh.default_policy is DefaultPolicy.ALL_UNAUTHENTICATED
    assert mesh.probe_networks == ()
    assert mesh.egress_namespace == "linkerd-egress"
    assert mesh.cluster_domain == mesh.identities.trust_domain == "cluster.local"


def test_a_switch_needs_no_value() -> None:
    assert mesh_of(settings("--allow-l5d-request-headers")).request_headers


def test_opaque_ports_have_to_be_said() -> None:
    with pytest.raises(SettingsError, match="default-opaque-ports"):
        load(Settings, (), {}, prog="policy")
    assert mesh_of(settings("--default-opaque-ports=")).opaque_ports.ranges == ()


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--default-policy=allow", "all-unauthenticated"),
        ("--cluster-networks=10.0.0.0/8,ten", "'?ten'? is no network"),
        ("--probe-networks=10.0.0.0/33", "probe-networks"),
        ("--log-level=loud", "'loud' is none of off, panic"),
        ("--patch-timeout-ms=soon", "a whole number"),
        ("--polices=deny", "unknown flag --polices"),
    ],
)
def test_flags_that_mean_nothing(flag: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(flag)


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("--default-opaque-ports=25,smtp", "--default-opaque-ports: neither a port nor a range"),
        ("--cluster-networks=", "--cluster-networks must name a network"),
        ("--patch-timeout-ms=0", "--patch-timeout-ms must be above 0"),
        ("--cluster-domain=Cluster.local", "--cluster-domain"),
        ("--identity-domain=", "--identity-domain"),
        ("--control-plane-namespace=a.b", "--control-plane-namespace"),
        ("--global-egress-network-namespace=", "--global-egress-network-namespace"),
    ],
)
def test_flags_that_cannot_be(flag: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        mesh_of(settings(flag))


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("info", "info"),
        ("linkerd=info,warn", "info"),
        ("warn,linkerd=debug", "debug"),
        ("linkerd[{name}]=trace,error", "trace"),
        ("kubert=debug,WARN", "warn"),
        ("kubert=debug", "info"),
        ("off", "panic"),
        ("panic", "panic"),
    ],
)
def test_levels_as_upstream_writes_them(text: str, level: str) -> None:
    assert parse_log_filter(text) == level
    assert settings(LINKERD_POLICY_CONTROLLER_LOG=text).log_level == level


def test_what_is_said_at_start_can_be_said_again() -> None:
    given = settings("--cluster-networks=10.0.0.0/8,fd00::/8", "--default-policy=deny")
    flags = [f"--{name}={value}" for name, value in describe(given).items()]
    assert load(Settings, flags, {}, prog="policy") == given
