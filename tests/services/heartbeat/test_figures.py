"""A Prometheus that misbehaves: what it costs."""

import asyncio
import json

from aiohttp import web
from yarl import URL

from services.heartbeat.fetch import open_session
from services.heartbeat.model import Question
from services.heartbeat.prometheus import Prometheus, read_figures
from tests.support.recorder import Recorder, Reply

ASKED = Question("bad", "bad"), Question("good", "good")


async def _figures(reply: Reply, timeout: float = 20.0) -> dict[str, str]:
    """The first question is answered by `reply`, the second with 12.6."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        if request.query["query"] == "bad":
            return await reply(request)
        result = [{"metric": {}, "value": [1700000000, "12.6"]}]
        data = {"resultType": "vector", "result": result}
        return web.Response(text=json.dumps({"status": "success", "data": data}))

    async with Recorder(serve) as server, open_session() as session:
        return dict(await read_figures(Prometheus(session, URL(server.url), timeout), ASKED))


async def test_a_query_that_takes_too_long_costs_only_itself() -> None:
    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    assert await _figures(hang, timeout=0.5) == {"good": "13"}


async def test_an_error_page_costs_only_its_query() -> None:
    async def fail(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=502, text="<html>bad gateway</html>")

    assert await _figures(fail) == {"good": "13"}


async def test_a_broken_connection_costs_only_its_query() -> None:
    async def abort(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert await _figures(abort) == {"good": "13"}


async def test_a_password_in_the_address_is_sent_as_basic_authentication() -> None:
    async with Recorder() as server, open_session() as session:
        url = URL(server.url).with_user("me").with_password("hunter2")
        await read_figures(Prometheus(session, url, 20.0), ASKED[:1])
    (request,) = server.requests
    assert ("Authorization", "Basic bWU6aHVudGVyMg==") in request.headers
