"""Parts of the messages that the model of ports is made of, in the plainest way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration

from linkerd.stubs.proxy import grpc_route_pb2, http_route_pb2, http_types_pb2, meta_pb2, net_pb2
from linkerd.stubs.proxy import inbound_pb2 as pb
from tests.support.policy.inbound import CLUSTER_NETWORK, PROBE_NETWORK

ALL: Final = ("0.0.0.0/0", "::/0")
DEFAULTS: Final[Mapping[str, Any]] = {
    "all-unauthenticated": (ALL, False),
    "all-authenticated": (ALL, True),
    "cluster-unauthenticated": ((CLUSTER_NETWORK,), False),
    "cluster-authenticated": ((CLUSTER_NETWORK,), True),
    "audit": (ALL, False),
    "deny": None,
}

AUTHENTICATED: Final = {
    "all-unauthenticated": "all-authenticated",
    "cluster-unauthenticated": "cluster-authenticated",
}


def age(item: Any) -> tuple[str, str]:
    return (item.metadata.creation_timestamp or "9", item.metadata.name)


def selected(selector: Any, known: Mapping[str, str]) -> bool:
    wanted = all(known.get(key) == value for key, value in selector.match_labels.items())
    for expression in selector.match_expressions:
        value = known.get(expression.key)
        if expression.operator == "In":
            wanted = wanted and value in (expression.values or ())
        elif expression.operator == "NotIn":
            wanted = wanted and expression.values is not None and value not in expression.values
        else:
            wanted = wanted and expression.values is None and value is not None
    return wanted


def ports(text: str) -> Sequence[int]:
    if not text.replace("-", "").replace(",", "").isdigit():
        return []
    ends = [part.split("-") for part in text.split(",")]
    return [port for end in ends for port in range(int(end[0]), int(end[-1]) + 1)]


def is_network(cidr: str) -> bool:
    return "nonsense" not in cidr


def is_identity(identity: str) -> bool:
    return "!" not in identity


def account(name: str, namespace: str) -> str:
    return f"{name}.{namespace}.serviceaccount.identity.linkerd.cluster.local"


def anyone() -> pb.Authn:
    return pb.Authn(unauthenticated=pb.Authn.PermitUnauthenticated())


def meshed(identities: Iterable[str]) -> pb.Authn:
    message = pb.Authn()
    clients = message.meshTLS.identities
    clients.SetInParent()
    for identity in identities:
        if identity == "*":
            clients.suffixes.add()
        elif identity.startswith("*."):
            clients.suffixes.add(parts=identity.split(".")[1:])
        else:
            clients.identities.add(name=identity)
    return message


def labels(group: str, kind: str, name: str) -> dict[str, str]:
    return {"group": group, "kind": kind, "name": name}


def authz(group: str, kind: str, name: str, networks: Iterable[Any], authn: pb.Authn) -> pb.Authz:
    metadata = meta_pb2.Metadata(default=name)
    if group:
        resource = meta_pb2.Resource(group=group, kind=kind, name=name)
        metadata = meta_pb2.Metadata(resource=resource)
    told = [(each, ()) if isinstance(each, str) else each for each in networks]
    return pb.Authz(
        networks=[network(cidr, out) for cidr, out in told],
        authentication=authn,
        labels=labels(group, kind, name),
        metadata=metadata,
    )


def network(cidr: str, out: Iterable[str]) -> pb.Network:
    message = pb.Network(net=block(cidr))
    getattr(message, "except").extend(map(block, out))
    return message


def block(cidr: str) -> net_pb2.IPNetwork:
    parsed = ip_network(cidr)
    number = int(parsed.network_address)
    if parsed.version == 4:
        return net_pb2.IPNetwork(ip=net_pb2.IPAddress(ipv4=number), prefix_len=parsed.prefixlen)
    halves = net_pb2.IPv6(first=number >> 64, last=number & (1 << 64) - 1)
    return net_pb2.IPNetwork(ip=net_pb2.IPAddress(ipv6=halves), prefix_len=parsed.prefixlen)


def default_authorizations(policy: str) -> Iterator[pb.Authz]:
    found = DEFAULTS[policy]
    if found is not None:
        networks, authenticated = found
        yield authz("", "default", policy, networks, meshed("*") if authenticated else anyone())


def default_http(paths: Iterable[str]) -> list[pb.HttpRoute]:
    anything = http_route_pb2.HttpRouteMatch(path=http_route_pb2.PathMatch(prefix="/"))
    rule = pb.HttpRoute.Rule(matches=[anything])
    routes = [pb.HttpRoute(metadata=meta_pb2.Metadata(default="default"), rules=[rule])]
    get = http_types_pb2.HttpMethod(registered=http_types_pb2.HttpMethod.GET)
    matches = [
        http_route_pb2.HttpRouteMatch(path=http_route_pb2.PathMatch(exact=path), method=get)
        for path in sorted(set(paths))
    ]
    if not matches:
        return routes
    probe = pb.HttpRoute(
        metadata=meta_pb2.Metadata(default="probe"),
        authorizations=[authz("", "default", "probe", [PROBE_NETWORK], anyone())],
        rules=[pb.HttpRoute.Rule(matches=matches)],
    )
    return [*routes, probe]


def told_protocol(
    protocol: str,
    http: list[pb.HttpRoute],
    grpc: list[pb.GrpcRoute],
    limit: pb.HttpLocalRateLimit | None,
) -> pb.ProxyProtocol:
    message = pb.ProxyProtocol()
    if protocol == "opaque":
        message.opaque.SetInParent()
    elif protocol == "TLS":
        message.tls.SetInParent()
    elif protocol == "gRPC":
        any_call = grpc_route_pb2.GrpcRouteMatch(rpc=grpc_route_pb2.GrpcRpcMatch())
        rule = pb.GrpcRoute.Rule(matches=[any_call])
        metadata = meta_pb2.Metadata(default="default")
        message.grpc.routes.extend(grpc or [pb.GrpcRoute(metadata=metadata, rules=[rule])])
    elif protocol == "HTTP/1":
        message.http1.MergeFrom(pb.ProxyProtocol.Http1(routes=http, local_rate_limit=limit))
    elif protocol == "HTTP/2":
        message.http2.MergeFrom(pb.ProxyProtocol.Http2(routes=http, local_rate_limit=limit))
    else:
        message.detect.MergeFrom(
            pb.ProxyProtocol.Detect(
                timeout=Duration(seconds=10), http_routes=http, http_local_rate_limit=limit
            )
        )
    return message


def rate_limit(limit: Any) -> pb.HttpLocalRateLimit:
    message = pb.HttpLocalRateLimit()
    message.metadata.resource.group = "policy.linkerd.io"
    message.metadata.resource.kind = "HTTPLocalRateLimitPolicy"
    message.metadata.resource.name = limit.metadata.name
    message.total.requestsPerSecond = limit.spec.total.requests_per_second
    return message
