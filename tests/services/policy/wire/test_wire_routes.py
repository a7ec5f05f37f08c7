"""Parts of routes as messages, held to what proxies take."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkerd.policy.filters import FullPath, HeaderChanges, PrefixPath, Redirect
from linkerd.policy.hosts import ExactHost, HostMatch, HostSuffix
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind, PathMatch, ValueMatch
from services.policy.wire.routes import (
    duration_message,
    grpc_match_message,
    host_message,
    http_match_message,
    redirect_message,
    request_headers_message,
    response_headers_message,
)
from tests.support.policy.part_rules import (
    check_grpc_match,
    check_host,
    check_http_match,
    check_modifier,
    check_redirect,
    nanoseconds,
)

CHANGES = HeaderChanges(
    add=(("x-a", "1"), ("x-a", "2")), set=(("x-b", "\N{LATIN SMALL LETTER E WITH ACUTE}"),)
)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (ExactHost("pear.fruit.test"), 'exact: "pear.fruit.test"'),
        (
            HostSuffix(("test", "fruit")),
            'suffix { reverse_labels: "test" reverse_labels: "fruit" }',
        ),
    ],
)
def test_hosts(host: HostMatch, said: str) -> None:
    message = host_message(host)
    check_host(message)
    assert " ".join(str(message).split()) == said


@pytest.mark.parametrize(
    ("kind", "field"),
    [(PathKind.EXACT, "exact"), (PathKind.PREFIX, "prefix"), (PathKind.REGEX, "regex")],
)
def test_paths(kind: PathKind, field: str) -> None:
    message = http_match_message(HttpMatch(PathMatch(kind, "/a")))
    check_http_match(message)
    assert getattr(message.path, field) == "/a"


def test_all_that_a_request_is_matched_by() -> None:
    values = (ValueMatch("x-a", "\xe9"), ValueMatch("x-b", "a+", is_regex=True))
    message = http_match_message(HttpMatch(headers=values, queries=values, method="GET"))
    check_http_match(message)
    assert [header.WhichOneof("value") for header in message.headers] == ["exact", "regex"]
    assert message.headers[0].exact == b"\xc3\xa9"
    assert [query.WhichOneof("value") for query in message.query_params] == ["exact", "regex"]
    assert message.method.WhichOneof("type") == "registered"  # although GET is its zero
    other = http_match_message(HttpMatch(method="PURGE"))
    assert other.method.unregistered == "PURGE"
    assert http_match_message(HttpMatch()).SerializeToString() == b""


def test_a_match_of_any_call_has_an_empty_one() -> None:
    message = grpc_match_message(GrpcMatch())
    check_grpc_match(message)
    named = grpc_match_message(GrpcMatch("shop.Cart", "Add", (ValueMatch("x-a", "1"),)))
    check_grpc_match(named)
    assert (named.rpc.service, named.rpc.method) == ("shop.Cart", "Add")


def test_changes_of_headers_keep_their_order() -> None:
    for message in (request_headers_message(CHANGES), response_headers_message(CHANGES)):
        check_modifier(message)
        assert [(each.name, each.value) for each in message.add.headers] == [
            ("x-a", b"1"),
            ("x-a", b"2"),
        ]
    empty = request_headers_message(HeaderChanges(remove=("x-c",)))
    assert empty.HasField("add")
    assert empty.HasField("set")
    assert list(empty.remove) == ["x-c"]


def test_redirects() -> None:
    message = redirect_message(Redirect("https", "a.test", FullPath("/x"), 8443, 301))
    check_redirect(message)
    assert message.scheme.registered == 1
    assert (message.host, message.path.full, message.port, message.status) == (
        *("a.test", "/x", 8443, 301),
    )
    other = redirect_message(Redirect("ftp", path=PrefixPath("/y")))
    check_redirect(other)
    assert (other.scheme.unregistered, other.path.prefix, other.status) == ("ftp", "/y", 302)
    plain = redirect_message(Redirect(scheme="http"))
    assert plain.HasField("scheme")  # although HTTP is its zero
    assert not plain.HasField("path")


@given(st.timedeltas(timedelta(0), timedelta(days=3650)))
def test_durations_are_exact(duration: timedelta) -> None:
    told = nanoseconds(duration_message(duration), "it")
    assert told == duration // timedelta(microseconds=1) * 1000
