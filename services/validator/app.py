"""Settings and wiring of the validator: one HTTPS server, by the names of two Services."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from linkerd.mesh.control_plane import NAMESPACE, POLICY_VALIDATOR, SP_VALIDATOR
from linkerd.runtime.process import Process
from linkerd.runtime.settings import HostPort, setting
from linkerd.webhook.admission import Webhook
from linkerd.webhook.serving import CertificateFiles, HttpsSettings, serve_webhooks
from services.validator.kinds import RESOURCES
from services.validator.review import review

NAME: Final = "validator"

_PATH: Final = "/"
_POLICY_FILES: Final = Path("/var/run/linkerd/policy-tls")


@dataclass(frozen=True, kw_only=True)
class Settings(HttpsSettings):
    """The flags of the validator."""

    admin_addr: HostPort = HostPort("", 9997)
    policy_tls_certificate: Path = setting(
        default=_POLICY_FILES / "tls.crt",
        doc=f"PEM certificate of Service {POLICY_VALIDATOR}; the other is {SP_VALIDATOR}'s.",
    )
    policy_tls_key: Path = setting(default=_POLICY_FILES / "tls.key", doc="PEM key of it.")
    controller_namespace: str = setting(
        default=NAMESPACE, doc="Namespace of the Services that the API server calls us by."
    )
    failure_policy: Literal["Ignore", "Fail"] = setting(
        default="Ignore",
        doc="What becomes of an object whose review fails: that of the webhook configurations.",
    )


async def start(settings: Settings, process: Process) -> None:
    """Sets the service up: returns when it serves. Raises StartError."""
    policy = CertificateFiles(
        settings.policy_tls_certificate,
        settings.policy_tls_key,
        [_host(POLICY_VALIDATOR, settings)],
        "policy_serving_cert",
    )
    await serve_webhooks(
        settings,
        process,
        Webhook(_PATH, review, RESOURCES, settings.failure_policy),
        names=[_host(SP_VALIDATOR, settings)],
        others=[policy],
    )


def _host(service: str, settings: Settings) -> str:
    return f"{service}.{settings.controller_namespace}.svc"
