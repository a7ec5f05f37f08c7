"""The common beginning of services, in real processes. The child is this module as a program."""

import asyncio
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest

from linkerd.runtime.process import Process
from linkerd.runtime.service import launch
from linkerd.runtime.settings import GrpcSettings
from tests.support.forkserver import ForkedProgram

MODULE = "tests.linkerd.runtime.test_service"


async def start(_settings: GrpcSettings, process: Process) -> None:
    """A service whose set-up lasts until it is told a line."""
    gate = process.readiness.gate("caches")
    await asyncio.to_thread(sys.stdin.readline)
    gate.open()


@contextmanager
def service(*flags: str) -> Iterator[ForkedProgram]:
    """A child that is a service."""
    pipe = subprocess.PIPE
    with ForkedProgram(MODULE, *flags, stdin=pipe, stdout=pipe, strict=True) as child:
        yield child


def line_with(child: ForkedProgram, text: str) -> str:
    """The child's next log line that has `text`."""
    assert child.stderr is not None
    return next(line for line in child.stderr if text in line)


def get(port: str, path: str) -> tuple[int, str]:
    """Status and body of an admin page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_admin_server_answers_before_and_after_the_set_up() -> None:
    with service("-admin-addr=127.0.0.1:0", "--log-format", "json") as child:
        assert '"log-format": "json"' in line_with(child, "starting")
        found = re.search(r'"addr": "127\.0\.0\.1:(\d+)"', line_with(child, "admin server listens"))
        assert found is not None
        assert get(found[1], "/ping") == (200, "pong\n")
        assert get(found[1], "/ready") == (500, "not ready: start, caches\n")
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        line_with(child, '"event": "ready"')
        assert get(found[1], "/ready") == (200, "ok\n")
        assert "process_resident_memory_bytes" in get(found[1], "/metrics")[1]
        child.terminate()
        line_with(child, "stopped")
        assert child.wait(20) == 0


REQUESTS = {
    "a profile": b"GET /debug/profile?seconds=60 HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a request": b"GET /ping HTTP/1.1\r\nHost:",
    "an answer that is not read": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_no_request_to_the_admin_server_delays_the_end(request_: bytes) -> None:
    with service("-admin-addr=127.0.0.1:0", "--enable-pprof", "--log-format", "json") as child:
        found = re.search(r'"addr": "127\.0\.0\.1:(\d+)"', line_with(child, "admin server listens"))
        assert found is not None
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
        line_with(child, '"event": "ready"')
        with socket.create_connection(("127.0.0.1", int(found[1]))) as client:
            client.sendall(request_)
            _wait_until_taken(found[1], request_)
            begun = time.monotonic()
            child.terminate()
            _, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert time.monotonic() - begun < 5
    assert "Traceback" not in err


def _wait_until_taken(port: str, request: bytes) -> None:
    """Only one profile is taken at a time: another one is refused once it is under way."""
    while b"profile" in request and get(port, "/debug/profile?seconds=0")[0] != 409:
        pass


def test_wrong_settings_are_one_sentence_and_code_2() -> None:
    with service("--admin-adr=:1") as child:
        out, err = child.communicate(timeout=20)
    assert child.returncode == 2
    assert out == ""
    assert err == "destination: unknown flag --admin-adr; did you mean --admin-addr?\n"


def test_a_port_in_use_ends_it_with_one_line() -> None:
    with service("-admin-addr=127.0.0.1:0") as first:
        found = re.search(r"addr=(127\.0\.0\.1:\d+)", line_with(first, "admin server listens"))
        assert found is not None
        with service(f"-admin-addr={found[1]}") as second:
            _, err = second.communicate(timeout=20)
    assert second.returncode == 1
    assert f"cannot listen on {found[1]}: Address already in use" in err
    assert "Traceback" not in err


def test_help_and_version() -> None:
    with service("--help") as child:
        out, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert "--lame-duck" in out
    with service("--version") as child:
        out, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", out)


if __name__ == "__main__":
    sys.exit(launch(GrpcSettings, start, name="destination"))
