"""Figures from Prometheus. What cannot be had is logged and left out."""

from collections.abc import Iterable

import aiohttp
from yarl import URL

from linkerd.runtime.logs import get_logger
from services.heartbeat.errors import HeartbeatError, UnreachableError
from services.heartbeat.fetch import fetch
from services.heartbeat.model import QUESTIONS, Parameters, Question, round_as_go
from services.heartbeat.wire import query_url, read_number

_log = get_logger(__name__)


class Prometheus:
    """The HTTP API at `url`; `timeout` bounds each query, in seconds."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, timeout: float) -> None:
        self._session = session
        self._url = url
        self._timeout = timeout

    async def ask(self, query: str) -> float:
        """The one number that the query gives now. Raises HeartbeatError."""
        url = query_url(self._url, query)
        return read_number(*await fetch(self._session, url, self._timeout))


async def read_figures(
    prometheus: Prometheus, questions: Iterable[Question] = QUESTIONS
) -> Parameters:
    """What Prometheus has an answer to. One question at a time, as some span a day of samples; the
    first that finds nobody there is the last."""
    figures: dict[str, str] = {}
    for question in questions:
        try:
            number = await prometheus.ask(question.query)
        except UnreachableError as error:
            _log.warning("Prometheus cannot be reached: its figures are left out", error=str(error))
            break
        except HeartbeatError as error:
            _log.warning("left out", parameter=question.parameter, error=str(error))
        else:
            figures[question.parameter] = round_as_go(number, question.digits)
    return figures
