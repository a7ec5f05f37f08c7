"""An API server that sends without end, as a program of its own: `serve(ATTACK)`.

HTTPS on loopback. It answers every list, or every watch after an empty list, in the way that the
attack names; the client decides when that is enough. Run by itself it prints its port.
"""

import asyncio
import gzip
import itertools
import json
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE
from typing import Final

import yaml

from tests.support.certificates import certificate_pem, key_pem, make_ca, p256
from tests.support.forkserver import ForkedProgram

_FILLER: Final = b"x" * 65536
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
_numbers: Final = itertools.count()


def _object(name: str, **fields: object) -> dict[str, object]:
    meta = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": str(next(_numbers))}
    return {"metadata": meta, **fields}


def _page(items: list[dict[str, object]], rest: str = "more") -> bytes:
    meta = {"resourceVersion": "1", "continue": rest}
    body = json.dumps({"metadata": meta, "items": items}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _line(kind: str, item: dict[str, object]) -> bytes:
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


async def _repeat(head: bytes, chunk: Callable[[], bytes]) -> AsyncIterator[bytes]:
    yield head
    while True:
        yield chunk()


def _some_lines(make: Callable[[str], bytes]) -> Callable[[], bytes]:
    return lambda: b"".join(make(f"n{next(_numbers)}") for _ in range(200))


async def _slowly() -> AsyncIterator[bytes]:
    yield _OK
    while True:
        yield b"["
        await asyncio.sleep(0.01)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _numbered_page() -> AsyncIterator[bytes]:
    return _once(_page([_object(f"n{next(_numbers)}") for _ in range(100)]))


def _bomb() -> bytes:
    body = gzip.compress(b"[" * (200 << 20))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


LISTS: Final[dict[str, Callable[[], AsyncIterator[bytes]]]] = {
    "a body without end": lambda: _repeat(_OK, lambda: _FILLER),
    "a refusal without end": lambda: _repeat(_OK.replace(b"200", b"500"), lambda: _FILLER),
    "headers without end": lambda: _repeat(
        b"HTTP/1.1 200 OK\r\n", lambda: b"X-A: %s\r\n" % _FILLER[:4000] * 16
    ),
    "provisional answers without end": lambda: _repeat(
        b"", lambda: b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 1000
    ),
    "chunks of a byte": lambda: _repeat(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", lambda: b"1\r\nx\r\n" * 10_000
    ),
    "pages without end": _numbered_page,
    "empty pages without end": lambda: _once(_page([])),
    "one page again and again": lambda: _once(_page([_object(f"n{n}") for n in range(100)])),
    "a page of millions": lambda: _once(
        _OK + b'{"metadata":{},"items":[1' + b",1" * 1_900_000 + b"]}"
    ),
    "objects of many parts": lambda: _once(
        _page([_object("a", spec={"ports": [{"port": 1}] * 200_000}, endpoints=[])])
    ),
    "a few bytes that stand for many": lambda: _once(_bomb()),
    "bytes one by one": _slowly,
}
WATCHES: Final[dict[str, Callable[[], AsyncIterator[bytes]]]] = {
    "a line of 100 MB": lambda: _repeat(_OK, lambda: _FILLER),
    "lines without end": lambda: _repeat(
        _OK, _some_lines(lambda name: _line("ADDED", _object(name)))
    ),
    "lines about one object": lambda: _repeat(
        _OK, _some_lines(lambda _: _line("MODIFIED", _object("one")))
    ),
    "malformed objects without end": lambda: _repeat(
        _OK, _some_lines(lambda name: _line("ADDED", _object(name, spec="banana", status=5)))
    ),
    "names as long as lines": lambda: _repeat(
        _OK, lambda: _line("ADDED", _object(f"{next(_numbers)}" + "n" * 1_000_000))
    ),
    "a new kind of event each time": lambda: _repeat(
        _OK, _some_lines(lambda name: _line(name, _object(name)))
    ),
    "labels that nobody shares": lambda: _repeat(
        _OK,
        lambda: _line(
            "ADDED",
            {
                "metadata": {
                    "name": "one",
                    "resourceVersion": str(next(_numbers)),
                    "labels": {f"{next(_numbers)}": "x" * 500_000},
                }
            },
        ),
    ),
}


async def _serve(attack: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            async for chunk in _answer(attack, b"watch=true" in head):
                writer.write(chunk)
                await writer.drain()
                if writer.is_closing():
                    return
            if b"Content-Length" not in chunk[:200]:
                break
    writer.close()


def _answer(attack: str, watch: bool) -> AsyncIterator[bytes]:
    if attack in LISTS:
        return LISTS[attack]()
    if watch:
        return WATCHES[attack]()
    return _once(_page([], ""))


async def _main(attack: str, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _serve(attack, reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def serve(attack: str) -> Iterator[bytes]:
    """Runs the program; the kubeconfig that leads to it."""
    with tempfile.TemporaryDirectory() as directory:
        certificate = Path(directory) / "server.pem"
        key = p256()
        certificate.write_bytes(key_pem(key) + certificate_pem(make_ca("hostile", key)))
        module = "tests.support.hostile_api"
        with ForkedProgram(module, attack, str(certificate), stdout=PIPE, stderr=2) as process:
            yield kubeconfig(int(process.stdout.readline() if process.stdout else ""))


def kubeconfig(port: int) -> bytes:
    """One that leads to this port of ours."""
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    content = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": {"token": "t"}}],
    }
    return yaml.safe_dump(content).encode()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
