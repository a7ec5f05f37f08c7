"""API definitions as people write them, in YAML or JSON, into mappings and lists.

More is let through than in a ServiceProfile: most of such a file is none of our business, and what
other tools take is to be taken here. What is read otherwise than its author may think is noted.
Values are as the file has them; `named` and `field` look into mappings whose keys may be of any
type and in any case.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml

from linkerd.profiles.documents import FAILURES, BoundedLoader, check_depth, one_line
from linkerd.profiles.errors import SourceError

MAX_BYTES: Final = 32 * 1024 * 1024
_MAX_DEPTH: Final = 500
Note = Callable[[str], None]
"""Told in a sentence what was left out, or read otherwise than it is written."""


def read_definition(raw: bytes, note: Note) -> Any:
    """What a file of at most MAX_BYTES says. Raises SourceError."""
    if len(raw) > MAX_BYTES:
        raise SourceError(f"it has {len(raw)} bytes; at most {MAX_BYTES} are read")
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        try:
            return _json(raw, note)
        except (ValueError, RecursionError):
            pass  # YAML may begin like that, too
    try:
        return _yaml(raw, note)
    except FAILURES as error:
        raise SourceError(f"it is neither YAML nor JSON: {one_line(error)}") from error


def _json(raw: bytes, note: Note) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            for key, count in Counter(key for key, _ in pairs).items():
                if count > 1:
                    note(_twins(key, count))
        return found

    return json.loads(raw.decode("utf-8-sig"), object_pairs_hook=mapping)


def _yaml(raw: bytes, note: Note) -> Any:
    class Loader(BoundedLoader):
        def twins(self, node: yaml.MappingNode, key: str, count: int) -> None:
            note(f"line {node.start_mark.line + 1}: {_twins(key, count)}")

    check_depth(raw, _MAX_DEPTH)
    Loader.add_multi_constructor("!", _untagged)
    documents = yaml.load_all(raw, Loader=Loader)
    first = next(documents, None)
    if next(documents, None) is not None:
        note("it holds several documents; only the first one is read")
    return first


def _twins(key: str, count: int) -> str:
    return f"key {key[:80]!r} is there {count} times; the last one counts"


def _untagged(loader: Any, _tag: str, node: yaml.Node) -> Any:
    """A value under a tag of somebody's own, as if it had none."""
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def named(mapping: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Keys as text, with their values: YAML reads `200:` as a number and `on:` as true."""
    for key, value in mapping.items():
        yield (str(key).lower() if isinstance(key, bool) else str(key)), value


def field(mapping: Mapping[Any, Any], name: str) -> Any:
    """The value of a key, in whatever case it is written; None without it."""
    if name in mapping:
        return mapping[name]
    return next((value for key, value in named(mapping) if key.lower() == name.lower()), None)
