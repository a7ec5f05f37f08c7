"""Routes made from their schemas, and spoiled: each is what a proxy can be told, or an error that
names a field of it.

More of them: `HISTORIES=20000 pytest tests/linkerd/policy/test_any_route.py`.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
import pytest
import re2

from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.objects import (
    GRPCRoute,
    HTTPRoute,
    KubeObject,
    ParentReference,
    TCPRoute,
    TLSRoute,
)
from linkerd.mesh.http_fields import is_field_value, is_token
from linkerd.policy.backends import Backend
from linkerd.policy.connection_routes import judge_tcp_route, judge_tls_route
from linkerd.policy.errors import PolicyError
from linkerd.policy.filters import Filter, Redirect
from linkerd.policy.grpc_routes import judge_grpc_route
from linkerd.policy.http_routes import judge_http_route
from linkerd.policy.matches import GrpcMatch, HttpMatch, PathKind
from linkerd.policy.references import GATEWAY_HTTP_ROUTE, LINKERD_HTTP_ROUTE
from linkerd.policy.route_admission import (
    check_grpc_route,
    check_http_route,
    check_tcp_route,
    check_tls_route,
)
from linkerd.policy.routes import ConnectionRule, Route
from tests.support.generated import CRDS, GATEWAY_CRDS, Maker, crd_schema
from tests.support.spoiling import spoil

EXAMPLES: Final = int(os.environ.get("HISTORIES", "150"))
FIELD: Final = re.compile(r"spec(\.[a-zA-Z]+(\[\d+\])?)+|metadata\.annotations\[[a-z./-]+\]")
WORDS: Final = [
    *("/", "/a", "/a/b", "pear", "pear.test", "*.fruit.test", "orchard", "Service", "Server", ""),
    *("core", "policy.linkerd.io", "Exact", "PathPrefix", "/a(b|c)*", "RegularExpression", "GET"),
    *("1s", "250ms", "1h30m", "RequestHeaderModifier", "RequestRedirect", "ReplaceFullPath"),
    *("ResponseHeaderModifier", "URLRewrite", "Accepted", "True", "EgressNetwork", "x-fruit"),
    *("retry.linkerd.io/http", "retry.linkerd.io/grpc", "timeout.linkerd.io/request", "5xx"),
    *("internal", "ReplacePrefixMatch", "2026-01-31T00:00:00Z", "a b"),
]


SERVICE: Final = ParentReference("pear", kind="Service")


class Kind(NamedTuple):
    """How routes of a kind are made and judged."""

    struct: type[KubeObject]
    judge: Callable[[Any], Route[Any]]
    check: Callable[[Any], None]
    schema: tuple[str, str, Path]


KINDS: Final = {
    "linkerd": Kind(
        HTTPRoute,
        partial(judge_http_route, kind=LINKERD_HTTP_ROUTE),
        partial(check_http_route, kind=LINKERD_HTTP_ROUTE),
        ("httproutes", "v1beta3", CRDS),
    ),
    "http": Kind(
        HTTPRoute,
        partial(judge_http_route, kind=GATEWAY_HTTP_ROUTE),
        partial(check_http_route, kind=GATEWAY_HTTP_ROUTE),
        ("httproutes", "v1", GATEWAY_CRDS),
    ),
    "grpc": Kind(GRPCRoute, judge_grpc_route, check_grpc_route, ("grpcroutes", "v1", GATEWAY_CRDS)),
    "tls": Kind(
        TLSRoute, judge_tls_route, check_tls_route, ("tlsroutes", "v1alpha2", GATEWAY_CRDS)
    ),
    "tcp": Kind(
        TCPRoute, judge_tcp_route, check_tcp_route, ("tcproutes", "v1alpha2", GATEWAY_CRDS)
    ),
}


def document(kind: Kind, maker: Maker) -> dict[str, Any]:
    """An object, of the schema or of the Struct, which knows no enums."""
    made = (
        maker.from_schema(crd_schema(*kind.schema))
        if maker.random.random() < 0.5
        else maker.from_struct(kind.struct)
    )
    names = {maker.random.choice(WORDS): maker.random.choice(WORDS) for _ in "12"}
    return {**made, "metadata": {"annotations": names}}


def routes(name: str) -> Iterator[Any]:
    """Such as decode, good and bad."""
    kind, random = KINDS[name], Random(name)
    decoder = ObjectDecoder(kind.struct)
    for _ in range(EXAMPLES):
        made = document(kind, Maker(random, WORDS))
        for each in (made, spoil(made, random)):
            metadata = {**as_mapping(each.get("metadata")), "name": "pear", "namespace": "orchard"}
            item = decoder.decode(msgspec.json.encode({**each, "metadata": metadata}))
            if not isinstance(item, Malformed):
                yield item


def as_mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


@pytest.mark.parametrize("name", KINDS)
def test_any_route_can_be_told_or_says_what_is_wrong(name: str) -> None:
    kind, told = KINDS[name], Counter[bool]()
    for item in routes(name):
        try:
            route = kind.judge(item)
        except PolicyError as error:
            assert FIELD.fullmatch(error.field), error  # noqa: PT017  # one of two good outcomes
            told[False] += 1
        else:
            sound(route)
            assert kind.judge(item) == route
            told[True] += 1
    assert min(told[True], told[False]) > EXAMPLES // 50, told


@pytest.mark.parametrize("name", KINDS)
def test_what_may_be_stored_can_be_told(name: str) -> None:
    kind, stored = KINDS[name], 0
    for item in routes(name):
        meshed = attached(item)
        try:
            kind.check(meshed)
        except PolicyError as error:
            assert FIELD.fullmatch(error.field), error  # noqa: PT017  # one of two good outcomes
            continue
        sound(kind.judge(meshed))
        stored += 1
    assert stored


def attached(route: Any) -> Any:
    """The same, of a Service."""
    spec = msgspec.structs.replace(route.spec, parent_refs=(SERVICE, *route.spec.parent_refs))
    return msgspec.structs.replace(route, spec=spec)


def sound(route: Route[Any]) -> None:
    """Asserts that a proxy takes it."""
    assert isinstance(hash(route), int)
    for rule in route.rules:
        for backend in rule.backends:
            sound_backend(backend)
        if not isinstance(rule, ConnectionRule):
            sound_filters(rule.filters)
            for match in rule.matches:
                sound_match(match)
        timeout = getattr(rule, "request_timeout", None)
        assert timeout is None or timeout > timedelta(0)


def sound_backend(backend: Backend) -> None:
    assert backend.port is None or 0 < backend.port < 2**16
    assert 0 <= backend.weight <= 1_000_000
    assert backend.namespace
    assert backend.name
    sound_filters(backend.filters)


def sound_match(match: HttpMatch | GrpcMatch) -> None:
    for header in match.headers:
        assert is_token(header.name)
        assert header.name == header.name.lower()
        assert header.is_regex or is_field_value(header.value)
    if isinstance(match, HttpMatch):
        assert not match.method or is_token(match.method)
        for value in (*match.headers, *match.queries):
            assert not value.is_regex or re2.compile(value.value)
        if match.path is not None and match.path.kind is not PathKind.REGEX:
            assert match.path.value.startswith("/")


def sound_filters(filters: tuple[Filter, ...]) -> None:
    for each in filters:
        if isinstance(each, Redirect):
            assert 300 <= each.status < 400
            assert 0 <= each.port < 2**16
            assert each.path is None or each.path.path.startswith("/")
            continue
        for name, value in (*each.changes.add, *each.changes.set):
            assert is_token(name)
            assert is_field_value(value)
        assert all(map(is_token, each.changes.remove))
