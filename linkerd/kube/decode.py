"""Bytes of the API server into Structs, such that one bad object spoils only itself.

Lists and watch events are decoded in two stages: the envelope first, each object's bytes left as
they are, then each object alone. Nulls are read as absent, as Kubernetes does, on a second attempt
that only objects with surprising nulls pay for.
"""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from linkerd.kube.depth import prune
from linkerd.kube.errors import ProtocolError
from linkerd.kube.objects import Key, KubeObject, ObjectMeta

T = TypeVar("T", bound=KubeObject)
U = TypeVar("U")

_LONGEST_NAME: Final = 253
_LONGEST_NAMESPACE: Final = 63
_NO_KEY: Final = "metadata: name and namespace are no names of an object"
_SHOWN: Final = 300  # characters of what a server says that are kept for a report
_FAILURES: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Malformed(msgspec.Struct, frozen=True, gc=False):
    """An object that could not be decoded. `key` is None when not even its name could be read."""

    key: Key | None
    uid: str
    version: str
    problem: str


class ListMeta(msgspec.Struct, rename="camel"):
    """A list's own metadata."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """A list, or a page of one; items are still bytes."""

    metadata: ListMeta
    items: list[msgspec.Raw] | None = None


class WatchLine(msgspec.Struct):
    """An event of a watch; the object is still bytes."""

    type: str
    object: msgspec.Raw


class Identity(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Which version of which object something is."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Identified(msgspec.Struct, frozen=True, gc=False):
    metadata: Identity


_PAGE: Final = msgspec.json.Decoder(Page)
_LINE: Final = msgspec.json.Decoder(WatchLine)
_IDENTITY: Final = msgspec.json.Decoder(_Identified)


def decode_page(body: bytes) -> Page:
    """The envelope of a list. Raises ProtocolError when it is none."""
    return _envelope(_PAGE.decode, body)


def decode_line(line: bytes) -> WatchLine:
    """The envelope of a watch event. Raises ProtocolError when it is none."""
    return _envelope(_LINE.decode, line)


def decode_version(raw: bytes | msgspec.Raw) -> str:
    """The resource version of an object (a bookmark) of which nothing else matters."""
    return _envelope(_IDENTITY.decode, bytes(raw)).metadata.resource_version


def decode_identity(raw: bytes | msgspec.Raw) -> Identity | None:
    """Which version of which object this is, for less than half of what it takes to decode a pod;
    None if it does not tell."""
    try:
        return _IDENTITY.decode(raw).metadata
    except _FAILURES:
        return None


def _envelope(decode: Callable[[bytes], U], data: bytes) -> U:
    try:
        return _shallow(decode, data)
    except _FAILURES as error:
        raise ProtocolError(f"not what an API server sends: {error}") from error


def _shallow(decode: Callable[[bytes], U], data: bytes) -> U:
    try:
        return decode(data)
    except RecursionError:
        return decode(prune(data))


class ObjectDecoder(Generic[T]):
    """Decodes the objects of one resource."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def decode(self, raw: bytes | msgspec.Raw) -> T | Malformed:
        """The object, or what is wrong with it. Never raises for any bytes."""
        try:
            item = self._decoder.decode(raw)
        except _FAILURES:
            return self._decode_without_nulls(bytes(raw))
        return item if _is_key(item.metadata) else identify(bytes(raw), _NO_KEY)

    def _decode_without_nulls(self, raw: bytes) -> T | Malformed:
        try:
            value = without_nulls(_shallow(msgspec.json.decode, raw))
            item = msgspec.convert(value, self._kind)
        except _FAILURES as error:
            return identify(raw, str(error))
        return item if _is_key(item.metadata) else identify(raw, _NO_KEY)


def identify(raw: bytes, problem: str) -> Malformed:
    """Whose bytes these are, as far as they tell."""
    try:
        meta = _shallow(_IDENTITY.decode, raw).metadata
    except _FAILURES:
        return Malformed(None, "", "", problem[:_SHOWN])
    key = Key(meta.namespace, meta.name) if _is_key(meta) else None
    return Malformed(key, meta.uid[:_SHOWN], meta.resource_version[:_SHOWN], problem[:_SHOWN])


def _is_key(meta: ObjectMeta | Identity) -> bool:
    """Whether the names are such as the API server lets an object have."""
    return 0 < len(meta.name) <= _LONGEST_NAME and len(meta.namespace) <= _LONGEST_NAMESPACE


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
