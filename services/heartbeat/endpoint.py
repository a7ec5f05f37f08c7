"""Sends the heartbeat. An answer other than 200, or none, fails the job."""

from typing import Final

import aiohttp
from yarl import URL

from services.heartbeat.errors import HeartbeatError, NotSentError
from services.heartbeat.fetch import fetch

_OK: Final = 200


async def send(session: aiohttp.ClientSession, url: URL, timeout: float) -> str:
    """GETs `url` within `timeout` seconds; the text of the answer. Raises NotSentError."""
    try:
        status, body = await fetch(session, url, timeout)
    except HeartbeatError as error:
        raise NotSentError(str(error)) from error
    if status != _OK:
        raise NotSentError(f"{url.host} answered with status {status}")
    return body.decode(errors="replace")
