"""YAML and JSON of unknown authors into plain values, within bounds.

A document of few bytes may stand for a huge value (aliases of aliases), nest without end, or say a
key twice; each of these is refused here, so that what comes after needs no such care.
"""

import math
from collections import Counter
from typing import Any, Final

import yaml

from linkerd.profiles.errors import SourceError

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 100
MAX_VALUES: Final = 500_000
_MAX_MERGED: Final = 1_000  # entries that "<<" may bring into one mapping
_MERGE: Final = "tag:yaml.org,2002:merge"
_TEXT: Final = frozenset({"tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value"})
"""What stays text: dates, and "=", which YAML 1.1 gave a meaning that nobody knows."""
_MAX_INTEGER: Final = 2**64
FAILURES: Final = (
    yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError,
)  # fmt: skip
"""What the YAML library raises; the plain ones when a tag forces a type that does not fit."""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where it is there


class BoundedLoader(_Base):  # type: ignore[misc]  # a class that is chosen at run time
    """The safe loader, which takes no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # the library's own attribute
        first: [pair for pair in pairs if pair[0] not in _TEXT]
        for first, pairs in _Base.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._flat: set[int] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Bring in what "<<" names, once, and up to a bound: it may double with every line."""
        if id(node) in self._flat:
            return
        self._flat.add(id(node))
        self._find_twins(node)
        merged = [value for key, value in node.value if key.tag == _MERGE]
        if merged and _too_many(merged):
            _refuse(node, f'"<<" brings in more than {_MAX_MERGED} entries')
        super().flatten_mapping(node)
        if merged and len(node.value) > _MAX_MERGED:
            _refuse(node, f'"<<" brings in more than {_MAX_MERGED} entries')

    def _find_twins(self, node: yaml.MappingNode) -> None:
        keys = (key for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for text, count in Counter(key.value for key in keys).items():
            if count > 1:
                self.twins(node, text, count)

    def twins(self, node: yaml.MappingNode, key: str, count: int) -> None:
        """Told of a key that a mapping has several times."""
        _refuse(node, f"key {key!r} is there {count} times")


def _too_many(merged: list[yaml.Node]) -> bool:
    return any(isinstance(m, yaml.SequenceNode) and len(m.value) > _MAX_MERGED for m in merged)


def _refuse(node: yaml.Node, problem: str) -> None:
    raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def read_document(raw: bytes) -> Any:
    """What a YAML or JSON document of at most MAX_BYTES says, as `plain` returns it. Raises
    SourceError."""
    if len(raw) > MAX_BYTES:
        raise SourceError(f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    try:
        check_depth(raw, MAX_DEPTH)
        return plain(yaml.load(raw, Loader=BoundedLoader))  # noqa: S506  # a safe loader
    except FAILURES as error:
        raise SourceError(f"it is neither YAML nor JSON: {one_line(error)}") from error


def check_depth(raw: bytes, limit: int) -> None:
    """Raises SourceError where a document nests deeper. To be called before it is loaded: libyaml's
    part of the loader recurses without end, and takes the process with it."""
    depth = 0
    for event in yaml.parse(raw, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > limit:
            raise SourceError(f"it is nested too deep: more than {limit} levels")


def one_line(error: Exception) -> str:
    """What one of FAILURES says."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return " ".join(str(error).split())


def plain(value: Any) -> Any:
    """The value in terms of JSON: keys of mappings are text, and mappings have no null, which is
    how Kubernetes reads what is absent (lists keep theirs).

    Raises SourceError beyond MAX_DEPTH or MAX_VALUES, and for what JSON does not have.
    """
    return _Plain().of(value, 0)


class _Plain:
    """One conversion, with what it has left to spend."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def of(self, value: Any, depth: int) -> Any:
        """The value at this depth."""
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise SourceError(f"it holds more than {MAX_VALUES} values or {MAX_DEPTH} levels")
        if isinstance(value, dict):
            return self._mapping(value, depth)
        if isinstance(value, list):
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            raise SourceError(f"{value} is no number that JSON has")
        if isinstance(value, int):
            return _bounded(value)
        if value is None or isinstance(value, str | float):
            return value
        raise SourceError(f"a {type(value).__name__} is nothing that JSON has")

    def _mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in value.items():
            name = _key(key)
            if name in found:
                raise SourceError(f"key {name!r} is there twice")
            if item is not None:
                found[name] = self.of(item, depth + 1)
        return found


def _bounded(value: int) -> int:
    if abs(value) > _MAX_INTEGER:
        raise SourceError("an integer has more than 64 bits")
    return value


def _key(key: object) -> str:
    """YAML 1.1 reads `200:` as a number and `on:` as true."""
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(_bounded(key))
    if isinstance(key, str):
        return key
    raise SourceError(f"a key is a {type(key).__name__}, not text")
