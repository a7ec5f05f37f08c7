"""Ports that proxies accept connections on, as messages."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from linkerd.policy.authorizations import AnyTls, Authentication, MeshTls, Unauthenticated
from linkerd.policy.filters import Filter, Redirect, RequestHeaders
from linkerd.policy.identities import Identity, IdentityMatch, IdentitySuffix
from linkerd.policy.networks import IPBlock, Network
from linkerd.policy.servers import ProxyProtocol
from linkerd.stubs.proxy import inbound_pb2 as pb
from linkerd.stubs.proxy import meta_pb2, net_pb2
from linkerd.wire.net import ip_message
from linkerd.wire.splice import submessage
from services.policy.model.inbound import (
    Authz,
    GrpcRoute,
    GrpcRule,
    HttpRoute,
    HttpRule,
    Limits,
    Origin,
    Port,
)
from services.policy.wire.routes import (
    grpc_match_message,
    host_message,
    http_match_message,
    redirect_message,
    request_headers_message,
)

_PROTOCOL: Final = 1  # the field of a Server
_DETECTION: Final = Duration(seconds=10)


def encode_port(port: Port) -> bytes:
    """The message of a port, put together from its routes, each of which is encoded once."""
    protocol = submessage(_PROTOCOL, _protocol(port))
    rest = pb.Server(authorizations=map(_authz, port.authorizations), labels=_labels(port.origin))
    return protocol + rest.SerializeToString(deterministic=True)


def _protocol(port: Port) -> bytes:
    match port.protocol:
        case ProxyProtocol.UNKNOWN:
            timeout = pb.ProxyProtocol.Detect(timeout=_DETECTION).SerializeToString()
            return submessage(1, timeout, *_http(port, routes=3, limits=4))
        case ProxyProtocol.OPAQUE:
            return submessage(2)
        case ProxyProtocol.TLS:
            return submessage(3)
        case ProxyProtocol.HTTP_1:
            return submessage(4, *_http(port, routes=2, limits=3))
        case ProxyProtocol.HTTP_2:
            return submessage(5, *_http(port, routes=2, limits=3))
        case ProxyProtocol.GRPC:
            return submessage(6, *(submessage(2, _grpc_route(each)) for each in port.grpc_routes))


def _http(port: Port, *, routes: int, limits: int) -> Iterator[bytes]:
    """What a protocol of HTTP says, in fields of these numbers."""
    for route in port.http_routes:
        yield submessage(routes, _http_route(route))
    if port.limits is not None:
        yield submessage(limits, _plain(_limits(port.limits)))


def _plain(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


def _http_route(route: HttpRoute) -> bytes:
    if not route.memo:
        message = pb.HttpRoute(
            metadata=_metadata(route.origin),
            hosts=map(host_message, route.hosts),
            authorizations=map(_authz, route.authorizations),
            rules=map(_http_rule, route.rules),
        )
        route.memo.append(_plain(message))
    return route.memo[0]


def _http_rule(rule: HttpRule) -> pb.HttpRoute.Rule:
    return pb.HttpRoute.Rule(
        matches=map(http_match_message, rule.matches), filters=map(_http_filter, rule.filters)
    )


def _http_filter(filter_: Filter) -> pb.HttpRoute.Filter:
    match filter_:
        case RequestHeaders(changes):
            modifier = request_headers_message(changes)
            return pb.HttpRoute.Filter(request_header_modifier=modifier)
        case Redirect():
            return pb.HttpRoute.Filter(redirect=redirect_message(filter_))
    raise TypeError(f"proxies of servers have no {type(filter_).__name__}")


def _grpc_route(route: GrpcRoute) -> bytes:
    if not route.memo:
        message = pb.GrpcRoute(
            metadata=_metadata(route.origin),
            hosts=map(host_message, route.hosts),
            authorizations=map(_authz, route.authorizations),
            rules=map(_grpc_rule, route.rules),
        )
        route.memo.append(_plain(message))
    return route.memo[0]


def _grpc_rule(rule: GrpcRule) -> pb.GrpcRoute.Rule:
    return pb.GrpcRoute.Rule(
        matches=map(grpc_match_message, rule.matches), filters=map(_grpc_filter, rule.filters)
    )


def _grpc_filter(filter_: Filter) -> pb.GrpcRoute.Filter:
    if not isinstance(filter_, RequestHeaders):
        raise TypeError(f"calls have no {type(filter_).__name__}")
    modifier = request_headers_message(filter_.changes)
    return pb.GrpcRoute.Filter(request_header_modifier=modifier)


def _authz(authz: Authz) -> pb.Authz:
    return pb.Authz(
        networks=map(_network, authz.authorization.networks),
        authentication=_authentication(authz.authorization.authentication),
        labels=_labels(authz.origin),
        metadata=_metadata(authz.origin),
    )


def _authentication(authentication: Authentication) -> pb.Authn:
    match authentication:
        case Unauthenticated():
            return pb.Authn(unauthenticated=pb.Authn.PermitUnauthenticated())
        case AnyTls():
            anyone = pb.Authn.PermitUnauthenticated()
            return pb.Authn(meshTLS=pb.Authn.PermitMeshTLS(unauthenticated=anyone))
        case MeshTls(identities):
            clients = _identities(identities)
            return pb.Authn(meshTLS=pb.Authn.PermitMeshTLS(identities=clients))


def _identities(
    identities: Iterable[IdentityMatch],
) -> pb.Authn.PermitMeshTLS.PermitClientIdentities:
    message = pb.Authn.PermitMeshTLS.PermitClientIdentities()
    for identity in identities:
        match identity:
            case Identity(name):
                message.identities.add(name=name)
            case IdentitySuffix(labels):
                message.suffixes.add(parts=labels)
    return message


@lru_cache(1_000)
def _network(network: Network) -> pb.Network:
    return pb.Network(net=_block(network.block), **{"except": map(_block, network.excluded)})


def _block(block: IPBlock) -> net_pb2.IPNetwork:
    return net_pb2.IPNetwork(ip=ip_message(str(block.network_address)), prefix_len=block.prefixlen)


def _limits(limits: Limits) -> pb.HttpLocalRateLimit:
    rates = limits.rates
    return pb.HttpLocalRateLimit(
        metadata=_metadata(limits.origin),
        total=_limit(rates.total),
        identity=_limit(rates.identity),
        overrides=[
            pb.HttpLocalRateLimit.Override(
                limit=_limit(override.limit),
                clients=pb.HttpLocalRateLimit.Override.ClientIdentities(
                    identities=[pb.Identity(name=client.name) for client in override.clients]
                ),
            )
            for override in rates.overrides
        ],
    )


def _limit(rate: int | None) -> pb.HttpLocalRateLimit.Limit | None:
    return None if rate is None else pb.HttpLocalRateLimit.Limit(requestsPerSecond=rate)


def _labels(origin: Origin) -> dict[str, str]:
    return {"group": origin.group, "kind": origin.kind, "name": origin.name}


def _metadata(origin: Origin) -> meta_pb2.Metadata:
    if origin.is_default:
        return meta_pb2.Metadata(default=origin.name)
    resource = meta_pb2.Resource(group=origin.group, kind=origin.kind, name=origin.name)
    return meta_pb2.Metadata(resource=resource)
