"""Parameters -> the request's URL; Prometheus' JSON -> one number."""

import math
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec
from yarl import URL

from services.heartbeat.errors import NoValueError
from services.heartbeat.model import Parameters

_OK: Final = 200
_FAILURES: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")


def heartbeat_url(endpoint: URL, parameters: Parameters) -> URL:
    """The URL to GET: the parameters sorted by name and encoded as a form."""
    return URL(f"{endpoint}?{urlencode(sorted(parameters.items()))}", encoded=True)


def query_url(prometheus: URL, query: str) -> URL:
    """The URL of an instant query at the server's own time."""
    base = prometheus / "api" / "v1" / "query"
    return URL(f"{base}?{urlencode({'query': query})}", encoded=True)


class _Data(msgspec.Struct, frozen=True):
    result_type: str = msgspec.field(name="resultType", default="")
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Answer(msgspec.Struct, frozen=True):
    status: str = ""
    data: _Data = _Data()
    error: str = ""


class _Sample(msgspec.Struct):
    value: tuple[float, str]  # Unix time, number as text


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_VECTOR: Final = msgspec.json.Decoder(list[_Sample])


def read_number(status: int, body: bytes) -> float:
    """The number in the answer (HTTP status and body) to an instant query.

    Raises NoValueError unless it is a vector of exactly one sample that is a number; infinity is.
    """
    answer = _decode(_ANSWER, body, status)
    if status != _OK or answer.status != "success":
        raise NoValueError(f"Prometheus refuses the query ({status}): {answer.error[:200]}")
    if answer.data.result_type != "vector":
        raise NoValueError(f"the result is a {answer.data.result_type[:20]}, not a vector")
    samples = _decode(_VECTOR, answer.data.result, status)
    if len(samples) != 1:
        raise NoValueError(f"the result has {len(samples)} samples instead of one")
    return _number(samples[0].value[1])


def _decode(decoder: "msgspec.json.Decoder[T]", data: bytes | msgspec.Raw, status: int) -> T:
    try:
        return decoder.decode(data)
    except _FAILURES:
        raise NoValueError(f"the answer ({status}) is not Prometheus'") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise NoValueError(f"the sample's value is {text[:20]!r}") from None
    if math.isnan(number):
        raise NoValueError("the sample is not a number")
    return number
