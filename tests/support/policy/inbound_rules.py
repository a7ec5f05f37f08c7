"""Whether a proxy takes a Server of the inbound API. One that breaks a rule is replaced as a whole
by one that refuses all clients."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from linkerd.stubs.proxy import inbound_pb2 as pb
from tests.support.policy.part_rules import (
    check_grpc_failure,
    check_grpc_match,
    check_host,
    check_http_failure,
    check_http_match,
    check_metadata,
    check_modifier,
    check_network,
    check_redirect,
    nanoseconds,
)
from tests.support.rules import check_labels, is_proxy_name, require

_LABELS: Final = {"group", "kind", "name"}
_SPIFFE: Final = re.compile(r"spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)*", re.ASCII)


def check_server(server: pb.Server) -> None:
    """Raises RuleError, which says the rule that is broken."""
    _check_names(server.labels)
    require(server.HasField("protocol"), "a server has a protocol")
    for item in server.authorizations:
        check_authorization(item)
    protocol = server.protocol
    match protocol.WhichOneof("kind"):
        case "detect":
            require(protocol.detect.HasField("timeout"), "detect has timeout")
            require(nanoseconds(protocol.detect.timeout, "detection"), "detection takes a while")
            _check_http(protocol.detect.http_routes)
            if protocol.detect.HasField("http_local_rate_limit"):
                _check_rate_limit(protocol.detect.http_local_rate_limit)
        case "http1" | "http2" as kind:
            http: pb.ProxyProtocol.Http1 | pb.ProxyProtocol.Http2 = getattr(protocol, kind)
            _check_http(http.routes)
            if http.HasField("local_rate_limit"):
                _check_rate_limit(http.local_rate_limit)
        case "grpc":
            _check_grpc(protocol.grpc)
        case "opaque" | "tls":
            pass
        case _:
            require(False, "a protocol has a kind")


def _check_names(labels: Mapping[str, str]) -> None:
    require(labels.keys() == _LABELS, "labels are group, kind and name")
    require(labels["name"] and labels["kind"], "labels have values")
    require(bool(labels["group"]) or labels["kind"] == "default", "only defaults have no group")
    check_labels(labels, "labels")


def check_authorization(item: pb.Authz) -> None:
    """Clients that are let in. Raises RuleError."""
    require(item.networks, "an authorization has networks")
    for network in item.networks:
        require(network.HasField("net"), "a network has a net")
        check_network(network.net)
        for part in getattr(network, "except"):
            check_network(part)
    check_metadata(item.metadata, namespaced=False)
    _check_names(item.labels)
    _check_same(item)
    permit = item.authentication.WhichOneof("permit")
    require(permit, "an authorization permits something")
    if permit == "meshTLS":
        _check_clients(item.authentication.meshTLS)


def _check_same(item: pb.Authz) -> None:
    """Labels say what metadata says: metrics of one object have one name."""
    labels = item.labels["group"], item.labels["kind"], item.labels["name"]
    if item.metadata.WhichOneof("kind") == "default":
        require(labels == ("", "default", item.metadata.default), "labels are those of metadata")
    else:
        known = item.metadata.resource
        said = known.group, known.kind, known.name
        require(labels == said, "labels are those of metadata")


def _check_clients(permit: pb.Authn.PermitMeshTLS) -> None:
    kind = permit.WhichOneof("clients")
    require(kind, "mesh TLS says which clients")
    if kind != "identities":
        return
    known = permit.identities
    require(known.identities or known.suffixes, "some client is named")
    for identity in known.identities:
        check_identity(identity)
    for suffix in known.suffixes:
        require(all(suffix.parts), "parts of a suffix are not empty")


def check_identity(identity: pb.Identity) -> None:
    """The name of a client."""
    uri = identity.name
    is_spiffe = _SPIFFE.fullmatch(uri) and urlsplit(uri).netloc
    require(is_spiffe or is_proxy_name(uri), "an identity is a DNS name or a SPIFFE id")


def _check_rate_limit(limit: pb.HttpLocalRateLimit) -> None:
    check_metadata(limit.metadata, namespaced=False)
    for name in ("total", "identity"):
        if limit.HasField(name):
            require(getattr(limit, name).requestsPerSecond, "a limit lets some request pass")
    for override in limit.overrides:
        require(override.HasField("limit"), "an override has a limit")
        require(override.limit.requestsPerSecond, "a limit lets some request pass")
        require(override.clients.identities, "an override is for somebody")
        for identity in override.clients.identities:
            check_identity(identity)


def _check_http(routes: Iterable[pb.HttpRoute]) -> None:
    for route in routes:
        _check_route(route)
        for rule in route.rules:
            for match in rule.matches:
                check_http_match(match)
            for item in rule.filters:
                check_http_filter(item)


def check_http_filter(item: pb.HttpRoute.Filter) -> None:
    """A filter of HTTP routes."""
    match item.WhichOneof("kind"):
        case "failure_injector":
            check_http_failure(item.failure_injector)
        case "request_header_modifier":
            check_modifier(item.request_header_modifier)
        case "redirect":
            check_redirect(item.redirect)
        case _:
            require(False, "a filter has a kind")


def _check_grpc(protocol: pb.ProxyProtocol.Grpc) -> None:
    for route in protocol.routes:
        _check_route(route)
        for rule in route.rules:
            for match in rule.matches:
                check_grpc_match(match)
            for item in rule.filters:
                check_grpc_filter(item)


def check_grpc_filter(item: pb.GrpcRoute.Filter) -> None:
    """A filter of gRPC routes."""
    match item.WhichOneof("kind"):
        case "failure_injector":
            check_grpc_failure(item.failure_injector)
        case "request_header_modifier":
            check_modifier(item.request_header_modifier)
        case _:
            require(False, "a filter has a kind")


def _check_route(route: pb.HttpRoute | pb.GrpcRoute) -> None:
    check_metadata(route.metadata, namespaced=False)
    for host in route.hosts:
        check_host(host)
    for item in route.authorizations:
        check_authorization(item)
