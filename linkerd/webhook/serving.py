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
from linkerd.webhook.tls import ServerTls

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


async def serve_webhooks(
    settings: HttpsSettings, process: Process, *webhooks: Webhook, names: Sequence[str]
) -> HttpsServer:
    """Serves admission webhooks until the process stops, as `serve_https` does."""
    admission = Admission(webhooks, Bodies(BodyLimits()), process.registry)
    server, _ = await serve_https(settings, process, admission, names=names)
    return server


async def serve_https(
    settings: HttpsSettings,
    process: Process,
    handler: Handler,
    *,
    names: Sequence[str],
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tuple[HttpsServer, ServerTls]:
    """Serves `handler` until the process stops, with certificates that reload. `names` are the DNS
    names that the API server calls us by. Raises StartError when the address is not to be had or
    the certificate cannot be used."""
    if settings.tls_reload_interval < _MIN_RELOAD:
        raise SettingsError("--tls-reload-interval: must be at least 10ms; 5s is the usual one")
    gate = process.readiness.gate("https listener")
    tls = ServerTls(
        settings.tls_certificate,
        settings.tls_key,
        names=names,
        minimum=minimum,
        clock=process.clock,
        registry=process.registry,
    )
    tls.load()
    reloader = Reloader(
        tls.files,
        tls,
        ReloadMetrics(process.registry, "serving_cert", "the files of the serving certificate"),
        interval=settings.tls_reload_interval,
        clock=process.clock,
    )
    process.start("serving certificate", reloader.run())
    process.start("end of the serving certificate", tls.watch_end())
    server = HttpsServer(
        settings.https_addr,
        tls,
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
