"""One malformed object spoils only itself, whatever is wrong with it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.decode import Malformed, ObjectDecoder, decode_line, decode_page, decode_version
from linkerd.kube.errors import ProtocolError
from linkerd.kube.objects import EndpointSlice, Key, ServiceProfile
from services.destination.pods import Pod

_META = {"name": "a", "namespace": "ns", "resourceVersion": "7"}


def _pod(**fields: Any) -> bytes:
    return json.dumps({"kind": "Pod", "metadata": _META, **fields}).encode()


def _deep(levels: int) -> str:
    return '{"not":' * levels + '{"method":"GET"}' + "}" * levels


def test_nulls_are_read_as_absent() -> None:
    raw = json.dumps({"metadata": {**_META, "labels": None}, "endpoints": None, "ports": None})
    item = ObjectDecoder(EndpointSlice).decode(raw.encode())
    assert isinstance(item, EndpointSlice)
    assert item.endpoints == ()
    assert item.ports == ()
    assert item.metadata.labels == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": "banana"},
        {"spec": {"containers": [{"name": 5}]}},
        {"spec": {"containers": [None]}},
        {"status": {"podIPs": [{"ip": {}}]}},
        {"status": []},
    ],
)
def test_a_malformed_object_still_says_who_it_is(fields: dict[str, Any]) -> None:
    item = ObjectDecoder(Pod).decode(_pod(**fields))
    assert isinstance(item, Malformed)
    assert item.key == Key("ns", "a")
    assert item.version == "7"
    assert "Expected" in item.problem


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"metadata":{"name":3}}'])
def test_an_object_without_a_name_has_no_key(raw: bytes) -> None:
    item = ObjectDecoder(Pod).decode(raw)
    assert isinstance(item, Malformed)
    assert item.key is None


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    ObjectDecoder(Pod).decode(raw)


def test_a_deep_object_does_not_spoil_its_page() -> None:
    good = json.dumps({"metadata": {"name": "good", "namespace": "ns"}})
    route = '{"name":"r","condition":' + _deep(5000) + "}"
    meta = json.dumps({"name": "deep", "namespace": "ns", "resourceVersion": "9"})
    deep = '{"metadata":' + meta + ',"spec":{"routes":[' + route + "]}}"
    body = '{"metadata":{"resourceVersion":"5"},"items":[' + good + "," + deep + "]}"
    page = decode_page(body.encode())
    decoder = ObjectDecoder(ServiceProfile)
    first, second = (decoder.decode(raw) for raw in page.items or [])
    assert isinstance(first, ServiceProfile)
    assert isinstance(second, Malformed)
    assert second.key == Key("ns", "deep")
    alone = decoder.decode(deep.encode())
    assert isinstance(alone, Malformed)
    assert alone.version == "9"


def test_depth_in_a_part_that_nobody_reads_is_no_harm() -> None:
    raw = '{"metadata":{"name":"a","namespace":"ns"},"extra":' + _deep(5000) + "}"
    assert isinstance(ObjectDecoder(ServiceProfile).decode(raw.encode()), ServiceProfile)


def test_envelopes() -> None:
    page = decode_page(b'{"metadata":{"resourceVersion":"5","continue":"t"},"items":null}')
    assert (page.metadata.resource_version, page.metadata.continue_) == ("5", "t")
    assert page.items is None
    line = decode_line(b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"6"}}}')
    assert line.type == "BOOKMARK"
    assert decode_version(line.object) == "6"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"items":[]}', b'{"type":"ADDED"'])
def test_what_is_no_envelope_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_page(body)
    with pytest.raises(ProtocolError):
        decode_line(body)
