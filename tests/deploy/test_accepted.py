"""A real API server takes every object, and grants what the services need and no more."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
import yaml

from linkerd.delivery.errors import KubectlError
from linkerd.delivery.kubectl import Kubectl
from linkerd.local.cluster import LocalCluster
from linkerd.profiles.template import template
from linkerd.runtime.settings import load
from linkerd.trust.objects import ISSUER
from services.destination.app import Settings
from services.destination.resources import resources
from services.policy.resources import RESOURCES
from tests.support.manifests import Manifest, named, of_kind, with_components

pytestmark = pytest.mark.integration

SLICES = "endpointslices.discovery.k8s.io"
LEASES = "leases.coordination.k8s.io"
IDENTITY = "system:serviceaccount:linkerd:linkerd-identity"
DESTINATION = "system:serviceaccount:linkerd:linkerd-destination"
POLICY = "system:serviceaccount:linkerd:linkerd-policy"
WATCHED = sorted(
    {
        f"{resource.plural}.{resource.group}".rstrip(".")
        for slices in (True, False)
        for resource in resources(slices=slices).values()
    }
)
"""All that destination reads of the whole cluster, under either setting."""


class MayDo(Protocol):
    """Whether someone may do something with a resource, in one namespace."""

    def __call__(self, who: str, verb: str, resource: str, namespace: str = "shop") -> bool: ...


@pytest.fixture(scope="module")
def applied(cluster: LocalCluster, control_plane: list[Manifest]) -> Kubectl:
    """The cluster with the whole control plane in it."""
    kubectl = Kubectl(cluster.kubeconfig)
    kubectl.apply(_yaml(control_plane), doing="applying the control plane")
    crds = [f"crd/{o.name}" for o in control_plane if o.kind == "CustomResourceDefinition"]
    kubectl("wait", "--for=condition=Established", "--timeout=30s", *crds)
    return kubectl


@pytest.fixture(scope="module")
def may(cluster: LocalCluster, applied: Kubectl) -> Iterator[MayDo]:
    """Asks the API server whether someone may do something with a resource."""
    del applied  # its roles are what is asked about
    groups = ["system:serviceaccounts", "system:serviceaccounts:linkerd", "system:authenticated"]
    with cluster.api() as api:

        def ask(who: str, verb: str, resource: str, namespace: str = "shop") -> bool:
            plural, _, group = resource.partition(".")
            plural, _, part = plural.partition("/")
            attributes = {
                "verb": verb, "group": group, "resource": plural, "subresource": part,
                "namespace": namespace,
            }  # fmt: skip
            path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
            spec = {"user": who, "groups": groups, "resourceAttributes": attributes}
            answer = api.request("POST", path, {"spec": spec})
            return bool(answer["status"]["allowed"])

        yield ask


def test_every_tree_passes_validation(
    applied: Kubectl, kubectl: Kubectl, tree: list[Manifest]
) -> None:
    """The server's own checks, strict: an unknown or misspelt field is an error."""
    namespaces = [o for o in tree if o.kind == "Namespace"]
    applied.apply(_yaml(namespaces), doing="making namespaces")
    applied(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts",
        "--filename=-", stdin=_yaml(tree),
    )  # fmt: skip


def test_pods_fit_the_security_profile_of_their_namespace(applied: Kubectl) -> None:
    """The namespace enforces `restricted`, so a pod that does not fit is refused."""
    for deployment in applied.list("deployments", "linkerd"):
        template = deployment["spec"]["template"]
        metadata = {**template["metadata"], "name": "probe", "namespace": "linkerd"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        applied("create", "--dry-run=server", "--filename=-", stdin=json.dumps(pod))


def test_applying_twice_changes_nothing(applied: Kubectl, control_plane: list[Manifest]) -> None:
    assert applied.apply(_yaml(control_plane), doing="applying again") == []


@pytest.mark.parametrize("resource", WATCHED)
def test_destination_may_watch_what_it_watches(may: MayDo, resource: str) -> None:
    for verb in ("get", "list", "watch"):
        assert may(DESTINATION, verb, resource)


@pytest.mark.parametrize("resource", [*WATCHED, "secrets", "configmaps", LEASES])
def test_destination_may_write_nothing_but_slices(may: MayDo, resource: str) -> None:
    """Those of ExternalWorkloads."""
    allowed = {"create", "patch", "delete"} if resource == SLICES else set()
    verbs = ("create", "update", "patch", "delete")
    assert {verb for verb in verbs if may(DESTINATION, verb, resource)} == allowed


def test_destination_makes_its_lease_where_it_is(may: MayDo) -> None:
    """And changes no other one, there or elsewhere."""
    assert may(DESTINATION, "create", LEASES, "linkerd")
    for verb in ("get", "list", "update", "patch", "delete"):
        assert not may(DESTINATION, verb, LEASES, "linkerd")


POLICY_READS = sorted({f"{r.plural}.{r.group}".rstrip(".") for r in RESOURCES.values()})
"""All that policy reads of the whole cluster."""
STATUSES = {
    f"{plural}.{group}"
    for group, plurals in {
        "policy.linkerd.io": ("httproutes", "httplocalratelimitpolicies", "egressnetworks"),
        "gateway.networking.k8s.io": ("httproutes", "grpcroutes", "tlsroutes", "tcproutes"),
    }.items()
    for plural in plurals
}
"""Those whose status it writes."""


@pytest.mark.parametrize("resource", POLICY_READS)
def test_policy_reads_and_writes_statuses_alone(may: MayDo, resource: str) -> None:
    for verb in ("get", "list", "watch"):
        assert may(POLICY, verb, resource)
    plural, _, group = resource.partition(".")
    for verb in ("create", "update", "patch", "delete"):
        assert not may(POLICY, verb, resource)
        status = f"{plural}/status.{group}"
        assert may(POLICY, verb, status) == (verb == "patch" and resource in STATUSES)


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "nodes", SLICES, "namespaces"])
def test_policy_sees_nothing_else(may: MayDo, resource: str) -> None:
    assert not any(may(POLICY, verb, resource) for verb in ("get", "list", "watch"))


def test_policy_makes_its_lease_where_it_is(may: MayDo) -> None:
    assert may(POLICY, "create", LEASES, "linkerd")
    for verb in ("get", "list", "update", "patch", "delete"):
        assert not may(POLICY, verb, LEASES, "linkerd")
        assert not may(POLICY, verb, LEASES)


def test_identity_may_review_tokens_and_see_nothing(may: MayDo) -> None:
    assert may(IDENTITY, "create", "tokenreviews.authentication.k8s.io")
    assert may(IDENTITY, "create", "events")
    for resource in ("secrets", "pods", "serviceaccounts", "configmaps"):
        assert not may(IDENTITY, "list", resource)
        assert not may(IDENTITY, "get", resource)


TREES = {
    "base": ("deploy/base", ()),
    "local": ("deploy/overlays/local", ()),
    "linked clusters": ("deploy/base", ("linked-clusters",)),
    "all components": (
        "deploy/base",
        ("linked-clusters", "gateway-api", "ha", "heartbeat", "kubernetes-tls", "network-policy"),
    ),
}
"""All that is shipped, alone and together."""


@pytest.mark.parametrize("tree", TREES)
def test_nobody_but_identity_s_kubelet_reads_the_issuer(
    applied: Kubectl, kubectl: Kubectl, may: MayDo, tmp_path: Path, tree: str
) -> None:
    """Its key certifies any workload, so no account of ours may read a Secret beside it."""
    source, components = TREES[tree]
    objects = with_components(kubectl, tmp_path, *components, source=source)
    applied.apply(_yaml(_before_the_rest(objects)), doing="making namespaces")
    applied.apply(_yaml(objects), doing="applying the tree")
    accounts = {
        f"system:serviceaccount:{o.namespace}:{o.name}" for o in of_kind(objects, "ServiceAccount")
    }
    assert DESTINATION in accounts
    for account in accounts:
        for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
            assert not may(account, verb, "secrets", "linkerd"), f"{account}: {verb}"
            assert not may(account, verb, "secrets"), f"{account}: {verb}"


def test_the_api_server_refuses_destination_the_issuer(
    applied: Kubectl, kubectl: Kubectl, tmp_path: Path
) -> None:
    """Asked as destination would ask, by its name and for all; and given what links clusters."""
    objects = with_components(kubectl, tmp_path, "linked-clusters")
    applied.apply(_yaml(_before_the_rest(objects)), doing="making namespaces")
    applied.apply(_yaml(objects), doing="applying the tree")
    for namespace in ("linkerd", "linkerd-links"):
        body = {"apiVersion": "v1", "kind": "Secret"}
        metadata = {"name": ISSUER, "namespace": namespace}
        applied.apply(json.dumps({**body, "metadata": metadata}), doing="making a Secret")
    who = f"--as={DESTINATION}"
    for question in (("secret", ISSUER), ("secrets",)):
        with pytest.raises(KubectlError, match="Forbidden"):
            applied("get", *question, "--namespace=linkerd", who)
        there = "--namespace=linkerd-links"
        assert ISSUER in applied("get", *question, there, who, "--output=name")


def test_linked_clusters_are_off_unless_their_component_is_there(
    control_plane: list[Manifest], kubectl: Kubectl, tmp_path: Path
) -> None:
    """And where it is, destination reads the namespace that the component makes."""

    def settings(objects: list[Manifest]) -> Settings:
        (container,) = named(objects, "Deployment", "linkerd-destination").containers
        return load(Settings, container["args"][1:], {}, prog="destination", version="")

    assert not settings(control_plane).enable_linked_clusters
    linked = with_components(kubectl, tmp_path, "linked-clusters")
    namespace = settings(linked).linked_clusters_namespace
    assert settings(linked).enable_linked_clusters
    assert named(linked, "Role", "remote-discovery").namespace == namespace
    assert namespace in [o.name for o in of_kind(linked, "Namespace")]


def test_a_profile_to_start_from_is_one(applied: Kubectl) -> None:
    """What `linkerd profile --template` prints fits the definition."""
    text = template("web", "linkerd", "cluster.local")
    applied(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--filename=-",
        stdin=text,
    )  # fmt: skip


def _before_the_rest(objects: list[Manifest]) -> list[Manifest]:
    return of_kind(objects, "Namespace")


def _yaml(objects: list[Manifest]) -> str:
    return yaml.safe_dump_all([o.body for o in objects])
