"""Checks of the certificates that everything in the mesh hangs on."""

from collections.abc import Callable, Sequence
from typing import Final

from cryptography import x509

from linkerd.check.cluster import Cluster, Object
from linkerd.check.model import Category, Check, CheckError, CheckSkip, CheckWarning
from linkerd.check.trust import Given, read_bundle, read_trust
from linkerd.mesh.labels import CONTROL_PLANE_COMPONENT, CONTROL_PLANE_NS
from linkerd.mesh.proxy import IDENTITY_TRUST_ANCHORS, PROXY_CONTAINER
from linkerd.runtime.clock import Clock
from linkerd.trust import rules
from linkerd.trust.describe import describe
from linkerd.trust.errors import TrustProblem
from linkerd.trust.facts import Facts
from linkerd.trust.judge import judge, warning

_INVALID: Final = "Invalid trust anchors:"
_RISKY: Final = "Trust anchors that not every proxy verifies:"
_ENDED: Final = ("Succeeded", "Failed")

_Judge = Callable[[x509.Certificate], str | None]


def identity_category(cluster: Cluster, clock: Clock) -> Category:
    """Of the issuer and the anchors that the control plane is given."""
    return Category("linkerd-identity", _Identity(cluster, clock).checks())


def data_plane_category(cluster: Cluster, namespace: str) -> Category:
    """Of what the proxies in `namespace`, or in all, were given when they started."""

    async def match() -> None:
        await _proxies_match(cluster, namespace)

    anchor = "l5d-identity-data-plane-proxies-certs-match-ca"
    check = Check("data plane proxies certificate match CA", anchor, match, warning=True)
    return Category("linkerd-identity-data-plane", (check,))


class _Identity:
    """The checks share what the first of them reads."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._given: Given | None = None

    def checks(self) -> tuple[Check, ...]:
        """All, in their order."""
        crypto, valid, long = (
            "using supported crypto algorithm", "within their validity period",
            "valid for at least 60 days",
        )  # fmt: skip
        roots, issuer = "l5d-identity-trustAnchors-", "l5d-identity-issuer-cert-"
        return (
            Check(
                "certificate config is valid", "l5d-identity-cert-config-valid", self._read,
                fatal=True,
            ),
            Check(
                f"trust anchors are {crypto}", f"{roots}use-supported-crypto",
                self._anchors_algorithm, fatal=True,
            ),
            Check(
                f"trust anchors are {valid}", f"{roots}are-time-valid",
                self._anchors_validity, fatal=True,
            ),
            Check(
                f"trust anchors are {long}", f"{roots}not-expiring-soon",
                self._anchors_expiry, warning=True,
            ),
            Check(
                f"issuer cert is {crypto}", f"{issuer}uses-supported-crypto",
                self._issuer_algorithm, fatal=True,
            ),
            Check(
                "issuer cert is within its validity period", f"{issuer}is-time-valid",
                self._issuer_validity, fatal=True,
            ),
            Check(
                f"issuer cert is {long}", f"{issuer}not-expiring-soon",
                self._issuer_expiry, warning=True,
            ),
            Check(
                "issuer cert is issued by the trust anchor",
                f"{issuer}issued-by-trust-anchor", self._issued,
            ),
        )  # fmt: skip

    async def _read(self) -> None:
        try:
            self._given = await read_trust(self._cluster)
        except TrustProblem as problem:
            raise CheckError(str(problem)) from problem

    async def _anchors_algorithm(self) -> None:
        """As long as one can be used, the others are worth no more than a warning."""
        anchors = self._known.trust.anchors
        problems = _said(anchors, lambda anchor: rules.key(Facts.of(anchor)))
        if len(problems) == len(anchors):
            raise CheckError("\n".join([_INVALID, *problems]))
        if doubts := problems + _said(anchors, lambda anchor: rules.risk(Facts.of(anchor))):
            raise CheckWarning("\n".join([_INVALID if problems else _RISKY, *doubts]))

    async def _anchors_validity(self) -> None:
        """One root that is out of its time does no harm as long as another is in; that it has ended
        is told by the next check."""
        now, anchors = self._clock.now(), self._known.trust.anchors
        problems = _said(anchors, lambda anchor: rules.validity(anchor, now))
        if len(problems) == len(anchors):
            raise CheckError("\n".join([_INVALID, *problems]))

    async def _anchors_expiry(self) -> None:
        now = self._clock.now()
        ending = _said(self._known.trust.anchors, lambda anchor: rules.expiry(anchor, now))
        if ending:
            raise CheckError("\n".join(["trust anchors expiring soon:", *ending]))

    async def _issuer_algorithm(self) -> None:
        issuer = self._known.trust.issuer
        self._judge_issuer(rules.key(Facts.of(issuer)))
        if (risk := warning(issuer)) is not None:
            raise CheckWarning(f"issuer certificate {risk}")

    async def _issuer_validity(self) -> None:
        self._judge_issuer(rules.validity(self._known.trust.issuer, self._clock.now()))

    async def _issuer_expiry(self) -> None:
        self._judge_issuer(rules.expiry(self._known.trust.issuer, self._clock.now()))

    async def _issued(self) -> None:
        """The whole judgement: it holds if and only if identity takes the same files."""
        given = self._known
        try:
            judge(given.trust, given.identity, self._clock.now())
        except TrustProblem as problem:
            raise CheckError(str(problem)) from problem

    @property
    def _known(self) -> Given:
        if self._given is None:
            raise CheckSkip
        return self._given

    def _judge_issuer(self, problem: str | None) -> None:
        if problem is not None:
            raise CheckError(f"issuer certificate {describe(self._known.trust.issuer)} {problem}")


def _said(listed: Sequence[x509.Certificate], judge: _Judge) -> list[str]:
    return [
        f"* {describe(each)} {problem}" for each in listed if (problem := judge(each)) is not None
    ]


async def _proxies_match(cluster: Cluster, namespace: str) -> None:
    try:
        bundle = (await read_bundle(cluster)).strip()
    except TrustProblem as problem:
        raise CheckError(str(problem)) from problem
    pods = cluster.pods(namespace, f"{CONTROL_PLANE_NS}={cluster.namespace}")
    stale = [_shown(pod, namespace) async for pod in pods if not _matches(pod, bundle)]
    if stale:
        title = "Some pods do not have the current trust bundle and must be restarted:"
        raise CheckError("\n".join([title, *(f"* {name}" for name in stale)]))


def _shown(pod: Object, namespace: str) -> str:
    meta = pod["metadata"]
    return str(meta["name"] if namespace else f"{meta['namespace']}/{meta['name']}")


def _matches(pod: Object, bundle: str) -> bool:
    """Whether its proxy was given this bundle. Pods of the control plane take theirs from the
    ConfigMap when they start, and those that have ended verify nobody."""
    if CONTROL_PLANE_COMPONENT in pod["metadata"].get("labels", {}):
        return True
    if pod.get("status", {}).get("phase") in _ENDED:
        return True
    given = proxy_variables(pod).get(IDENTITY_TRUST_ANCHORS)
    return given is None or given.strip() == bundle


def proxy_variables(pod: Object) -> dict[str, str]:
    """The literal variables of the pod's proxy; empty when it has none."""
    container = proxy_container(pod) or {}
    return {v["name"]: v["value"] for v in container.get("env") or () if "value" in v}


def proxy_container(pod: Object) -> Object | None:
    """The proxy, as container or as native sidecar."""
    spec = pod["spec"]
    containers: list[Object] = [*spec.get("containers", ()), *(spec.get("initContainers") or ())]
    return next((c for c in containers if c["name"] == PROXY_CONTAINER), None)
