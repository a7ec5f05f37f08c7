"""Protobuf messages as people and programs read them."""

import json
from typing import Any

import yaml
from google.protobuf.json_format import MessageToDict, ParseDict

from linkerd.stubs.proxy import net_pb2
from linkerd.wire.net import ip_text


def render(message: Any, output: str, *, one_line: bool = False) -> str:
    """A message as YAML or JSON, with addresses as people write them."""
    said = plain(message)
    if output == "json":
        return json.dumps(said, indent=None if one_line else 2)
    return yaml.safe_dump(said, sort_keys=False).rstrip()


def plain(message: Any) -> Any:
    """A message as JSON has it, with addresses as people write them."""
    return _readable(MessageToDict(message, preserving_proto_field_name=True))


def _readable(value: Any) -> Any:
    """Numbers that are addresses, as text."""
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("ipv4"), int) or isinstance(value.get("ipv6"), dict):
        return ip_text(ParseDict(value, net_pb2.IPAddress()))
    return {key: _readable(item) for key, item in value.items()}
