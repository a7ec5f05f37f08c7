"""What matches of routes say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.kube.objects import GRPCRouteMatch, HTTPRouteMatch
from linkerd.mesh.http_fields import is_token
from linkerd.mesh.patterns import MAX_SIZE, compiled_size
from linkerd.policy.errors import PolicyError
from linkerd.policy.matches import (
    GrpcMatch,
    HttpMatch,
    MatchJudge,
    PathKind,
    PathMatch,
    ValueMatch,
)

LARGE = r"\w{60}"
ENOUGH = MAX_SIZE // compiled_size(LARGE)
"""So many are all that a route may have."""


def http(match: dict[str, Any]) -> HttpMatch:
    return MatchJudge().http(msgspec.convert(match, HTTPRouteMatch), "match")


def grpc(match: dict[str, Any]) -> GrpcMatch:
    return MatchJudge().grpc(msgspec.convert(match, GRPCRouteMatch), "match")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ({"type": "Exact", "value": "/a"}, PathKind.EXACT),
        ({"type": "PathPrefix", "value": "/a"}, PathKind.PREFIX),
        ({"type": "RegularExpression", "value": "/a|b"}, PathKind.REGEX),
        ({"value": "/a"}, PathKind.PREFIX),
    ],
)
def test_paths(path: dict[str, str], kind: PathKind) -> None:
    assert http({"path": path}) == HttpMatch(path=PathMatch(kind, path["value"]))


def test_a_path_without_a_value_is_the_root() -> None:
    assert http({"path": {}}).path == PathMatch(PathKind.PREFIX, "/")


def test_a_match_that_says_nothing() -> None:
    assert http({}) == HttpMatch()
    assert grpc({}) == GrpcMatch()


@pytest.mark.parametrize("kind", ["Exact", "PathPrefix"])
@pytest.mark.parametrize("value", ["", "foo", "foo/", " /"])
def test_a19_a_path_that_does_not_begin_with_a_slash(kind: str, value: str) -> None:
    with pytest.raises(PolicyError, match=r'^match\.path\.value: must begin with "/"'):
        http({"path": {"type": kind, "value": value}})


@pytest.mark.parametrize(
    ("match", "field"),
    [
        ({"path": {"type": "RegularExpression", "value": "("}}, "match.path.value"),
        ({"path": {"type": "Glob", "value": "/*"}}, "match.path.type"),
        ({"headers": [{"name": "a b", "value": "x"}]}, "match.headers[0].name"),
        ({"headers": [{"name": "", "value": "x"}]}, "match.headers[0].name"),
        ({"headers": [{"name": "a", "value": "x\n"}]}, "match.headers[0].value"),
        (
            {
                "headers": [
                    {"name": "a"},
                    {"name": "b", "type": "RegularExpression", "value": "a**"},
                ]
            },
            "match.headers[1].value",
        ),
        ({"headers": [{"name": "a", "type": "Prefix"}]}, "match.headers[0].type"),
        (
            {"queryParams": [{"name": "q", "type": "RegularExpression", "value": "(?=a)"}]},
            "match.queryParams[0].value",
        ),
        ({"method": "GET /"}, "match.method"),
    ],
)
def test_what_proxies_cannot_be_told(match: dict[str, Any], field: str) -> None:
    with pytest.raises(PolicyError) as raised:
        http(match)
    assert raised.value.field == field


def test_headers_queries_and_methods() -> None:
    found = http(
        {
            "headers": [
                {"name": "X-Fruit", "value": "Pear"},
                {"name": "b", "type": "RegularExpression", "value": "p.*"},
            ],
            "queryParams": [{"name": "Q", "value": "\u00fc"}],
            "method": "PURGE",
        }
    )
    assert found == HttpMatch(
        headers=(ValueMatch("x-fruit", "Pear"), ValueMatch("b", "p.*", is_regex=True)),
        queries=(ValueMatch("Q", "\u00fc"),),
        method="PURGE",
    )


@given(st.text(max_size=5), st.text(max_size=5))
def test_a_header_is_one_that_http_has_or_an_error(name: str, value: str) -> None:
    match = {"headers": [{"name": name, "value": value}]}
    try:
        (header,) = http(match).headers
    except PolicyError as error:
        header = None
        assert error.field.startswith("match.headers[0].")  # noqa: PT017  # either way, checked
    if header is not None:
        assert is_token(header.name)
        assert header == ValueMatch(name.lower(), value)


@pytest.mark.parametrize(
    ("method", "service", "name"),
    [
        ({"service": "fruit.Trees", "method": "Shake"}, "fruit.Trees", "Shake"),
        ({"service": "fruit.Trees"}, "fruit.Trees", ""),
        ({"method": "Shake"}, "", "Shake"),
        ({}, "", ""),
    ],
)
def test_methods_of_grpc(method: dict[str, str], service: str, name: str) -> None:
    assert grpc({"method": method}) == GrpcMatch(service, name)


def test_grpc_with_headers_alone_takes_every_method() -> None:
    found = grpc({"headers": [{"name": "A", "value": "b"}]})
    assert found == GrpcMatch(headers=(ValueMatch("a", "b"),))


def test_a26_methods_of_grpc_are_compared_exactly() -> None:
    with pytest.raises(PolicyError) as raised:
        grpc({"method": {"type": "RegularExpression", "service": ".*"}})
    assert raised.value.field == "match.method.type"


def test_expressions_of_one_route_share_what_proxies_have_for_them() -> None:
    judge = MatchJudge()
    path = {"type": "RegularExpression", "value": LARGE}
    match = msgspec.convert({"path": path}, HTTPRouteMatch)
    for _ in range(ENOUGH):
        judge.http(match, "first")
    with pytest.raises(PolicyError, match=r"^more\.path\.value: is one too many for the route"):
        judge.http(match, "more")
    assert http({"path": path}).path is not None  # of another route
