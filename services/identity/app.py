"""Wiring of the identity service.

Start-up: trust anchors and issuer are read first, so that a broken file is said at once; then the
API server is asked whether we may review tokens. Not allowed ends the process; no answer is waited
for, unready, since a control plane that starts with its cluster must not crash-loop.
"""

from concurrent.futures import ThreadPoolExecutor
from random import SystemRandom
from typing import Final

from linkerd.kube.client import KubeClient
from linkerd.kube.connecting import connect
from linkerd.kube.controller.replica import pod_name
from linkerd.kube.errors import KubeError
from linkerd.kube.objects import PartialObject
from linkerd.kube.recorder import EventRecorder
from linkerd.kube.recovery import Recovery
from linkerd.kube.resource import Resource
from linkerd.kube.reviews import self_subject_access_review
from linkerd.mesh.control_plane import IDENTITY
from linkerd.mesh.names import IdentityDomain
from linkerd.rpc.serving import serve
from linkerd.runtime.clock import Clock
from linkerd.runtime.errors import StartError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.reload import Reloader
from linkerd.trust.objects import KUBERNETES_FORM, LINKERD_FORM
from services.identity.issuer import csr
from services.identity.issuer.expiry import ExpiryWatch
from services.identity.issuer.files import IssuerFiles, IssuerUpdates
from services.identity.issuer.issuer import IssuerSlot, PemFile
from services.identity.metrics import Metrics
from services.identity.notices import Notices
from services.identity.server import Identity
from services.identity.settings import (
    Settings,
    cache_seconds,
    identity_domain,
    leaf_policy,
    missing_flag,
    reload_interval,
    review_limits,
    server_limits,
    thresholds,
)
from services.identity.tokens.cache import CachedReviewer
from services.identity.tokens.judge import KubeReviewer, Reviewer, TokenJudge, is_final
from services.identity.tokens.reviews import GuardedReviewer

NAME: Final = "identity"

_READERS: Final = 1
"""Threads, so that nobody waits for large requests to be parsed."""

_TOKEN_REVIEWS: Final = Resource(
    group="authentication.k8s.io",
    plural="tokenreviews",
    kind="TokenReview",
    struct=PartialObject,
    namespaced=False,
)

_log = get_logger(__name__)


async def start(settings: Settings, process: Process) -> None:
    """Sets the service up. Raises StartError."""
    issuer_gate = process.readiness.gate("issuer")
    kubernetes_gate = process.readiness.gate("kubernetes")
    csr.ignore_long_names()
    PemFile.read(settings.trust_anchors)
    if (missing := missing_flag(settings)) is not None:
        if not settings.allow_disabled:
            raise StartError(
                f"{missing} is empty, so no workload can be certified; set it, or let the program "
                "end with 0 instead of this error by --allow-disabled"
            )
        _log.info(f"identity is disabled: {missing} is empty")
        process.stop()
        return
    service = _Service(settings, process)
    service.load()
    issuer_gate.open()
    client = await connect(settings.kubeconfig, process)
    await wait_until_allowed(client, process.clock)
    kubernetes_gate.open()
    table = service.identity(client).table()
    await serve(settings, process, table, limits=server_limits(settings))


class _Service:
    """The parts of a running service, made from its settings. Raises SettingsError."""

    def __init__(self, settings: Settings, process: Process) -> None:
        self._settings = settings
        self._process = process
        self._domain = identity_domain(settings)
        self._policy = leaf_policy(settings)
        self._limits = review_limits(settings)
        self._cache_seconds = cache_seconds(settings)
        self._issuers = IssuerSlot()
        self._metrics = Metrics(process.registry)
        self._files = _issuer_files(settings, self._domain, process.clock)

    def load(self) -> None:
        """Loads the issuer into its slot. Raises CredentialsError."""
        issuer = self._files.load()
        self._issuers.put(issuer)
        _log.info(
            "issuer loaded",
            name=issuer.certificate.subject.rfc4514_string(),
            expires=issuer.not_after.isoformat(),
            count=len(issuer.anchors),
        )
        for warning in issuer.warnings:
            _log.warning(warning)

    def identity(self, client: KubeClient) -> Identity:
        """The gRPC service; begins to follow the files."""
        notices = self._notices(client)
        self._follow(notices)
        clock, metrics = self._process.clock, self._metrics
        judge = TokenJudge(self._reviewer(client), self._domain)
        return Identity(
            self._issuers,
            judge,
            self._policy,
            clock,
            readers=_threads(self._process, "read", _READERS),
            metrics=metrics,
            notices=notices,
        )

    def _notices(self, client: KubeClient) -> Notices:
        recorder = EventRecorder(
            client,
            component=IDENTITY,
            clock=self._process.clock,
            registry=self._process.registry,
            instance=pod_name(),
        )
        self._process.start("events", recorder.run())
        return Notices(
            recorder,
            self._domain.controller_namespace,
            of_workloads=self._settings.enable_issue_events,
        )

    def _follow(self, notices: Notices) -> None:
        slot, metrics, clock = self._issuers, self._metrics, self._process.clock
        watch = ExpiryWatch(slot, notices, metrics, clock, thresholds(self._settings))
        updates = IssuerUpdates(self._files, slot, notices, updated=watch.look)
        reloader = Reloader(
            self._files.files,
            updates,
            metrics.files,
            interval=reload_interval(self._settings),
            clock=clock,
        )
        self._process.start("issuer files", reloader.run())
        self._process.start("expiry", watch.run())

    def _reviewer(self, client: KubeClient) -> Reviewer:
        metrics, clock = self._metrics, self._process.clock
        guarded = GuardedReviewer(KubeReviewer(client), metrics, clock, limits=self._limits)
        if not self._cache_seconds:
            return guarded
        return CachedReviewer(guarded, metrics, clock, self._cache_seconds)


def _issuer_files(settings: Settings, domain: IdentityDomain, clock: Clock) -> IssuerFiles:
    scheme = settings.identity_scheme
    if scheme not in {LINKERD_FORM, KUBERNETES_FORM}:
        _log.warning(f"--identity-scheme {scheme!r} is unknown and taken for {KUBERNETES_FORM}")
    return IssuerFiles(
        settings.issuer,
        scheme,
        settings.trust_anchors,
        domain,
        clock,
    )


def _threads(process: Process, name: str, number: int) -> ThreadPoolExecutor:
    threads = ThreadPoolExecutor(number, thread_name_prefix=name)

    async def stop() -> None:
        threads.shutdown(wait=False, cancel_futures=True)

    process.defer(stop)
    return threads


async def wait_until_allowed(client: KubeClient, clock: Clock) -> None:
    """Returns once the API server says that we may review tokens, asking again, with pauses, while
    it does not answer. Raises StartError when it says that we may not."""
    recovery = Recovery(client.presence, clock, SystemRandom())
    while True:
        try:
            status = await self_subject_access_review(client, "create", _TOKEN_REVIEWS)
            break
        except KubeError as error:
            if is_final(error):
                raise StartError(
                    f"cannot ask {client.server} for our permissions: {error}"
                ) from error
            failure, delay = error, recovery.delay(error)
            _log.warning(
                "the API server does not answer yet",
                error=str(error),
                delay_seconds=round(delay, 1),
            )
        await recovery.pause(failure, delay)
    if not status.allowed:
        raise StartError(
            "not allowed to create tokenreviews.authentication.k8s.io, without which no workload "
            f"can be certified: bind a ClusterRole that allows it to this account. {status.reason}"
        )
