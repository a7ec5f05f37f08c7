"""Sending, to endpoints that behave in every way."""

import asyncio

import pytest
from aiohttp import web
from yarl import URL

from services.heartbeat.endpoint import send
from services.heartbeat.errors import NotSentError
from services.heartbeat.fetch import LIMIT, open_session
from tests.support.recorder import Recorder, Reply, answer

PATIENT, HASTY = 20.0, 0.2


async def _send(url: str, timeout: float = PATIENT) -> str:
    async with open_session() as session:
        return await send(session, URL(url), timeout)


async def _refused(reply: Reply, timeout: float = PATIENT) -> str:
    """What is said about an endpoint that answers so; it is asked once."""
    async with Recorder(reply) as endpoint:
        with pytest.raises(NotSentError) as caught:
            await _send(endpoint.url, timeout)
    assert len(endpoint.requests) == 1
    return str(caught.value)


@pytest.mark.parametrize("status", [201, 204, 400, 404, 503])
async def test_h7_only_200_is_success(status: int) -> None:
    assert str(status) in await _refused(answer(status))


async def test_h8_answer_of_1_mib_is_taken() -> None:
    async with Recorder(answer(200, b"x" * LIMIT)) as endpoint:
        assert await _send(endpoint.url) == "x" * LIMIT


async def test_h8_answer_over_1_mib_is_not() -> None:
    assert "larger" in await _refused(answer(200, b"x" * (LIMIT + 1)))


async def test_h8_answer_without_end_is_not() -> None:
    async def pour(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    assert "larger" in await _refused(pour)


async def test_text_that_is_no_text_is_taken() -> None:
    async with Recorder(answer(200, b"\xff\xfe")) as endpoint:
        assert await _send(endpoint.url) == "\ufffd\ufffd"


async def test_an_endpoint_that_never_answers_is_left_in_time() -> None:
    assert "0.2 s" in await _refused(_hang, HASTY)


async def test_an_endpoint_that_stops_half_way_is_left_in_time() -> None:
    async def stop(request: web.BaseRequest) -> web.StreamResponse:
        await _begin(request)
        return await _hang(request)

    assert "0.2 s" in await _refused(stop, HASTY)


async def test_an_endpoint_that_breaks_off_is_refused() -> None:
    async def break_off(request: web.BaseRequest) -> web.StreamResponse:
        response = await _begin(request)
        assert request.transport is not None
        request.transport.abort()
        return response

    assert await _refused(break_off)


async def test_an_endpoint_that_does_not_exist_is_named() -> None:
    with pytest.raises(NotSentError, match=r"checks\.invalid"):
        await _send("http://checks.invalid/version.json")


async def test_a_redirection_is_followed() -> None:
    async with (
        Recorder() as target,
        Recorder(answer(302, Location=f"{target.url}/elsewhere")) as endpoint,
    ):
        await _send(endpoint.url)
    assert [request.target for request in target.requests] == ["/elsewhere"]


async def test_redirections_without_end_are_refused() -> None:
    async with Recorder(answer(302, Location="/again")) as endpoint:
        with pytest.raises(NotSentError):
            await _send(endpoint.url)


async def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Recorder() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        await _send("http://checks.example/version.json?arch=amd64")
    (request,) = proxy.requests
    assert request.target == "http://checks.example/version.json?arch=amd64"


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    return response


async def _hang(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")
