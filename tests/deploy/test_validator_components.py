"""The validator's tree: the names that upstream's tools look for, flags that it takes, and what the
components make of it."""

from pathlib import Path

import pytest

from linkerd.delivery.ca_bundles import callers
from linkerd.delivery.kubectl import Kubectl
from linkerd.mesh.control_plane import POLICY_VALIDATOR, SP_VALIDATOR
from linkerd.runtime.settings import load
from services.validator.app import Settings
from services.validator.kinds import KINDS
from tests.support.manifests import Manifest, named, of_kind, with_components

CONFIGURATIONS = ("linkerd-sp-validator-webhook-config", "linkerd-policy-validator-webhook-config")
OURS = {"linkerd.io/control-plane-component": "sp-validator"}


@pytest.fixture
def ha(kubectl: Kubectl, tmp_path: Path) -> list[Manifest]:
    return with_components(kubectl, tmp_path, "ha")


def settings_of(objects: list[Manifest]) -> Settings:
    (container,) = named(objects, "Deployment", SP_VALIDATOR).containers
    name, *flags = container["args"]
    assert name == "validator"
    return load(Settings, flags, {}, prog="validator", version="")


def test_the_flags_are_ones_that_it_takes(control_plane: list[Manifest]) -> None:
    settings = settings_of(control_plane)
    deployment = named(control_plane, "Deployment", SP_VALIDATOR)
    assert settings.controller_namespace == deployment.namespace
    ports = {port["containerPort"] for port in deployment.containers[0]["ports"]}
    assert {settings.https_addr.port, settings.admin_addr.port} == ports


def test_its_certificates_are_the_secrets_of_its_services(control_plane: list[Manifest]) -> None:
    settings = settings_of(control_plane)
    deployment = named(control_plane, "Deployment", SP_VALIDATOR)
    secrets = {v["name"]: v["secret"]["secretName"] for v in deployment.pod["spec"]["volumes"]}
    mounts = {m["mountPath"]: m["name"] for m in deployment.containers[0]["volumeMounts"]}
    for name, certificate, key in (
        (SP_VALIDATOR, settings.tls_certificate, settings.tls_key),
        (POLICY_VALIDATOR, settings.policy_tls_certificate, settings.policy_tls_key),
    ):
        assert secrets[mounts[str(certificate.parent)]] == f"{name}-k8s-tls"
        assert certificate.parent == key.parent
        assert (certificate.name, key.name) == ("tls.crt", "tls.key")


def test_the_api_server_is_to_call_both(control_plane: list[Manifest]) -> None:
    """And `linkerd run` finds out by that for whom to make certificates."""
    found = callers([o.body for o in control_plane], "linkerd")
    assert {service: [caller.name for caller in by] for service, by in found.items()} == {
        SP_VALIDATOR: [CONFIGURATIONS[0]],
        POLICY_VALIDATOR: [CONFIGURATIONS[1]],
    }


def test_it_is_asked_about_what_it_judges(control_plane: list[Manifest]) -> None:
    """All kinds of policy, and nothing else."""
    configuration = named(control_plane, "ValidatingWebhookConfiguration", CONFIGURATIONS[1])
    (webhook,) = configuration.body["webhooks"]
    assert webhook["name"] == "linkerd-policy-validator.linkerd.io"
    asked = {
        (group, plural)
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    assert asked == {(kind.resource.group, kind.resource.plural) for kind in KINDS}
    for name in CONFIGURATIONS:
        (webhook,) = named(control_plane, "ValidatingWebhookConfiguration", name).body["webhooks"]
        for rule in webhook["rules"]:
            assert rule["operations"] == ["CREATE", "UPDATE"]
        assert webhook["sideEffects"] == "None"
        assert webhook["admissionReviewVersions"] == ["v1", "v1beta1"]
        assert webhook["namespaceSelector"]["matchExpressions"] == [
            {
                "key": "config.linkerd.io/admission-webhooks",
                "operator": "NotIn",
                "values": ["disabled"],
            }
        ]


@pytest.mark.parametrize(("component", "policy"), [(False, "Ignore"), (True, "Fail")])
def test_failure_policy(
    control_plane: list[Manifest], ha: list[Manifest], component: bool, policy: str
) -> None:
    """The service says the same as the configurations."""
    objects = ha if component else control_plane
    for name in CONFIGURATIONS:
        (webhook,) = named(objects, "ValidatingWebhookConfiguration", name).body["webhooks"]
        assert webhook["failurePolicy"] == policy
    assert settings_of(objects).failure_policy == policy


def test_ha_keeps_one_away_at_a_time(ha: list[Manifest]) -> None:
    deployment = named(ha, "Deployment", SP_VALIDATOR)
    assert deployment.spec["replicas"] == 3
    budget = named(ha, "PodDisruptionBudget", SP_VALIDATOR)
    assert budget.spec == {"maxUnavailable": 1, "selector": {"matchLabels": OURS}}


def test_it_has_no_rights(control_plane: list[Manifest]) -> None:
    """Nor a token to use them by."""
    bindings = of_kind(control_plane, "ClusterRoleBinding") + of_kind(control_plane, "RoleBinding")
    subjects = {subject["name"] for binding in bindings for subject in binding.body["subjects"]}
    assert SP_VALIDATOR not in subjects
    volumes = named(control_plane, "Deployment", SP_VALIDATOR).pod["spec"]["volumes"]
    assert all("projected" not in volume for volume in volumes)


def test_network_policy_lets_through_what_is_served(kubectl: Kubectl, tmp_path: Path) -> None:
    objects = with_components(kubectl, tmp_path, "network-policy")
    policy = named(objects, "NetworkPolicy", SP_VALIDATOR)
    deployment = named(objects, "Deployment", SP_VALIDATOR)
    assert policy.spec["podSelector"] == {"matchLabels": OURS}
    open_ports = {port["port"] for rule in policy.spec["ingress"] for port in rule["ports"]}
    served = {port["containerPort"] for c in deployment.containers for port in c["ports"]}
    assert open_ports == served | {4143, 4191}
