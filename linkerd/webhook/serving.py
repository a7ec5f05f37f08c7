"""The common way of a service to the API server: HTTPS with the settings that all share."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from linkerd.runtime.errors import SettingsError
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import CLEANUP_SECONDS, Process
from linkerd.runtime.reload import Reloader, ReloadMetrics
from linkerd.runtime.settings import HostPort, ServiceSettings, setting
from linkerd.webhook.admission import Admission, Webhook
from linkerd.webhook.body import Bodies, BodyLimits
from linkerd.webhook.https import ConnectionLimits, Handler, HttpsServer
from linkerd.webhook.tls import SERVING_CERTIFICATE, NamedCertificates, ServerTls

_GRACE: Final = 10.0  # seconds for reviews in progress to finish; the API server's usual patience
_MIN_RELOAD: Final = timedelta(milliseconds=10)

_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class HttpsSettings(ServiceSettings):
    """What a service has that the API server calls."""

    https_addr: HostPort = setting(
        default=HostPort("", 8443), doc="Address that serves the API server (HTTPS)."
    )
    tls_certificate: Path = setting(
        default=Path("/var/run/linkerd/tls/tls.crt"),
        doc="PEM certificate that HTTPS is served by, with what leads to its root.",
    )
    tls_key: Path = setting(default=Path("/var/run/linkerd/tls/tls.key"), doc="PEM key of it.")
    tls_reload_interval: timedelta = setting(
        default=timedelta(seconds=5),
        doc="How often certificate and key are looked at; a change is taken at the second look "
        "that sees it.",
    )


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """A certificate for clients that call us by `names`; `metric` begins its metrics' names."""

    certificate: Path
    key: Path
    names: Sequence[str]
    metric: str


async def serve_webhooks(
    settings: HttpsSettings,
    process: Process,
    *webhooks: Webhook,
    names: Sequence[str],
    others: Sequence[CertificateFiles] = (),
) -> HttpsServer:
    """Serves admission webhooks until the process stops, as `serve_https` does."""
    admission = Admission(webhooks, Bodies(BodyLimits()), process.registry)
    server, _ = await serve_https(settings, process, admission, names=names, others=others)
    return server


async def serve_https(
    settings: HttpsSettings,
    process: Process,
    handler: Handler,
    *,
    names: Sequence[str],
    others: Sequence[CertificateFiles] = (),
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[HttpsServer, ServerTls]:
    """Serves `handler` until the process stops, with certificates that reload. `names` are the DNS
    names that the API server calls us by; for each of `others` there is a certificate of its own.
    Raises StartError when the address is not to be had or a certificate cannot be used."""
    if settings.tls_reload_interval < _MIN_RELOAD:
        raise SettingsError("--tls-reload-interval: must be at least 10ms; 5s is the usual one")
    gate = process.readiness.gate("https listener")
    own = CertificateFiles(settings.tls_certificate, settings.tls_key, names, SERVING_CERTIFICATE)
    tls, *more = (
        _certificate(each, process, settings.tls_reload_interval, minimum)
        for each in (own, *others)
    )
    server = HttpsServer(
        settings.https_addr,
        NamedCertificates(tls, *more) if more else tls,
        handler,
        limits=ConnectionLimits(),
        clock=process.clock,
        registry=process.registry,
    )
    port = await server.start()
    lame_duck = settings.lame_duck.total_seconds()
    process.defer(
        lambda: server.stop(lame_duck, _GRACE), seconds=lame_duck + 2 * _GRACE + CLEANUP_SECONDS
    )
    gate.open()
    _log.info("serving https", addr=str(settings.https_addr), port=port)
    return server, tls


def _certificate(
    files: CertificateFiles, process: Process, interval: timedelta, minimum: ssl.TLSVersion
) -> ServerTls:
    """Loaded, and followed until the process stops."""
    tls = ServerTls(
        files.certificate,
        files.key,
        names=files.names,
        minimum=minimum,
        clock=process.clock,
        registry=process.registry,
        metric=files.metric,
    )
    tls.load()
    what = f"the files of the certificate of {', '.join(files.names)}"
    reloader = Reloader(
        tls.files,
        tls,
        ReloadMetrics(process.registry, files.metric, what),
        interval=interval,
        clock=process.clock,
    )
    process.start(f"certificate {files.metric}", reloader.run())
    process.start(f"end of certificate {files.metric}", tls.watch_end())
    return tls
