"""The other form of the issuer's Secret: as docs/certificates.md writes it, and what identity
makes of it."""

import re
from pathlib import Path

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.runtime.settings import load
from services.identity.issuer.issuer import issuer_paths
from services.identity.settings import Settings
from tests.support.manifests import Manifest, named, parse

BLOCKS = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/certificates.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def rendered(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """The overlay of the document, two folders below the tree."""
    root = tmp_path_factory.mktemp("tls")
    (root / "deploy").symlink_to(ROOT / "deploy")
    mine = root / "overlays" / "mine"
    mine.mkdir(parents=True)
    (overlay,) = (block for block in BLOCKS if "kind: Kustomization" in block)
    (mine / "kustomization.yaml").write_text(overlay)
    return parse(kubectl.render(mine))


def test_identity_reads_the_files_that_cert_manager_writes(rendered: list[Manifest]) -> None:
    (container,) = named(rendered, "Deployment", "linkerd-identity").containers
    _, *flags = container["args"]
    settings = load(Settings, flags, {}, prog="identity", version="")

    assert settings.identity_scheme == "kubernetes.io/tls"
    names = [path.name for path in issuer_paths(settings.issuer, settings.identity_scheme)]
    assert names == ["tls.crt", "tls.key"]


def test_the_component_changes_nothing_else(rendered: list[Manifest], kubectl: Kubectl) -> None:
    base = parse(kubectl.render(ROOT / "deploy" / "base"))
    ours = named(rendered, "Deployment", "linkerd-identity").containers[0]
    theirs = named(base, "Deployment", "linkerd-identity").containers[0]
    assert ours["args"] == [*theirs["args"], "-identity-scheme=kubernetes.io/tls"]
    assert ours | {"args": [], "image": ""} == theirs | {"args": [], "image": ""}
    assert [(o.kind, o.name) for o in rendered] == [(o.kind, o.name) for o in base]


def test_what_cert_manager_is_asked_for_is_what_the_control_plane_reads(
    rendered: list[Manifest],
) -> None:
    """Names and places meet: cert-manager itself is not here."""
    objects = [o for b in BLOCKS if "cert-manager.io" in b for o in yaml.safe_load_all(b)]
    issuer = next(o for o in objects if o["metadata"]["name"] == "linkerd-identity-issuer")
    bundle = next(o for o in objects if o["kind"] == "Bundle")
    pod = named(rendered, "Deployment", "linkerd-identity").pod["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}

    assert issuer["metadata"]["namespace"] == "linkerd"
    assert issuer["spec"]["secretName"] == volumes["identity-issuer"]["secret"]["secretName"]
    assert issuer["spec"]["privateKey"] | {"rotationPolicy": ""} == {
        "algorithm": "ECDSA", "size": 256, "rotationPolicy": "",
    }  # fmt: skip
    assert bundle["metadata"]["name"] == volumes["trust-roots"]["configMap"]["name"]
    assert bundle["spec"]["target"]["configMap"]["key"] == Path(Settings().trust_anchors).name
    selector = bundle["spec"]["target"]["namespaceSelector"]["matchLabels"]
    namespace = named(rendered, "Namespace", "linkerd")
    assert selector.items() <= namespace.labels.items()
