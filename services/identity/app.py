"""Settings and wiring of the identity service.

Start-up: trust anchors and issuer are read first, so that a broken file is said at once; then the
API server is asked whether we may review tokens. Not allowed ends the process; no answer is waited
for, unready, since a control plane that starts with its cluster must not crash-loop.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Final

from linkerd.kube.backoff import Backoff
from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError, KubeError
from linkerd.kube.objects import PartialObject
from linkerd.kube.resource import Resource
from linkerd.kube.reviews import self_subject_access_review
from linkerd.names import IdentityDomain, is_dns_label, is_dns_subdomain
from linkerd.rpc.grpcio import GrpcServer, ServerOptions
from linkerd.runtime.clock import Clock
from linkerd.runtime.duration import format_go_duration, parse_go_duration
from linkerd.runtime.errors import DurationError, SettingsError, StartError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.settings import CommonSettings, setting
from linkerd.version import VERSION
from services.identity import pem
from services.identity.issuer import (
    KUBERNETES_SCHEME,
    LINKERD_SCHEME,
    IssuerSlot,
    PemFile,
    load_issuer,
)
from services.identity.model import LeafPolicy
from services.identity.server import Identity
from services.identity.tokens import KubeReviewer, TokenJudge, is_final

NAME: Final = "identity"

DEFAULT_LIFETIME: Final = timedelta(hours=24)
DEFAULT_CLOCK_SKEW: Final = timedelta(seconds=10)
ZERO_LIFETIME: Final = timedelta(days=365)
"""What upstream's library makes of a lifetime of zero."""

_SIGNERS: Final = 2
"""Threads. Signing takes 0.2 ms and holds the interpreter's lock for most of it."""

_GRACE: Final = 5.0
"""Seconds that calls get to finish when the process stops; as long as a token review may take."""

_TOKEN_REVIEWS: Final = Resource(
    "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", PartialObject, namespaced=False
)

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(CommonSettings):
    """The flags of the identity service. Names and defaults are upstream's where it has them."""

    controller_namespace: str = setting(
        default="", doc="Namespace of the control plane; part of every identity."
    )
    identity_scheme: str = setting(
        default="",
        doc="Form of the issuer's Secret: linkerd.io/tls (crt.pem, key.pem) or kubernetes.io/tls "
        "(tls.crt, tls.key). Empty: identity is disabled, and the program ends with 0.",
    )
    identity_trust_domain: str = setting(
        default="", doc="Last part of every identity. Empty: identity is disabled."
    )
    identity_issuance_lifetime: str = setting(
        default="",
        doc="How long certificates live, such as 24h0m0s. Empty or malformed: 24h.",
    )
    identity_clock_skew_allowance: str = setting(
        default="",
        doc="By how much certificates are valid before and after that. Empty or malformed: 10s.",
    )
    issuer: Path = setting(
        default=Path("/var/run/linkerd/identity/issuer"),
        doc="Directory with the issuer's certificate and key.",
    )
    trust_anchors: Path = setting(
        default=Path("/var/run/linkerd/identity/trust-roots/ca-bundle.crt"),
        doc="PEM bundle of the roots that the issuer must lead to.",
    )
    kube_apiclient_qps: float = setting(
        default=100.0, doc="Accepted for upstream's manifests; requests are not capped."
    )
    kube_apiclient_burst: int = setting(
        default=200, doc="Accepted for upstream's manifests; requests are not capped."
    )
    trace_collector: str = setting(
        default="", doc="Accepted for upstream's manifests; no traces are sent."
    )


async def start(settings: Settings, process: Process) -> None:
    """Sets the service up. Raises StartError."""
    issuer_gate = process.readiness.gate("issuer")
    kubernetes_gate = process.readiness.gate("kubernetes")
    anchors_text = PemFile.read(settings.trust_anchors)
    if not settings.identity_scheme or not settings.identity_trust_domain:
        _log.info("identity is disabled: --identity-scheme or --identity-trust-domain is empty")
        process.stop()
        return
    domain = identity_domain(settings)
    policy = leaf_policy(settings)
    issuers = IssuerSlot()
    _load(settings, anchors_text, domain, process, issuers)
    issuer_gate.open()
    client = await _connect(settings, process)
    await wait_until_allowed(client, process.clock)
    kubernetes_gate.open()
    await _serve(settings, process, _identity(issuers, client, domain, policy, process))


def identity_domain(settings: Settings) -> IdentityDomain:
    """Where identities live. Raises SettingsError."""
    namespace, trust_domain = settings.controller_namespace, settings.identity_trust_domain
    if not is_dns_label(namespace):
        raise SettingsError(
            f"--controller-namespace: {namespace!r} is not a DNS label; "
            "name the namespace that the control plane runs in"
        )
    if not is_dns_subdomain(trust_domain):
        raise SettingsError(
            f"--identity-trust-domain: {trust_domain!r} is not a DNS name of lower-case labels; "
            "cluster.local is the usual one"
        )
    return IdentityDomain(namespace, trust_domain)


def leaf_policy(settings: Settings) -> LeafPolicy:
    """How long leaves live. What is malformed or negative is replaced by the default with a
    warning, and zero by what upstream's library makes of it."""
    lifetime = _duration(
        "identity-issuance-lifetime", settings.identity_issuance_lifetime, DEFAULT_LIFETIME
    )
    skew = _duration(
        "identity-clock-skew-allowance", settings.identity_clock_skew_allowance, DEFAULT_CLOCK_SKEW
    )
    return LeafPolicy(lifetime=lifetime or ZERO_LIFETIME, clock_skew=skew or DEFAULT_CLOCK_SKEW)


def _duration(flag: str, text: str, default: timedelta) -> timedelta:
    if not text:
        return default
    try:
        duration = parse_go_duration(text)
    except DurationError as error:
        problem = str(error)
    else:
        if duration >= timedelta(0):
            return duration
        problem = f"{text!r} is negative"
    _log.warning(f"--{flag} is ignored, {format_go_duration(default)} holds", error=problem)
    return default


def _load(
    settings: Settings,
    anchors_file: PemFile,
    domain: IdentityDomain,
    process: Process,
    issuers: IssuerSlot,
) -> None:
    """Loads the issuer into its slot. Raises CredentialsError."""
    scheme = settings.identity_scheme
    if scheme not in {LINKERD_SCHEME, KUBERNETES_SCHEME}:
        _log.warning(f"--identity-scheme {scheme!r} is unknown and taken for {KUBERNETES_SCHEME}")
    anchors = anchors_file.decode(pem.certificates)
    issuer = load_issuer(settings.issuer, scheme, anchors, domain, process.clock.now())
    issuers.put(issuer)
    _log.info(
        "issuer loaded",
        name=issuer.certificate.subject.rfc4514_string(),
        expires=issuer.not_after.isoformat(),
        count=len(anchors),
    )


async def _connect(settings: Settings, process: Process) -> KubeClient:
    try:
        client = await KubeClient.connect(
            settings.kubeconfig, user_agent=f"linkerd-{NAME}/{VERSION}", clock=process.clock
        )
    except ConfigError as error:
        raise StartError(str(error)) from error
    process.defer(client.close)
    return client


async def wait_until_allowed(client: KubeClient, clock: Clock) -> None:
    """Returns once the API server says that we may review tokens, asking again, with pauses, while
    it does not answer. Raises StartError when it says that we may not."""
    backoff = Backoff(SystemRandom())
    while True:
        try:
            status = await self_subject_access_review(client, "create", _TOKEN_REVIEWS)
            break
        except KubeError as error:
            if is_final(error):
                raise StartError(
                    f"cannot ask {client.server} for our permissions: {error}"
                ) from error
            delay = backoff.next_delay()
            _log.warning(
                "the API server does not answer yet",
                error=str(error),
                delay_seconds=round(delay, 1),
            )
        await clock.sleep(delay)
    if not status.allowed:
        raise StartError(
            "not allowed to create tokenreviews.authentication.k8s.io, without which no workload "
            f"can be certified: bind a ClusterRole that allows it to this account. {status.reason}"
        )


def _identity(
    issuers: IssuerSlot,
    client: KubeClient,
    domain: IdentityDomain,
    policy: LeafPolicy,
    process: Process,
) -> Identity:
    signers = ThreadPoolExecutor(_SIGNERS, thread_name_prefix="sign")

    async def stop_signers() -> None:
        signers.shutdown(wait=False, cancel_futures=True)

    process.defer(stop_signers)
    judge = TokenJudge(KubeReviewer(client), domain)
    return Identity(issuers, judge, policy, process.clock, signers)


async def _serve(settings: Settings, process: Process, identity: Identity) -> None:
    server = GrpcServer(
        settings.addr,
        [identity.table()],
        readiness=process.readiness,
        registry=process.registry,
        options=ServerOptions(
            lame_duck=settings.lame_duck,
            reflection=settings.enable_reflection,
            channelz=settings.enable_channelz,
        ),
        clock=process.clock,
    )
    port = await server.start()
    process.defer(lambda: server.stop(_GRACE))
    _log.info("serving", addr=str(settings.addr), port=port)
