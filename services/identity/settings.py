"""The flags of the identity service, and what they amount to."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from linkerd.mesh.names import IdentityDomain, is_dns_label, is_dns_subdomain
from linkerd.rpc.options import ServerOptions
from linkerd.runtime.duration import format_go_duration, parse_go_duration
from linkerd.runtime.errors import DurationError, SettingsError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.settings import GrpcSettings, setting
from services.identity.issuer.expiry import ANCHOR_THRESHOLD, Thresholds
from services.identity.model import LeafPolicy
from services.identity.tokens.cache import MAX_SECONDS
from services.identity.tokens.reviews import Limits

DEFAULT_LIFETIME: Final = timedelta(hours=24)
DEFAULT_CLOCK_SKEW: Final = timedelta(seconds=10)
ZERO_LIFETIME: Final = timedelta(days=365)
"""What upstream's library makes of a lifetime of zero."""

_MIN_RELOAD: Final = timedelta(milliseconds=10)

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(GrpcSettings):
    """The flags of the identity service. Names and defaults are upstream's where it has them."""

    controller_namespace: str = setting(
        default="", doc="Namespace of the control plane; part of every identity."
    )
    identity_scheme: str = setting(
        default="",
        doc="Form of the issuer's Secret: linkerd.io/tls (crt.pem, key.pem) or kubernetes.io/tls "
        "(tls.crt, tls.key). Required.",
    )
    identity_trust_domain: str = setting(default="", doc="Last part of every identity. Required.")
    allow_disabled: bool = setting(
        default=False,
        doc="End with 0, not with an error, when one of these two is empty, as upstream's does.",
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
    reload_interval: timedelta = setting(
        default=timedelta(seconds=5),
        doc="How often the files of issuer and anchors are looked at; a change is taken at the "
        "second look that sees it.",
    )
    issuer_expiry_warning: timedelta = setting(
        default=timedelta(0),
        doc="How long before its end the issuer is warned of, in the log and by Events. 0: a "
        "fifth of its lifetime, at most 1440h.",
    )
    anchor_expiry_warning: timedelta = setting(
        default=ANCHOR_THRESHOLD, doc="The same for trust anchors."
    )
    token_review_concurrency: int = setting(
        default=64, doc="Token reviews under way at once; others wait for their turn."
    )
    token_review_queue: int = setting(
        default=4096, doc="Calls that may wait for that; more are refused."
    )
    token_review_cache: timedelta = setting(
        default=timedelta(0),
        doc="How long a good verdict on a token is believed, at most 1m; 0: not at all. A token "
        "that is revoked is good for as long.",
    )
    enable_issue_events: bool = setting(
        default=True, doc="Write an Event IssuedLeafCertificate for certificates, within limits."
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


def missing_flag(settings: Settings) -> str | None:
    """The flag without which identity is disabled, if it is."""
    if not settings.identity_scheme:
        return "--identity-scheme"
    return None if settings.identity_trust_domain else "--identity-trust-domain"


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


def review_limits(settings: Settings) -> Limits:
    """How token reviews are queued. Raises SettingsError."""
    for flag, value in {
        "token-review-concurrency": settings.token_review_concurrency,
        "token-review-queue": settings.token_review_queue,
    }.items():
        if value < 1:
            raise SettingsError(f"--{flag}: {value} is too few; at least 1 is needed")
    return Limits(concurrency=settings.token_review_concurrency, queue=settings.token_review_queue)


def server_limits(settings: Settings) -> ServerOptions:
    """What clients may make the server hold, so that their worst fits the memory that manifests
    allow. A request has 2 KiB; what is far too large is only read to say which part of it is."""
    return ServerOptions(
        max_concurrent_streams=1_000,
        max_connection_streams=1_000,
        max_connections=4_000,
        max_pending_calls=2_048,
        max_held_bytes=24 << 20,
        max_unary_calls=settings.token_review_concurrency + settings.token_review_queue + 1_024,
        max_unary_bytes=24 << 20,
        max_receive_bytes=192 << 10,
    )


def cache_seconds(settings: Settings) -> float:
    """How long verdicts are believed; 0: the cache is off. Raises SettingsError."""
    seconds = settings.token_review_cache.total_seconds()
    if not 0 <= seconds <= MAX_SECONDS:
        raise SettingsError(
            f"--token-review-cache: must be between 0 and {MAX_SECONDS:.0f}s, so that a token "
            "that is revoked is not good for longer"
        )
    return seconds


def reload_interval(settings: Settings) -> timedelta:
    """How often files are looked at. Raises SettingsError."""
    if settings.reload_interval < _MIN_RELOAD:
        raise SettingsError("--reload-interval: must be at least 10ms; 5s is the usual one")
    return settings.reload_interval


def thresholds(settings: Settings) -> Thresholds:
    """When ends of certificates are warned of."""
    return Thresholds(
        anchor=settings.anchor_expiry_warning, issuer=settings.issuer_expiry_warning or None
    )
