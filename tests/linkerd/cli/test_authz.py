"""`linkerd authz`: what authorizes whom, of objects as they are read; and beside an API server."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from linkerd.cli._authorizations import Objects, Row, authorizations
from linkerd.cli.main import cli
from linkerd.local.cluster import LocalCluster
from linkerd.policy.references import GATEWAY_HTTP_ROUTE, GRPC_ROUTE, LINKERD_HTTP_ROUTE
from services.policy.index.kinds import Kind
from tests.support.policy import program
from tests.support.policy.objects import item, parents

POLICY = "policy.linkerd.io"
WEB = [{"app": "web"}]
EVERYONE = {"unauthenticated": True}


def server(name: str, app: str = "web", **labels: str) -> Any:
    selector = {"matchLabels": {"app": app}}
    return item(Kind.SERVER, name, {"port": 80, "podSelector": selector}, labels=labels)


def server_authorization(name: str, chosen: dict[str, Any], client: Any = None) -> Any:
    spec = {"server": chosen, "client": client or EVERYONE}
    return item(Kind.SERVER_AUTHORIZATION, name, spec)


def policy(name: str, kind: str, target: str, group: str = POLICY) -> Any:
    spec = {"targetRef": {"group": group, "kind": kind, "name": target}}
    return item(Kind.AUTHORIZATION_POLICY, name, spec | {"requiredAuthenticationRefs": []})


def rows(*objects: Any, routes: Any = None, workloads: Any = None) -> tuple[list[Row], list[str]]:
    def of(struct: str) -> list[Any]:
        return [each for each in objects if type(each).__name__ == struct]

    known = Objects(
        of("Server"), of("ServerAuthorization"), of("AuthorizationPolicy"), routes or {}
    )
    return authorizations(known, WEB if workloads is None else workloads)


def test_server_authorizations_by_name_and_by_labels() -> None:
    found, faults = rows(
        server("web", tier="front"),
        server("admin"),
        server("other", app="other"),
        server_authorization("named", {"name": "web"}),
        server_authorization("chosen", {"selector": {"matchLabels": {"tier": "front"}}}),
        server_authorization("elsewhere", {"name": "other"}),
    )
    assert found == [Row("", "web", "", "chosen"), Row("", "web", "", "named")]
    assert faults == []


def test_policies_for_a_server_and_for_the_namespace() -> None:
    found, _ = rows(
        server("web"), server("admin"),
        policy("one", "Server", "web"),
        policy("all", "Namespace", "fin", group=""),
        policy("gone", "Server", "nobody"),
    )  # fmt: skip
    assert found == [Row("", "admin", "all"), Row("", "web", "all"), Row("", "web", "one")]


@pytest.mark.parametrize(
    ("reference", "kind", "group", "object_kind"),
    [
        (LINKERD_HTTP_ROUTE, "HTTPRoute", POLICY, Kind.HTTP_ROUTE),
        (GATEWAY_HTTP_ROUTE, "HTTPRoute", "gateway.networking.k8s.io", Kind.GATEWAY_HTTP_ROUTE),
        (GRPC_ROUTE, "GRPCRoute", "gateway.networking.k8s.io", Kind.GRPC_ROUTE),
    ],
)
def test_policies_for_a_route(reference: Any, kind: str, group: str, object_kind: Kind) -> None:
    route = item(object_kind, "books", {"parentRefs": parents("web", "admin"), "rules": []})
    odd = item(object_kind, "odd", {"parentRefs": parents("web", port=80), "rules": []})
    found, _ = rows(
        server("web"),
        policy("readers", kind, "books", group),
        policy("nobody", kind, "odd", group),
        routes={reference: [route, odd]},
    )
    assert found == [Row("books", "web", "readers")]


def test_what_adds_nothing_is_said() -> None:
    """And hides nothing else."""
    both = {"unauthenticated": True, "meshTLS": {}}
    found, faults = rows(
        server("web"),
        server_authorization("both", {"name": "web"}, both),
        server_authorization("good", {"name": "web"}),
        policy("bad", "Namespace", "elsewhere", group=""),
    )
    assert found == [Row("", "web", "", "good")]
    assert [fault.partition(":")[0] for fault in faults] == [
        "serverauthorization both adds nothing",
        "authorizationpolicy bad adds nothing",
    ]


def test_a_server_with_a_senseless_selector_selects_nobody() -> None:
    expression = {"key": "app", "operator": "Like", "values": ["web"]}
    spec = {"port": 80, "podSelector": {"matchExpressions": [expression]}}
    found, _ = rows(item(Kind.SERVER, "web", spec), server_authorization("a", {"name": "web"}))
    assert found == []


@pytest.mark.integration
def test_the_command(policy_cluster: LocalCluster, policy_namespace: str) -> None:
    where = (f"--kubeconfig={policy_cluster.kubeconfig}", "-n", policy_namespace)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["authz", *arguments, *where])

    with policy_cluster.api() as api:
        objects = program.Objects(api, policy_namespace)
        objects.pod("web", labels={"app": "web"})
        assert run("pod/web").output == "No authorizations found.\n"
        objects.create("servers", "web", {"port": 80, "podSelector": {}})
        server = {"group": POLICY, "kind": "Server", "name": "web"}
        objects.create("httproutes", "books", {"parentRefs": [server]})
        for name, target in (
            ("all", server),
            ("readers", {"group": POLICY, "kind": "HTTPRoute", "name": "books"}),
        ):
            spec = {"targetRef": target, "requiredAuthenticationRefs": []}
            objects.create("authorizationpolicies", name, spec)
        everyone = {"server": {"name": "web"}, "client": EVERYONE}
        objects.create("serverauthorizations", "old", everyone)
    assert [line.rstrip() for line in run("pod", "web").output.splitlines()] == [
        "ROUTE  SERVER  AUTHORIZATION_POLICY  SERVER_AUTHORIZATION",
        "*      web                           old",
        "*      web     all",
        "books  web     readers",
    ]
    first, *_ = json.loads(run("po/web", "--output=json").stdout)
    assert first == {
        "route": "", "server": "web", "authorization_policy": "", "server_authorization": "old",
    }  # fmt: skip
    assert 'pods "nobody" not found' in run("pod/nobody").output
    assert "name one resource" in run("web").output
