"""The pool for small POSTs: parsing, kept connections, and what goes wrong with them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import NotFound, ProtocolError, TooManyRequests, Unauthorized, Unreachable
from linkerd.kube.http_pool import Answer, AnswerParser, HttpPool
from linkerd.kube.http_pool import Peer as Address
from tests.support.eventually import eventually

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\n{"a":\r\n3;x=y\r\n 1}\r\n0\r\n\r\n'
)
BUSY = (
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\nConnection: close\r\n"
    b"content-length: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (OK, Answer(200, b"{}", None, True)),
        (CHUNKED, Answer(201, b'{"a": 1}', None, True)),
        (BUSY, Answer(429, b"", 7.0, False)),
        (OK.replace(b"/1.1", b"/1.0"), Answer(200, b"{}", None, False)),
    ],
    ids=["length", "chunks", "busy", "HTTP/1.0"],
)
def test_answers_and_their_beginnings(data: bytes, answer: Answer) -> None:
    for end in range(1, len(data)):
        assert AnswerParser().feed(data[:end]) is None
    parser = AnswerParser()
    assert [parser.feed(bytes([byte])) for byte in data] == [None] * (len(data) - 1) + [answer]


@pytest.mark.parametrize("more", [OK, b"HTTP/1.1 100 Go on\r\n\r\n", b"x", b"\x16\x03\x01"])
def test_more_than_was_asked_for(more: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerParser().feed(OK + more)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"z" * 100,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (1 << 20),
    ],
    ids=[
        "not http",
        "no length",
        "too long",
        "no size",
        "chunk too long",
        "two lengths",
        "provisional",
        "endless head",
    ],
)
def test_not_answers(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        AnswerParser().feed(data)


@given(st.binary(max_size=200), st.sampled_from([b"", OK[:60], CHUNKED[:60]]))
def test_any_bytes(data: bytes, before: bytes) -> None:
    with suppress(ProtocolError):
        AnswerParser().feed(before + data)


class Peer:
    """A server that says what the test wants and counts."""

    def __init__(self) -> None:
        self.answers: list[bytes | None] = []
        self.requests: list[bytes] = []
        self.connections = self.ended = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                if self.silent:
                    continue
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.ended += 1
            writer.transport.abort()

    def hang_up(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def asking(tmp_path: Path, prefix: str = "") -> AsyncIterator[tuple[Peer, KubeClient]]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{prefix}"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "here",
                "clusters": [{"name": "here", "cluster": {"server": address}}],
                "users": [{"name": "me", "user": {"token": "mine"}}],
                "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            }
        )
    )
    async with await KubeClient.connect(kubeconfig, user_agent="tester/1") as client:
        yield peer, client
    server.close()
    peer.hang_up()


async def post(client: KubeClient, timeout: float = 10) -> bytes:
    return await client.post("/apis/x", b'{"q":1}', timeout=timeout)


class TestConnections:
    async def test_what_is_sent(self, tmp_path: Path) -> None:
        async with asking(tmp_path, "/k8s/clusters/c-1") as (peer, client):
            assert await post(client) == b"{}"
        (request,) = peer.requests
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        assert lines[0] == "POST /k8s/clusters/c-1/apis/x HTTP/1.1"
        assert {"Authorization: Bearer mine", "User-Agent: tester/1", "Content-Length: 7"} <= set(
            lines
        )
        assert body == b'{"q":1}'

    async def test_one_is_kept(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (peer, client):
            for _ in range(5):
                await post(client)
            assert peer.connections == 1
            await asyncio.gather(*(post(client) for _ in range(8)))
            assert peer.connections <= 8
            assert len(peer.requests) == 13

    async def test_answers_go_to_those_who_asked(self, tmp_path: Path) -> None:
        """Also when others give up half-way."""
        async with asking(tmp_path) as (peer, client):
            peer.silent = True
            call = asyncio.create_task(post(client))
            await eventually(lambda: peer.requests)
            call.cancel()
            await asyncio.wait([call])
            await eventually(lambda: peer.ended == 1)
            peer.silent = False
            peer.answers = [OK.replace(b"{}", b"[]")]
            assert await post(client) == b"[]"
            assert peer.connections == 2

    async def test_closed_while_idle(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (peer, client):
            await post(client)
            peer.hang_up()
            assert await post(client) == b"{}"

    async def test_closed_instead_of_an_answer(self, tmp_path: Path) -> None:
        """Once on a kept connection; a new one that is closed too is a failure."""
        async with asking(tmp_path) as (peer, client):
            await post(client)
            peer.answers = [None]
            assert await post(client) == b"{}"
            peer.answers = [None, None]
            with pytest.raises(Unreachable):
                await post(client)

    async def test_silence(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (peer, client):
            peer.silent = True
            with pytest.raises(Unreachable, match=r"no answer in 0\.05 s"):
                await post(client, timeout=0.05)

    async def test_the_end_of_the_client_ends_what_is_in_use(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (peer, client):
            peer.silent = True
            calls = [asyncio.create_task(post(client)) for _ in range(3)]
            await eventually(lambda: len(peer.requests) == 3)
            await client.close()
            for call in calls:
                with pytest.raises(Unreachable, match="closed"):
                    await call
            await eventually(lambda: peer.ended == peer.connections == 3)
            with pytest.raises(Unreachable, match="the client is closed"):
                await post(client)
            assert peer.connections == 3

    async def test_the_end_of_the_client_ends_what_is_being_connected(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (peer, client):
            call = asyncio.create_task(post(client))
            await asyncio.sleep(0)  # it connects now
            await client.close()
            with pytest.raises(Unreachable, match="closed"):
                await call
            await eventually(lambda: peer.ended == peer.connections)
            assert peer.requests == []

    async def test_a_pool_that_is_replaced_keeps_nothing(self, tmp_path: Path) -> None:
        """What is under way is answered; afterwards no connection of it is left."""
        async with asking(tmp_path) as (peer, client):
            url = client.server
            pool = HttpPool(Address(url, None, None, "tester/1"))
            peer.silent = True
            call = asyncio.create_task(pool.post("/apis/x", b"{}", None))
            await eventually(lambda: peer.requests)
            pool.retire()
            peer.writers[0].write(OK)
            assert (await call).body == b"{}"
            await eventually(lambda: peer.ended == 1)

    async def test_nobody(self, tmp_path: Path) -> None:
        async with asking(tmp_path) as (_, client):
            pass
        with pytest.raises(Unreachable):
            await post(client)

    @pytest.mark.parametrize(
        ("answer", "error", "check"),
        [
            (BUSY, TooManyRequests, lambda error: error.retry_after == 7),
            (OK.replace(b"200 OK", b"404 No"), NotFound, lambda error: error.status == 404),
            (OK.replace(b"200 OK", b"302 Fd"), ProtocolError, lambda error: "302" in str(error)),
            (b"nonsense\r\n\r\n", ProtocolError, lambda error: True),
        ],
        ids=["busy", "not found", "redirection", "nonsense"],
    )
    async def test_refusals(
        self,
        tmp_path: Path,
        answer: bytes,
        error: type[Exception],
        check: Callable[[Exception], bool],
    ) -> None:
        async with asking(tmp_path) as (peer, client):
            peer.answers = [answer]
            with pytest.raises(error) as caught:
                await post(client)
            assert check(caught.value)
            assert await post(client) == b"{}"

    async def test_unauthorized_is_tried_again_with_what_is_read_anew(self, tmp_path: Path) -> None:
        no = OK.replace(b"200 OK", b"401 Unauthorized")
        async with asking(tmp_path) as (peer, client):
            peer.answers = [no]
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(kubeconfig.read_text().replace("mine", "newer"))
            assert await post(client) == b"{}"
            assert b"Bearer newer" in peer.requests[-1]
            peer.answers = [no, no]
            with pytest.raises(Unauthorized):
                await post(client)
