"""Settings and wiring of the heartbeat job: collect, then send once, then end.

Nothing but the sending can fail the job. Every request has a bound in time, so that the job ends
however its peers behave.
"""

import platform
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import aiohttp
from yarl import URL

from linkerd.mesh.control_plane import NAMESPACE
from linkerd.runtime.duration import parse_go_duration
from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.settings import JobSettings, setting
from linkerd.version import VERSION
from services.heartbeat.cluster import read_cluster
from services.heartbeat.endpoint import send
from services.heartbeat.errors import NotSentError
from services.heartbeat.fetch import open_session
from services.heartbeat.model import Parameters, build_parameters
from services.heartbeat.prometheus import Prometheus, read_figures
from services.heartbeat.urls import parse_endpoint_url, parse_prometheus_url
from services.heartbeat.wire import heartbeat_url

NAME: Final = "heartbeat"

_SENT, _NOT_SENT = 0, 1
_SHOWN: Final = 2000  # characters of the endpoint's answer that are logged

_log = get_logger(__name__)


def _parse_timeout(text: str) -> timedelta:
    """a duration above zero such as 10s or 1m30s"""
    timeout = parse_go_duration(text)
    if timeout <= timedelta(0):
        raise ValueError("it is not above zero")
    return timeout


@dataclass(frozen=True, kw_only=True)
class Settings(JobSettings):
    """The job's settings."""

    prometheus_url: URL = setting(
        default=URL("http://127.0.0.1:9090"),
        parse=parse_prometheus_url,
        doc="Prometheus that has the mesh's metrics.",
    )
    controller_namespace: str = setting(
        default=NAMESPACE, doc="Namespace of the control plane, and of ConfigMap linkerd-config."
    )
    endpoint_url: URL = setting(
        default=URL("https://versioncheck.linkerd.io/version.json"),
        parse=parse_endpoint_url,
        doc="Check endpoint that is told; the default is the Linkerd project's.",
    )
    dry_run: bool = setting(
        default=False, doc="Print on standard output what would be sent, and send nothing."
    )
    query_timeout: timedelta = setting(
        default=timedelta(seconds=10),
        parse=_parse_timeout,
        doc="Longest time for a request to Prometheus or to the API server.",
    )
    send_timeout: timedelta = setting(
        default=timedelta(seconds=30),
        parse=_parse_timeout,
        doc="Longest time for the request to the check endpoint.",
    )


async def beat(settings: Settings, _process: Process) -> int:
    """Collects and sends, or prints; the exit code: 0 when it is sent or printed, else 1."""
    async with open_session() as session:
        parameters = await _collect(settings, session)
        url = heartbeat_url(settings.endpoint_url, parameters)
        if settings.dry_run:
            sys.stdout.write(f"GET {url}\n")
            return _SENT
        return await _send(session, url, settings.send_timeout.total_seconds())


async def _collect(settings: Settings, session: aiohttp.ClientSession) -> Parameters:
    timeout = settings.query_timeout.total_seconds()
    prometheus = Prometheus(session, settings.prometheus_url, timeout)
    return {
        **build_parameters(platform.machine(), VERSION),
        **await read_cluster(settings.kubeconfig, settings.controller_namespace, timeout),
        **await read_figures(prometheus),
    }


async def _send(session: aiohttp.ClientSession, url: URL, timeout: float) -> int:
    _log.info("sending the heartbeat", url=str(url))
    try:
        answer = await send(session, url, timeout)
    except NotSentError as error:
        _log.error("the heartbeat was not sent", error=str(error))
        return _NOT_SENT
    _log.info("the heartbeat was sent", detail=answer[:_SHOWN])
    return _SENT
