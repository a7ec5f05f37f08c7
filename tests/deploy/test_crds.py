"""The custom resources, by what a real API server makes of them: which objects it takes in every
version, what it fills in, prints and refuses."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.api import ApiRefusedError
from linkerd.local.cluster import LocalCluster
from tests.deploy.refused import GATEWAY, REFUSED
from tests.support.manifests import Manifest, named, parse

pytestmark = pytest.mark.integration

ACCEPTED: Final = Path(__file__).parent / "accepted"
HTTP_ROUTES: Final = f"httproutes.{GATEWAY}"
GRPC_ROUTES: Final = f"grpcroutes.{GATEWAY}"


@pytest.fixture(scope="module")
def definitions(kubectl: Kubectl) -> list[Manifest]:
    """Every CRD that is shipped, those of the Gateway API too."""
    folders = ("deploy/base/crds", "deploy/components/gateway-api")
    return [o for folder in folders for o in parse(kubectl.render(ROOT / folder))]


@pytest.fixture(scope="module")
def examples() -> list[Manifest]:
    """Objects as people write them, of every kind and in every version."""
    return [o for file in sorted(ACCEPTED.glob("*.yaml")) for o in parse(file.read_text())]


@pytest.fixture(scope="module")
def defined(cluster: LocalCluster, definitions: list[Manifest]) -> Kubectl:
    """A cluster that knows all of them."""
    kubectl = Kubectl(cluster.kubeconfig)
    kubectl.apply(yaml.safe_dump_all([o.body for o in definitions]), doing="applying the CRDs")
    names = [f"crd/{o.name}" for o in definitions]
    kubectl("wait", "--for=condition=Established", "--timeout=30s", *names)
    return kubectl


@pytest.fixture(scope="module")
def create(
    cluster: LocalCluster, defined: Kubectl, definitions: list[Manifest]
) -> Iterator[Callable[[Any, bool], None]]:
    """Creates an object, or asks whether it may be. A field that its version does not know is an
    error too."""
    del defined
    plurals = {
        (crd.spec["group"], crd.spec["names"]["kind"]): crd.spec["names"]["plural"]
        for crd in definitions
    }
    with cluster.api() as api:

        def ask(body: Any, dry: bool) -> None:
            group = body["apiVersion"].partition("/")[0]
            plural, namespace = plurals[group, body["kind"]], body["metadata"]["namespace"]
            path = f"/apis/{body['apiVersion']}/namespaces/{namespace}/{plural}"
            api.request(
                "POST", f"{path}?fieldValidation=Strict{'&dryRun=All' if dry else ''}", body
            )

        yield ask


@pytest.fixture(scope="module")
def stored(
    defined: Kubectl, create: Callable[[Any, bool], None], examples: list[Manifest]
) -> Kubectl:
    """And has the examples."""
    for example in examples:
        create(example.body, False)
    return defined


def test_every_served_version_has_an_example(
    definitions: list[Manifest], examples: list[Manifest]
) -> None:
    served = {
        (f"{crd.spec['group']}/{version['name']}", crd.spec["names"]["kind"])
        for crd in definitions
        for version in crd.spec["versions"]
    }
    assert served == {(o.body["apiVersion"], o.kind) for o in examples}


def test_objects_of_any_version_are_there_in_every_version(
    stored: Kubectl,
    cluster: LocalCluster,
    definitions: list[Manifest],
    examples: list[Manifest],
) -> None:
    """Without a conversion webhook, because versions only add fields."""
    del stored
    with cluster.api() as api:
        for crd in definitions:
            group, names = crd.spec["group"], crd.spec["names"]
            written = {
                o.name
                for o in examples
                if o.kind == names["kind"] and o.body["apiVersion"].startswith(f"{group}/")
            }
            for version in crd.spec["versions"]:
                path = f"/apis/{group}/{version['name']}/namespaces/default/{names['plural']}"
                assert written <= {o["metadata"]["name"] for o in api.request("GET", path)["items"]}


COLUMNS: Final = {
    "servers.policy.linkerd.io": ["NAME", "PORT", "PROTOCOL", "ACCESS POLICY"],
    "servers.v1beta2.policy.linkerd.io": ["NAME", "PORT", "PROTOCOL"],
    "serverauthorizations.policy.linkerd.io": ["NAME", "SERVER"],
    "authorizationpolicies.policy.linkerd.io": ["NAME", "AGE"],
    "httplocalratelimitpolicies.policy.linkerd.io": [
        "NAME", "TARGET_KIND", "TARGET_NAME", "TOTAL_RPS", "IDENTITY_RPS",
    ],
    "httproutes.policy.linkerd.io": ["NAME", "HOSTNAMES", "AGE"],
    "httproutes.v1alpha1.policy.linkerd.io": ["NAME", "HOSTNAMES", "AGE"],
    HTTP_ROUTES: ["NAME", "HOSTNAMES", "AGE"],
    GRPC_ROUTES: ["NAME", "HOSTNAMES", "AGE"],
    "externalworkloads.workload.linkerd.io": ["NAME", "IDENTITY", "AGE"],
    "externalworkloads.v1alpha1.workload.linkerd.io": ["NAME", "IDENTITY", "AGE"],
}  # fmt: skip


@pytest.mark.parametrize("resource", COLUMNS)
def test_what_is_printed(stored: Kubectl, resource: str) -> None:
    header, *_ = stored("get", resource, "--namespace=default").splitlines()
    columns = COLUMNS[resource]
    assert header.split() == " ".join(columns).split()


@pytest.mark.parametrize(
    ("resource", "name", "shown"),
    [
        ("servers.policy.linkerd.io", "by-name", ["http", "HTTP/2", "all-unauthenticated"]),
        ("serverauthorizations.policy.linkerd.io", "by-name", ["web"]),
        (
            "httplocalratelimitpolicies.policy.linkerd.io", "web",
            ["Server", "web", "100", "20"],
        ),
        ("httproutes.policy.linkerd.io", "full", ['["web.example.com","*.example.org"]']),
    ],
)  # fmt: skip
def test_printed_values(stored: Kubectl, resource: str, name: str, shown: list[str]) -> None:
    line = stored("get", resource, name, "--namespace=default", "--no-headers").split()
    assert line[1 : 1 + len(shown)] == shown


def test_short_names_and_categories(defined: Kubectl, cluster: LocalCluster) -> None:
    """As the API server tells them to clients."""
    del defined
    found: dict[str, tuple[set[str], set[str]]] = {}
    with cluster.api() as api:
        for version in (
            "linkerd.io/v1alpha2",
            "policy.linkerd.io/v1alpha1",
            "workload.linkerd.io/v1beta1",
            f"{GATEWAY}/v1",
            f"{GATEWAY}/v1alpha2",
        ):
            for resource in api.request("GET", f"/apis/{version}")["resources"]:
                name = f"{resource['name']}.{version.partition('/')[0]}"
                short, categories = resource.get("shortNames", ()), resource.get("categories", ())
                found[name] = set(short), set(categories)
    assert {name: names for name, names in found.items() if any(names)} == {
        "serviceprofiles.linkerd.io": ({"sp"}, set()),
        "servers.policy.linkerd.io": ({"srv"}, set()),
        "serverauthorizations.policy.linkerd.io": ({"saz", "serverauthz", "srvauthz"}, set()),
        "authorizationpolicies.policy.linkerd.io": ({"authzpolicy"}, set()),
        "meshtlsauthentications.policy.linkerd.io": ({"meshtlsauthn"}, set()),
        "networkauthentications.policy.linkerd.io": ({"netauthn", "networkauthn"}, set()),
        "egressnetworks.policy.linkerd.io": (set(), {"policy"}),
        "externalworkloads.workload.linkerd.io": (set(), {"external"}),
        HTTP_ROUTES: (set(), {"gateway-api"}),
        GRPC_ROUTES: (set(), {"gateway-api"}),
        f"tlsroutes.{GATEWAY}": (set(), {"gateway-api"}),
        f"tcproutes.{GATEWAY}": (set(), {"gateway-api"}),
    }


DEFAULTS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("servers.policy.linkerd.io", "older"): {
        "spec.proxyProtocol": "unknown",
        "spec.accessPolicy": "deny",
    },
    ("httproutes.policy.linkerd.io", "oldest"): {"spec.parentRefs.0.group": "policy.linkerd.io"},
    ("httproutes.policy.linkerd.io", "bare"): {"spec.rules.0.matches.0.path.value": "/"},
    ("httproutes.policy.linkerd.io", "full"): {
        "spec.rules.0.backendRefs.0.kind": "Service",
        "spec.rules.1.filters.0.requestRedirect.statusCode": 302,
    },
    (HTTP_ROUTES, "full"): {
        "spec.parentRefs.2.group": GATEWAY,
        "spec.parentRefs.2.kind": "Gateway",
    },
    (HTTP_ROUTES, "older"): {"spec.rules.0.matches.0.path.type": "PathPrefix"},
    (GRPC_ROUTES, "full"): {"spec.rules.0.backendRefs.0.weight": 1},
    ("externalworkloads.workload.linkerd.io", "vm-1"): {"spec.ports.0.protocol": "TCP"},
    ("links.multicluster.linkerd.io", "west"): {
        "spec.probeSpec.failureThreshold": "3",
        "spec.probeSpec.timeout": "30s",
    },
}
"""What is filled in, by the object and the path in it."""


@pytest.mark.parametrize(("resource", "name"), DEFAULTS)
def test_defaults(stored: Kubectl, resource: str, name: str) -> None:
    filled = DEFAULTS[resource, name]
    found = stored.find(resource, name, "default")
    assert {path: _at(found, path) for path in filled} == filled


def test_older_server_is_stored_as_the_newest(stored: Kubectl) -> None:
    server = stored.find("servers.v1beta3.policy.linkerd.io", "older", "default")
    assert server is not None
    assert server["apiVersion"] == "policy.linkerd.io/v1beta3"


STATUS: Final = {
    "policy.linkerd.io/v1beta3/namespaces/default/httproutes": "full",
    f"{GATEWAY}/v1/namespaces/default/httproutes": "full",
    f"{GATEWAY}/v1/namespaces/default/grpcroutes": "full",
    f"{GATEWAY}/v1alpha2/namespaces/default/tlsroutes": "web",
    f"{GATEWAY}/v1alpha2/namespaces/default/tcproutes": "database",
    "policy.linkerd.io/v1alpha1/namespaces/default/httplocalratelimitpolicies": "web",
    "policy.linkerd.io/v1alpha1/namespaces/default/egressnetworks": "all",
    "workload.linkerd.io/v1beta1/namespaces/default/externalworkloads": "vm-1",
    "multicluster.linkerd.io/v1alpha3/namespaces/default/links": "west",
}


@pytest.mark.parametrize("resource", STATUS)
def test_a_status_is_written_by_itself(
    stored: Kubectl, cluster: LocalCluster, resource: str
) -> None:
    """By the subresource, and not along with the rest."""
    del stored
    accepted = {
        "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    parent = {"group": "core", "kind": "Service", "name": "web", "namespace": "default", "port": 80}
    if "routes" in resource:
        status: dict[str, Any] = {
            "parents": [
                {
                    "parentRef": parent,
                    "controllerName": "linkerd.io/policy-controller",
                    "conditions": [accepted],
                }
            ]
        }
    elif "links" in resource:
        mirrored = {"name": "web", "namespace": "shop"}
        entry = {"controllerName": "linkerd.io/service-mirror", "remoteRef": mirrored}
        status = {"mirrorServices": [entry]}
    else:
        status = {"conditions": [accepted]}
        if "ratelimit" in resource:
            status["targetRef"] = {"name": "web"}
    path, body = f"/apis/{resource}/{STATUS[resource]}", {"status": status}
    with cluster.api() as api:
        api.request("PATCH", path, body, kind="merge-patch+json")
        assert "status" not in api.request("GET", path)
        api.request("PATCH", f"{path}/status", body, kind="merge-patch+json")
        assert "status" in api.request("GET", path)


@pytest.mark.parametrize(
    ("kind", "name", "path", "value", "said"),
    REFUSED,
    ids=[
        f"{kind}-{path.removeprefix('spec.')}-{n}" for n, (kind, _, path, *_) in enumerate(REFUSED)
    ],
)
def test_what_is_refused(
    create: Callable[[Any, bool], None],
    examples: list[Manifest],
    kind: str,
    name: str,
    path: str,
    value: Any,
    said: str,
) -> None:
    """An example with one thing wrong. The message says which."""
    kind, _, group = kind.partition(".")
    alike = [o for o in examples if o.body["apiVersion"].startswith(group or o.body["apiVersion"])]
    body = copy.deepcopy(named(alike if group else _with_gateway(alike, kind), kind, name).body)
    body["metadata"]["name"] = "refused"
    _change(body, path, value)
    with pytest.raises(ApiRefusedError, match=f"422.*{said}"):
        create(body, True)


def _with_gateway(objects: list[Manifest], kind: str) -> list[Manifest]:
    """HTTPRoute is a kind of two groups."""
    if kind != "HTTPRoute":
        return objects
    return [o for o in objects if o.body["apiVersion"].startswith(GATEWAY)]


def _at(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body[int(part) if part.isdigit() else part]
    return body


def _change(body: Any, path: str, value: Any) -> None:
    way, _, end = path.rpartition(".")
    body, last = _at(body, way), int(end) if end.isdigit() else end
    if value is None:
        del body[last]
    else:
        body[last] = value
