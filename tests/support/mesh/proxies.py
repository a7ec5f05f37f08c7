"""A proxy beside an application, with the environment that an injector gives it.

The program is whatever LINKERD2_PROXY names. It is seen from outside alone: by what it answers, and
by its metrics.
"""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from linkerd.mesh.control_plane import DESTINATION_PORT, POLICY_PORT
from linkerd.mesh.proxy import (
    ADMIN_PORT,
    IDENTITY_DIR,
    IDENTITY_LOCAL_NAME,
    IDENTITY_TRUST_ANCHORS,
    INBOUND_PORT,
    PROXY_ADMIN_LISTEN_ADDR,
    PROXY_INBOUND_LISTEN_ADDR,
)
from tests.support.eventually import until
from tests.support.mesh.hosts import PROXY_GROUP, Host

ROOT: Final = Path(__file__).parents[3]
"""Of the repository."""

CLUSTER_NETWORKS: Final = "10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16"
IDENTITY_PORT: Final = 8080

_PREFIX: Final = "LINKERD2_PROXY_"
_SERIES: Final = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class ControlPlane:
    """Where proxies find it: on loopback, or at an address, behind a proxy with that identity."""

    ip: str
    identity: str
    anchors: str

    def environment(self, *, beside: bool) -> dict[str, str]:
        """How to call it, from its own host or from another."""
        ports = {"IDENTITY": IDENTITY_PORT, "DESTINATION": DESTINATION_PORT, "POLICY": POLICY_PORT}
        where = "localhost." if beside else self.ip
        return {
            f"{_PREFIX}{service}_SVC_{what}": value
            for service, port in ports.items()
            for what, value in (("ADDR", f"{where}:{port}"), ("NAME", self.identity))
        }


@dataclass(frozen=True)
class Workload:
    """The pod of a proxy: what its API object says."""

    namespace: str
    name: str
    identity: str
    token: str
    ports: range
    """Those that its application may listen on."""


class Proxy:
    """A running proxy; `stop` ends it. What it logs is in `log`, for people."""

    def __init__(
        self,
        program: str,
        host: Host,
        workload: Workload,
        control_plane: ControlPlane,
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.host = host
        self.log = folder / "log"
        beside = host.ip == control_plane.ip
        identity, token = folder / "identity", folder / "token"
        identity.mkdir()
        token.write_text(workload.token)
        environ = {
            "PATH": os.environ["PATH"],
            IDENTITY_DIR: str(identity),
            IDENTITY_LOCAL_NAME: workload.identity,
            IDENTITY_TRUST_ANCHORS: control_plane.anchors,
            f"{_PREFIX}IDENTITY_TOKEN_FILE": str(token),
            **control_plane.environment(beside=beside),
            **_environment(host, workload),
            **environment,
        }
        # As in its container: the program that makes the key becomes the proxy.
        with ExitStack() as stack:
            stack.enter_context(host.entered())
            log = stack.enter_context(self.log.open("wb"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "dataplane.boot", program],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=environ,
                group=PROXY_GROUP, extra_groups=[],
            )  # fmt: skip

    def wait_ready(self) -> None:
        """Returns once it has a certificate. Raises AssertionError, with what it said."""
        until(lambda: self._process.poll() is not None or self._is_ready(), f"{self.log}: ready")
        if self._process.poll() is not None:
            raise AssertionError(f"the proxy ended:\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()

    def series(self, name: str, **labels: str) -> "Iterator[tuple[Mapping[str, str], float]]":
        """Labels and values of a metric's series that have these labels."""
        for line in self.admin("/metrics").splitlines():
            found = _SERIES.fullmatch(line)
            if found is None or found[1] != name:
                continue
            has = dict(_LABEL.findall(found[2] or ""))
            if labels.items() <= has.items():
                yield has, float(found[3])

    def metric(self, name: str, **labels: str) -> float:
        """The sum of these; 0 when there are none."""
        return sum(value for _, value in self.series(name, **labels))

    def admin(self, path: str) -> str:
        """A page of its admin server, as the pod itself sees it. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", ADMIN_PORT)
        connection.sock = self.host.connect("127.0.0.1", ADMIN_PORT)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            content = response.read().decode()
            if response.status != http.client.OK:
                raise OSError(f"{path}: {response.status}")
            return content
        finally:
            connection.close()

    def _is_ready(self) -> bool:
        with suppress(OSError):
            return self.admin("/ready") == "ready\n"
        return False


def _environment(host: Host, workload: Workload) -> dict[str, str]:
    pod = {"ns": workload.namespace, "pod": workload.name}
    values = {
        "LOG": "warn",
        "POLICY_WORKLOAD": f"{json.dumps(pod)}\n",
        "DESTINATION_CONTEXT": f"{json.dumps(pod | {'nodeName': 'n1'})}\n",
        "DESTINATION_PROFILE_NETWORKS": CLUSTER_NETWORKS,
        "DESTINATION_PROFILE_SUFFIXES": "svc.cluster.local.",
        "POLICY_CLUSTER_NETWORKS": CLUSTER_NETWORKS,
        "OUTBOUND_LISTEN_ADDRS": "127.0.0.1:4140",
        "CONTROL_LISTEN_ADDR": "0.0.0.0:4190",
        "INBOUND_DEFAULT_POLICY": "all-unauthenticated",
        "INBOUND_IPS": host.ip,
        "INBOUND_PORTS": ",".join(map(str, workload.ports)),
        "INBOUND_CONNECT_TIMEOUT": "100ms",
        "OUTBOUND_CONNECT_TIMEOUT": "1000ms",
        "INBOUND_DISCOVERY_IDLE_TIMEOUT": "90s",
        "OUTBOUND_DISCOVERY_IDLE_TIMEOUT": "5s",
        "CONTROL_STREAM_INITIAL_TIMEOUT": "3s",
        "CONTROL_STREAM_IDLE_TIMEOUT": "5m",
        "CONTROL_STREAM_LIFETIME": "1h",
        "INBOUND_ACCEPT_KEEPALIVE": "10000ms",
        "OUTBOUND_CONNECT_KEEPALIVE": "10000ms",
    }
    return {
        PROXY_INBOUND_LISTEN_ADDR: f"0.0.0.0:{INBOUND_PORT}",
        PROXY_ADMIN_LISTEN_ADDR: f"0.0.0.0:{ADMIN_PORT}",
        **{f"{_PREFIX}{name}": value for name, value in values.items()},
    }
