"""The certificates by which services serve the API server: made at install, kept while they are
good, renewed in time, and trusted before they are served.

For a service NAME that a webhook configuration or an APIService of the manifests calls there is a
Secret NAME-k8s-tls of the type kubernetes.io/tls, as upstream has it. It holds the pair and, as
ca.crt, the roots that the API server is to know it by. Each pair has a root of its own, whose key
is forgotten as soon as the pair is signed.

A pair lasts as long as the trust anchor, and every install renews one that is in the last third of
its life. Nothing in the cluster renews it, because whatever could would need to write Secrets, or
worse, webhook configurations, by which it could see and change every object there is.

Pods hear of a new Secret a minute or two late. So a new root is trusted before anything is served
by it, the old ones are trusted for a day more, and whoever is interrupted in between, or comes at
the same time as somebody else, goes on from what there is.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from linkerd.certificates import ANCHOR_LIFETIME, make_authority, make_server
from linkerd.delivery.ca_bundles import (
    Caller,
    bundle_of,
    callers,
    find_callers,
    put_bundle,
    replace_bundle,
    version_of,
)
from linkerd.delivery.errors import KubectlError, TrustError
from linkerd.delivery.kubectl import Kubectl, KubernetesObject
from linkerd.delivery.objects import objects_of
from linkerd.mesh.labels import CONTROL_PLANE_NS, CREATED_BY
from linkerd.trust.errors import PemError, TrustProblem
from linkerd.trust.facts import is_root
from linkerd.trust.objects import KUBERNETES_FORM, ROOT_KEY, issuer_keys
from linkerd.trust.pem import certificates
from linkerd.trust.serving import (
    ServerPair,
    read_server_pair,
    require_names,
    require_trusted,
    require_valid,
)
from linkerd.version import VERSION

LIFETIME: Final = ANCHOR_LIFETIME
RENEWED_SHARE: Final = 3
"""A pair is renewed in the last of this many parts of its life."""

SETTLED: Final = timedelta(days=1)
"""How long after a renewal nobody serves by the old pair any more, for certain."""

_MAX_ROOTS: Final = 8
_CERTIFICATE, _KEY = issuer_keys(KUBERNETES_FORM)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that the API server calls, and the objects that make it do so."""

    name: str
    namespace: str
    callers: Sequence[Caller]

    @property
    def secret(self) -> str:
        """The Secret of its pair."""
        return f"{self.name}-k8s-tls"

    @property
    def host(self) -> str:
        """The DNS name that the API server calls it by."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a Secret holds, of which what cannot be read or used is `problem`."""

    pair: ServerPair | None
    roots: tuple[x509.Certificate, ...]
    problem: TrustProblem | None


def with_certificates(
    kubectl: Kubectl, manifests: str, namespace: str, *, now: datetime | None = None
) -> tuple[str, list[str]]:
    """The manifests with the caBundles of what they have called in `namespace`, whose pairs are on
    the cluster then; and the Secrets that were made or renewed.

    Raises TrustError when a Secret that somebody else made cannot be used. `now` is for tests.
    """
    objects = objects_of(manifests)
    called = callers(objects, namespace)
    if not called:
        return manifests, []
    changed = []
    for name, listed in called.items():
        service = Service(name, namespace, listed)
        bundle, made = _ensure(kubectl, service, now or datetime.now(UTC))
        put_bundle(objects, name, namespace, bundle)
        changed += [f"secret/{service.secret}"] if made else []
    return yaml.safe_dump_all(objects, sort_keys=False), changed


def _ensure(kubectl: Kubectl, service: Service, now: datetime) -> tuple[bytes, bool]:
    """The roots to know the service by, and whether its Secret was changed just now."""
    made = False
    while True:
        secret = kubectl.find("secret", service.secret, service.namespace)
        stored = _read(secret or {}, service, now)
        if secret is not None and not _is_ours(secret):
            if stored.problem is not None:
                raise TrustError(f"{stored.problem}. Who made that Secret must mend it")
            return _pem(stored.roots), made
        if stored.pair is None or stored.problem or _is_due(stored.pair, now):
            renewed = _renewed(kubectl, service, stored, now)
            if renewed is None:
                continue
            data = renewed
        elif len(stored.roots) > 1 and _is_settled(stored.pair, now):
            data = {**(secret or {})["data"], ROOT_KEY: _encoded(_pem(_own(stored, now)))}
        else:
            return _pem(stored.roots), made
        _store(kubectl, service, secret, data)
        made = True


def _renewed(
    kubectl: Kubectl, service: Service, stored: _Stored, now: datetime
) -> dict[str, str] | None:
    """The data of a Secret with a new pair, which the API server trusts by then. None when somebody
    else was at it at the same time."""
    root = make_authority(service.host, lifetime=LIFETIME, now=now)
    pair = make_server([service.host], root, lifetime=LIFETIME, now=now)
    live = find_callers(kubectl, service.callers, service.namespace)
    trusted = _certificates(bundle_of(live, service.name, service.namespace))
    old = [each for each in (*stored.roots, *trusted) if each.not_valid_after_utc > now]
    roots = tuple(dict.fromkeys((root.certificate, *old)))[:_MAX_ROOTS]
    bundle = _pem(roots)
    if not replace_bundle(kubectl, live, service.name, service.namespace, bundle):
        return None
    files = {_CERTIFICATE: pair.certificate_pem, _KEY: pair.key_pem, ROOT_KEY: bundle}
    return {name: _encoded(content) for name, content in files.items()}


def _store(
    kubectl: Kubectl, service: Service, secret: KubernetesObject | None, data: dict[str, str]
) -> None:
    """Makes the Secret, or replaces it unless somebody else has; what there is then is looked at
    again in any case."""
    doing = f"storing Secret {service.namespace}/{service.secret}"
    if secret is None:
        kubectl.create_once(_new_secret(service, data), doing=doing)
        return
    try:
        kubectl.replace({**secret, "data": data}, doing=doing)
    except KubectlError:
        found = kubectl.find("secret", service.secret, service.namespace)
        if found is not None and version_of(found) == version_of(secret):
            raise


def _new_secret(service: Service, data: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": KUBERNETES_FORM,
        "metadata": {
            "name": service.secret,
            "namespace": service.namespace,
            "labels": {CONTROL_PLANE_NS: service.namespace},
            "annotations": {CREATED_BY: f"linkerd-py {VERSION}"},
        },
        "data": data,
    }


def _read(secret: KubernetesObject, service: Service, now: datetime) -> _Stored:
    where = f"Secret {service.namespace}/{service.secret}"
    data = {name: _decoded(text) for name, text in (secret.get("data") or {}).items()}
    pair, roots = None, _certificates(data.get(ROOT_KEY, b""))
    try:
        pair = read_server_pair(
            data.get(_CERTIFICATE, b""),
            data.get(_KEY, b""),
            certificate_at=f"{where}, {_CERTIFICATE}",
            key_at=f"{where}, {_KEY}",
        )
        roots = roots or _roots_without_any(pair)
        require_names(pair, [service.host])
        require_valid(pair, now)
        require_trusted(pair, roots, f"{where}, {ROOT_KEY},", now)
    except TrustProblem as problem:
        return _Stored(pair, roots, problem)
    return _Stored(pair, roots, None)


def _roots_without_any(pair: ServerPair) -> tuple[x509.Certificate, ...]:
    """A self-signed certificate, as upstream's charts make, is its own root."""
    return (pair.certificate,) if is_root(pair.certificate) else ()


def _own(stored: _Stored, now: datetime) -> tuple[x509.Certificate, ...]:
    """The first root that the pair leads to."""
    for root in stored.roots:
        try:
            if stored.pair is not None:
                require_trusted(stored.pair, [root], "", now)
                return (root,)
        except TrustProblem:
            continue
    return stored.roots


def _is_ours(secret: KubernetesObject) -> bool:
    return CREATED_BY in (secret["metadata"].get("annotations") or {})


def _is_due(pair: ServerPair, now: datetime) -> bool:
    window = pair.window
    return window.end - now < (window.end - window.start) / RENEWED_SHARE


def _is_settled(pair: ServerPair, now: datetime) -> bool:
    return now - pair.window.start > SETTLED


def _certificates(text: bytes) -> tuple[x509.Certificate, ...]:
    """Those that can be read; a bundle that cannot is replaced, not mourned."""
    try:
        return certificates(text)
    except PemError:
        return ()


def _pem(listed: Iterable[x509.Certificate]) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in listed)


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
