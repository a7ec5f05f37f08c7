"""JSON objects made from the Structs that read them, and from the schemas of our CRDs, so that no
field is forgotten: `from_struct` and `from_schema`.

They are well-formed (right types, required fields) and mean little: strings are drawn from `words`,
so that what they name may exist.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import yaml

CRDS: Final = Path(__file__).parents[2] / "deploy" / "base" / "crds"
GATEWAY_CRDS: Final = Path(__file__).parents[2] / "deploy" / "components" / "gateway-api"
NUMBERS: Final = [0, 1, 80, 3306, 4143, 8080, 65535, 65536, -1, 2**31 - 1, 2**63 - 1]
_MAX_ITEMS: Final = 3
_DEPTH: Final = 12  # of what refers to itself

_inspect: Final = cache(msgspec.inspect.type_info)


@dataclass(frozen=True)
class Maker:
    """Makes JSON values. `words` are strings that mean something somewhere."""

    random: Random
    words: Sequence[str]

    def from_struct(self, kind: type, depth: int = 0) -> Any:
        """What decodes into a Struct; fields that have a default may be left out."""
        return self._value(_inspect(kind), depth)

    def from_schema(self, schema: dict[str, Any], depth: int = 0) -> Any:
        """What an OpenAPI v3 schema, as in CRDs, describes."""
        random = self.random
        if options := [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
            merged = {k: v for k, v in schema.items() if k not in {"oneOf", "anyOf"}}
            schema = merged | random.choice(options)
        if "enum" in schema:
            return random.choice(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return [self.from_schema(schema["items"], depth + 1) for _ in self._few(depth)]
            case "string":
                return random.choice(self.words)
            case "boolean":
                return random.random() < 0.5
            case "integer" | "number":
                return random.choice(NUMBERS)
        return random.choice([*self.words, *NUMBERS])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        fields, required = schema.get("properties", {}), schema.get("required", ())
        made = {
            name: self.from_schema(inner, depth + 1)
            for name, inner in fields.items()
            if name in required or self._given(depth)
        }
        if isinstance(others := schema.get("additionalProperties"), dict):
            made |= {
                self.random.choice(self.words): self.from_schema(others, depth + 1)
                for _ in self._few(depth)
            }
        return made

    def _value(self, info: msgspec.inspect.Type, depth: int) -> Any:
        random = self.random
        match info:
            case msgspec.inspect.Metadata(type=inner):
                return self._value(inner, depth)
            case msgspec.inspect.StructType(fields=fields):
                return {
                    field.encode_name: self._value(field.type, depth + 1)
                    for field in fields
                    if field.required or self._given(depth)
                }
            case msgspec.inspect.UnionType(types=types):
                return self._value(random.choice(types), depth)
            case msgspec.inspect.VarTupleType(item_type=item):
                return [self._value(item, depth + 1) for _ in self._few(depth)]
            case msgspec.inspect.DictType(value_type=value):
                return {random.choice(self.words): self._value(value, depth + 1) for _ in "12"}
        return self._plain(info)

    def _plain(self, info: msgspec.inspect.Type) -> Any:
        random = self.random
        match info:
            case msgspec.inspect.StrType():
                return random.choice(self.words)
            case msgspec.inspect.BytesType():
                return b64encode(random.choice(self.words).encode()).decode()
            case msgspec.inspect.BoolType():
                return random.random() < 0.5
            case msgspec.inspect.IntType():
                return random.choice(NUMBERS)
            case msgspec.inspect.FloatType():
                return random.choice([*NUMBERS, 0.2, -0.5, 1e300])
            case msgspec.inspect.NoneType():
                return None
        raise TypeError(f"{info}: the maker does not know it")

    def _given(self, depth: int) -> bool:
        return depth < _DEPTH and self.random.random() < 0.7

    def _few(self, depth: int) -> range:
        return range(self.random.randrange(_MAX_ITEMS + 1) if depth < _DEPTH else 0)


@cache
def crd_schema(name: str, version: str, folder: Path = CRDS) -> dict[str, Any]:
    """The schema of one of our CRDs: its file's name without the suffix, and a version. Raises
    LookupError."""
    document = yaml.safe_load((folder / f"{name}.yaml").read_text())
    for served in document["spec"]["versions"]:
        if served["name"] == version:
            schema: dict[str, Any] = served["schema"]["openAPIV3Schema"]
            return schema
    raise LookupError(f"{name} has no version {version}")
