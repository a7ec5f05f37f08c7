"""Requests, refusals and streams against a server under control."""

import socket
from pathlib import Path

import pytest
from yarl import URL

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    KubeError,
    NotFound,
    ProtocolError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from linkerd.kube.transport import open_socket, proxy_for
from tests.support.api_peer import ApiPeer
from tests.support.clock import FakeClock
from tests.support.cut import CutProxy, api_server_of

_PODS = "/api/v1/pods"


async def test_a_request(client: KubeClient, peer: ApiPeer) -> None:
    peer.put("a")
    body = await client.request("GET", _PODS, query={"limit": "1", "continue": ""})
    assert b'"a"' in body
    assert peer.queries[-1] == {"limit": "1", "continue": ""}
    assert peer.headers[-1]["User-Agent"] == "test/1"
    assert "Authorization" not in peer.headers[-1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, ApiError),
        (500, ServerError),
        (503, ServerError),
    ],
)
async def test_refusals(
    client: KubeClient, peer: ApiPeer, status: int, kind: type[ApiError]
) -> None:
    peer.refuse(status, "Because")
    peer.refuse(status, "Because")  # a 401 is tried twice
    with pytest.raises(kind) as caught:
        await client.request("GET", _PODS)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.reason) == (status, "Because")
    assert caught.value.message == "refused Because"


async def test_retry_after(client: KubeClient, peer: ApiPeer) -> None:
    peer.refuse(429, "TooManyRequests", **{"Retry-After": "7"})
    with pytest.raises(TooManyRequests) as caught:
        await client.request("GET", _PODS)
    assert caught.value.retry_after == 7.0


async def test_refusals_that_are_not_the_apis(client: KubeClient, peer: ApiPeer) -> None:
    with pytest.raises(NotFound) as caught:
        await client.request("GET", "/nowhere")
    assert "404: Not Found" in caught.value.message
    peer.refuse(302, Location="/api/v1/pods")
    with pytest.raises(ProtocolError, match="302"):
        await client.request("GET", _PODS)


async def test_a_401_reads_the_credentials_again(peer: ApiPeer, tmp_path: Path) -> None:
    path = peer.kubeconfig(tmp_path, token="old")
    async with await KubeClient.connect(path, user_agent="test") as client:
        peer.refuse(401)
        peer.kubeconfig(tmp_path, token="new")
        await client.request("GET", _PODS)
    sent = [headers["Authorization"] for headers in peer.headers]
    assert sent == ["Bearer old", "Bearer new"]


async def test_a_401_that_stays_is_raised_and_does_not_hammer(
    peer: ApiPeer, tmp_path: Path
) -> None:
    path = peer.kubeconfig(tmp_path, token="bad")
    for _ in range(5):
        peer.refuse(401)
    clock = FakeClock()
    async with await KubeClient.connect(path, user_agent="test", clock=clock) as client:
        for _ in range(3):
            with pytest.raises(Unauthorized):
                await client.request("GET", _PODS)
    assert len(peer.headers) == 4  # only the first has read the kubeconfig again


async def test_a_new_address_is_followed(peer: ApiPeer, tmp_path: Path) -> None:
    async with ApiPeer() as other:
        path = peer.kubeconfig(tmp_path)
        async with await KubeClient.connect(path, user_agent="test") as client:
            peer.refuse(401)
            other.kubeconfig(tmp_path)
            await client.request("GET", _PODS)
            assert other.lists == 1
            assert client.server == other.url


async def test_nobody_there(client: KubeClient, proxy: CutProxy) -> None:
    await client.request("GET", _PODS)
    await proxy.cut()
    with pytest.raises(Unreachable, match="GET /api/v1/pods"):
        await client.request("GET", _PODS)
    proxy.heal()
    await client.request("GET", _PODS)
    proxy.stall()
    with pytest.raises(Unreachable):
        await client.request("GET", _PODS, timeout=0.1)


async def test_a_client_that_is_closed_reaches_nobody(client: KubeClient) -> None:
    """Reflectors try again while the process ends, and must take it for what they know."""
    await client.close()
    with pytest.raises(Unreachable, match="closed"):
        await client.request("GET", "/api")
    with pytest.raises(Unreachable, match="closed"):
        async with client.stream("/api"):
            pass


async def test_a_stream_gives_the_lines_of_each_read(client: KubeClient, peer: ApiPeer) -> None:
    peer.put("a")
    peer.put("b", padding="x" * 3_000_000)
    query = {"watch": "true", "resourceVersion": "1"}
    async with client.stream(_PODS, query=query) as batches:
        lines = await anext(batches)
        while len(lines) < 2:
            lines += await anext(batches)
        assert [len(line) > 3_000_000 for line in lines] == [False, True]
        peer.end_watches()
        with pytest.raises(StopAsyncIteration):
            await anext(batches)


async def test_a_stream_that_ends_inside_a_line_is_broken(
    client: KubeClient, peer: ApiPeer
) -> None:
    query = {"watch": "true", "resourceVersion": "1"}
    async with client.stream(_PODS, query=query) as batches:
        peer.say(b'{"type":"ADDED"}\n{"type":"ADD')
        assert await anext(batches) == [b'{"type":"ADDED"}']
        peer.end_watches()
        with pytest.raises(Unreachable, match="inside a line"):
            await anext(batches)


async def test_a_silent_stream_is_given_up(client: KubeClient) -> None:
    query = {"watch": "true", "resourceVersion": "1"}
    async with client.stream(_PODS, query=query, idle_timeout=0.05) as batches:
        with pytest.raises(Unreachable):
            await anext(batches)


async def test_what_the_listener_raises_is_not_ours(client: KubeClient) -> None:
    with pytest.raises(OSError, match="theirs"):
        async with client.stream(_PODS, query={"watch": "true", "resourceVersion": "1"}):
            raise OSError("theirs")


async def test_a_stream_may_be_refused(client: KubeClient, peer: ApiPeer) -> None:
    peer.refuse(410, "Expired")
    with pytest.raises(Gone):
        async with client.stream(_PODS, query={"watch": "true"}):
            pass


def test_all_errors_are_of_one_tree() -> None:
    for kind in (ApiError, Unreachable, ProtocolError):
        assert issubclass(kind, KubeError)


def test_proxies_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert proxy_for(URL("https://cluster.example:6443/")) == "http://proxy:3128"
    assert proxy_for(URL("https://inside.example/")) is None
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert proxy_for(URL(f"https://{host}:6443/")) is None


def test_dead_peers_are_the_kernels_to_notice() -> None:
    with open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))) as opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        assert not opened.getblocking()


def test_the_address_of_a_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("clusters: [{cluster: {server: 'https://127.0.0.1:6443'}}]")
    assert api_server_of(path) == ("127.0.0.1", 6443)
