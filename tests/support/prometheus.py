"""A real Prometheus on loopback, and a target for it to scrape.

Samples carry their own timestamps, so one scrape brings a day of the past and the next minutes too:
every query has its full window at once, and its result does not depend on how fast this machine is.
"""

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import yaml

from linkerd.local.ports import choose_port

ABSENT: Final = "there is no prometheus on PATH: `make test` fetches it from Debian"

PAST: Final = 25 * 3600
"""Seconds of the past that `Series` with `long=True` cover."""

FUTURE: Final = 540
"""Seconds from the first scrape on in which results stay the same; Prometheus allows 600."""

_RECENT: Final = 600
_STARTUP: Final = 60.0  # seconds; it takes 6, most of them to find its targets
_INTERVAL: Final = 0.05  # seconds between looks at whether it is ready


@dataclass(frozen=True, slots=True)
class Series:
    """A line of the exposition format, `name{labels}`, and its value `at(t)`, where t is seconds
    since the beginning of the past. `long` gives it a day of history, else it has 10 minutes."""

    text: str
    at: Callable[[float], float]
    long: bool = False

    def samples(self, now: int) -> Iterator[str]:
        """Lines with timestamps, oldest first: each minute, and lately every 5 seconds."""
        start = now - PAST
        long_ago = range(start, now - _RECENT, 60) if self.long else range(0)
        for moment in (*long_ago, *range(now - _RECENT, now + FUTURE, 5)):
            yield f"{self.text} {self.at(moment - start)!r} {moment * 1000}"


@dataclass(frozen=True, slots=True)
class Target:
    """What one scrape finds, and the job and target labels that Prometheus adds to it."""

    job: str
    labels: Mapping[str, str]
    series: Sequence[Series]


@contextmanager
def running_prometheus(folder: Path, targets: Sequence[Target]) -> Iterator[str]:
    """Its URL, once it has scraped all targets; skips the test where the program is absent."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip(ABSENT)
    with _serving(targets) as port:
        own = choose_port("127.0.0.1", {port})
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(_configuration(targets, port)))
        command = [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ]
        with _process(command, folder / "prometheus.log") as process:
            _wait(process, own, len(targets), folder / "prometheus.log")
            yield f"http://127.0.0.1:{own}"


def _configuration(targets: Sequence[Target], port: int) -> dict[str, Any]:
    jobs: dict[str, list[dict[str, Any]]] = {}
    for number, target in enumerate(targets):
        labels = {**target.labels, "__metrics_path__": f"/{number}"}
        group = {"targets": [f"127.0.0.1:{port}"], "labels": labels}
        jobs.setdefault(target.job, []).append(group)
    return {
        "global": {"scrape_interval": "1s"},
        # Targets are scraped one after the other, each from the beginning of the past.
        "storage": {"tsdb": {"out_of_order_time_window": f"{PAST + 3600}s"}},
        "scrape_configs": [
            {"job_name": job, "static_configs": groups} for job, groups in jobs.items()
        ],
    }


@contextmanager
def _serving(targets: Sequence[Target]) -> Iterator[int]:
    """Serves the targets at /0, /1, ...; each has its samples at the first scrape only."""
    now = int(time.time())
    pages = {
        f"/{number}": "\n".join(line for series in target.series for line in series.samples(now))
        for number, target in enumerate(targets)
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{pages.pop(self.path, '')}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # likewise
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, targets: int, log: Path) -> None:
    deadline = time.monotonic() + _STARTUP
    while _scraped(port) < targets:
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"Prometheus did not come up:\n{log.read_text()[-2000:]}")
        time.sleep(_INTERVAL)


def _scraped(port: int) -> int:
    """How many targets have been scraped; 0 while it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", f"/api/v1/query?{urlencode({'query': 'count(up == 1)'})}")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0
    finally:
        connection.close()
    result = answer.get("data", {}).get("result") or [{"value": [0, "0"]}]
    return int(result[0]["value"][1])
