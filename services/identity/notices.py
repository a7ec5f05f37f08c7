"""What identity says through Kubernetes Events: upstream's reasons, and two of our own for ends
that come near.
"""

from typing import Protocol

from linkerd.kube.recorder import EventType, ObjectRef
from linkerd.mesh.control_plane import IDENTITY
from services.identity.model import Leaf


class Recorder(Protocol):
    """EventRecorder, or a test's."""

    def record(self, about: ObjectRef, type_: EventType, reason: str, message: str) -> None:
        """Says that something happened to an object; never waits, never raises."""


class Notices:
    """Events about this service, and about workloads that it certified."""

    def __init__(
        self, recorder: Recorder, controller_namespace: str, *, of_workloads: bool = True
    ) -> None:
        self._recorder = recorder
        self._of_workloads = of_workloads
        self._service = ObjectRef("apps/v1", "Deployment", controller_namespace, IDENTITY)

    def issuer_updated(self) -> None:
        """The issuer or the anchors were replaced."""
        self._recorder.record(self._service, "Normal", "IssuerUpdated", "Updated identity issuer")

    def issuer_update_skipped(self, why: str) -> None:
        """New files cannot be used; the old issuer stays."""
        message = f"Skipping issuer update as certs could not be read from disk: {why}"
        self._recorder.record(self._service, "Warning", "IssuerUpdateSkipped", message)

    def issuer_validation_failed(self, why: str) -> None:
        """The issuer does not verify at this time."""
        self._recorder.record(self._service, "Warning", "IssuerValidationFailed", why)

    def issuer_expiring(self, message: str) -> None:
        """The issuer ends soon, or has ended."""
        self._recorder.record(self._service, "Warning", "IssuerExpiring", message)

    def anchor_expiring(self, message: str) -> None:
        """A trust anchor ends soon, or has ended."""
        self._recorder.record(self._service, "Warning", "TrustAnchorExpiring", message)

    def issued(self, identity: str, leaf: Leaf) -> None:
        """A workload has its certificate."""
        if not self._of_workloads:
            return
        name, namespace, *_ = identity.split(".")
        about = ObjectRef("v1", "ServiceAccount", namespace, name)
        message = (
            f"issued certificate for {identity} until "
            f"{leaf.not_after:%Y-%m-%d %H:%M:%S} +0000 UTC: {leaf.sha256}"
        )
        self._recorder.record(about, "Normal", "IssuedLeafCertificate", message)
