"""Bring the control plane and the demo into a cluster, and leave alone what is right already.

Every step compares before it acts: a namespace that is there, certificates that were made, objects
that are the same. So a second call changes nothing, and a call after an interruption goes on where
the first one stopped.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkerd.delivery.certificates import with_certificates
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.manifests import (
    control_plane_overlay,
    demo_overlay,
    render,
    workloads,
)
from linkerd.delivery.rollout import wait_ready
from linkerd.delivery.trust import ensure_trust
from linkerd.local.progress import Progress
from linkerd.mesh.control_plane import NAMESPACE
from linkerd.mesh.names import DEFAULT_DOMAIN, IdentityDomain

DOMAIN: Final = IdentityDomain(NAMESPACE, DEFAULT_DOMAIN)
_READY_SECONDS: Final = 180.0


@dataclass(frozen=True, slots=True)
class Images:
    """What a cluster is to run. `demo` None: the stock Python image that demo/ names.

    `on_node`: the images have been put on the cluster's only node and are nowhere else.
    """

    control_plane: str
    demo: str | None
    on_node: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call changed, as kubectl names objects; empty when all was right."""

    changed: tuple[str, ...]


def install(
    tree: Path,
    kubectl: Kubectl,
    images: Images,
    progress: Progress,
    *,
    demo: bool = True,
    heartbeat: bool = False,
) -> Outcome:
    """Return when the control plane and the demo are ready. Raises DeliveryError. Without
    `heartbeat`, a heartbeat job that is there goes: nothing is sent that nobody asked for."""
    with progress.step("Applying the control plane") as detail:
        changed = list(_apply_namespace(tree, kubectl))
        anchors, made = ensure_trust(kubectl, DOMAIN)
        if made:
            detail("trust anchor and issuer made")
            changed += ["the trust anchor and the issuer"]
        overlay = control_plane_overlay(
            tree,
            image=images.control_plane,
            anchors=anchors,
            on_node=images.on_node,
            heartbeat=heartbeat,
        )
        control_plane, made_for = with_certificates(
            kubectl, render(kubectl, overlay), DOMAIN.controller_namespace
        )
        changed += made_for
        changed += kubectl.apply(control_plane, doing="applying the control plane")
        changed += _remove_secret_reader(kubectl)
        if not heartbeat:
            changed += _remove_heartbeat(kubectl)
    waiting = [("Waiting for the control plane to be ready", control_plane)]
    if demo:
        with progress.step("Applying the demo"):
            manifests = render(kubectl, demo_overlay(tree, image=images.demo))
            changed += kubectl.apply(manifests, doing="applying the demo")
        waiting += [("Waiting for the demo to be ready", manifests)]
    for title, rendered in waiting:
        with progress.step(title):
            wait_ready(kubectl, workloads(rendered), seconds=_READY_SECONDS)
    return Outcome(tuple(changed))


def _apply_namespace(tree: Path, kubectl: Kubectl) -> list[str]:
    """First of all, because certificates are put in it before the rest is applied."""
    text = (tree / "deploy" / "base" / "namespace.yaml").read_text()
    return kubectl.apply(text, doing="making the namespace")


def _remove_heartbeat(kubectl: Kubectl) -> list[str]:
    """Takes the job and its rights away; what was there."""
    kinds = ("cronjob,rolebinding,role,serviceaccount", "clusterrolebinding,clusterrole")
    said = [
        _delete(kubectl, kind, "linkerd-heartbeat", doing="removing the heartbeat job")
        for kind in kinds
    ]
    return [name for names in said for name in names]


def _remove_secret_reader(kubectl: Kubectl) -> list[str]:
    """Takes away what earlier versions gave destination: to read every Secret beside the issuer's.
    An apply of manifests that lack it leaves it there."""
    doing = "taking destination's right to read Secrets away"
    binding = _delete(kubectl, "rolebinding", "linkerd-destination-remote-discovery", doing=doing)
    return binding + _delete(kubectl, "role", "remote-discovery", doing=doing)


def _delete(kubectl: Kubectl, kinds: str, name: str, *, doing: str) -> list[str]:
    """Deletes what there is of that name in the control plane's namespace; what was there."""
    namespace = f"--namespace={DOMAIN.controller_namespace}"
    flags = (namespace, "--ignore-not-found", "--output=name")
    return kubectl("delete", kinds, name, *flags, doing=doing).split()
