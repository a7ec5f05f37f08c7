"""Checks of the certificates by which the API server knows whom it asks about objects.

By the rules of the servers themselves, and of those who make the certificates.
"""

import base64
import binascii
from typing import Any, Final

from linkerd.check.cluster import Cluster, Object
from linkerd.check.model import Category, Check, CheckError, CheckSkip
from linkerd.mesh.control_plane import POLICY_VALIDATOR, SP_VALIDATOR
from linkerd.runtime.clock import Clock
from linkerd.trust import rules
from linkerd.trust.describe import describe
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import read_certificates
from linkerd.trust.objects import KUBERNETES_FORM, issuer_keys
from linkerd.trust.serving import (
    ServerPair,
    read_server_pair,
    require_names,
    require_trusted,
    require_valid,
)

_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_SERVICES: Final = (SP_VALIDATOR, POLICY_VALIDATOR)
_MAKE: Final = "`linkerd run` makes it, as docs/certificates.md says"


def webhooks_category(cluster: Cluster, clock: Clock) -> Category:
    """Of every webhook that is configured; of those that are not nothing is said."""
    checks = [check for name in _SERVICES for check in _Webhook(cluster, clock, name).checks()]
    return Category("linkerd-webhooks-and-apisvc-tls", tuple(checks))


class _Webhook:
    """The second check is of what the first one reads."""

    def __init__(self, cluster: Cluster, clock: Clock, service: str) -> None:
        self._cluster = cluster
        self._clock = clock
        self._service = service
        self._pair: ServerPair | None = None

    def checks(self) -> tuple[Check, ...]:
        name = self._service.removeprefix("linkerd-")
        anchor = f"l5d-{name}-webhook-cert"
        return (
            Check(f"{name} webhook has valid cert", f"{anchor}-valid", self._valid, fatal=True),
            Check(
                f"{name} cert is valid for at least 60 days", f"{anchor}-not-expiring-soon",
                self._lasts, warning=True,
            ),
        )  # fmt: skip

    async def _valid(self) -> None:
        """What the API server trusts leads to what the service serves by, now and by its name."""
        clients = await self._clients()
        try:
            self._pair = pair = await self._read()
            require_names(pair, [f"{self._service}.{self._cluster.namespace}.svc"])
            require_valid(pair, self._clock.now())
            for name, client in clients:
                where = f"ValidatingWebhookConfiguration {name}, caBundle"
                roots = read_certificates(_decoded(client.get("caBundle", "")), where)
                require_trusted(pair, roots, where, self._clock.now())
        except TrustProblem as problem:
            raise CheckError(str(problem)) from problem

    async def _lasts(self) -> None:
        if self._pair is None:
            raise CheckSkip
        certificate = self._pair.certificate
        if (problem := rules.expiry(certificate, self._clock.now())) is not None:
            raise CheckError(f"{describe(certificate)} {problem}")

    async def _clients(self) -> list[tuple[str, Object]]:
        """How the API server calls the service, and by which configuration. Raises CheckSkip when
        it does not."""
        listed = await self._cluster.get(_CONFIGURATIONS)
        ours = [
            (str(each["metadata"]["name"]), webhook["clientConfig"])
            for each in listed.get("items") or ()
            for webhook in each.get("webhooks") or ()
            if self._is_ours(webhook["clientConfig"].get("service") or {})
        ]
        if not ours:
            raise CheckSkip
        return ours

    def _is_ours(self, service: dict[str, Any]) -> bool:
        called = service.get("name"), service.get("namespace")
        return called == (self._service, self._cluster.namespace)

    async def _read(self) -> ServerPair:
        name = f"{self._service}-k8s-tls"
        where = f"Secret {self._cluster.namespace}/{name}"
        secret = await self._cluster.own("secrets", name)
        if secret is None:
            raise TrustProblem(where, f"it does not exist: {_MAKE}")
        data = secret.get("data") or {}
        certificate, key = issuer_keys(KUBERNETES_FORM)
        return read_server_pair(
            _decoded(data.get(certificate, "")),
            _decoded(data.get(key, "")),
            certificate_at=f"{where}, {certificate}",
            key_at=f"{where}, {key}",
        )


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
