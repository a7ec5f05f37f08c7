"""What a port is to be told, read off the objects in the plainest way: no tables, nothing kept, and
none of the code that answers."""

from collections.abc import Iterator
from typing import Any, Final

from linkerd.stubs.proxy import grpc_route_pb2, http_route_pb2, meta_pb2
from linkerd.stubs.proxy import inbound_pb2 as pb
from services.policy.index.kinds import Kind
from tests.support.indexes.stored import Cluster
from tests.support.policy.inbound import CLUSTER_NETWORK
from tests.support.policy.inbound_model_parts import (
    ALL,
    AUTHENTICATED,
    DEFAULTS,
    account,
    age,
    anyone,
    authz,
    default_authorizations,
    default_http,
    is_identity,
    is_network,
    labels,
    meshed,
    ports,
    rate_limit,
    selected,
    told_protocol,
)

Query = tuple[str, str, bool, int]
"""Namespace, name, whether it is an ExternalWorkload, and port."""

_ROUTES: Final = {
    Kind.HTTP_ROUTE: ("policy.linkerd.io", "HTTPRoute"),
    Kind.GATEWAY_HTTP_ROUTE: ("gateway.networking.k8s.io", "HTTPRoute"),
    Kind.GRPC_ROUTE: ("gateway.networking.k8s.io", "GRPCRoute"),
}


def answer(cluster: Cluster, query: Query) -> bytes:
    """The message for a port of a workload that exists."""
    return _Model(cluster, query).server().SerializeToString(deterministic=True)


class _Model:
    def __init__(self, cluster: Cluster, query: Query) -> None:
        self.namespace, name, self.is_external, self.port = query
        self.cluster = cluster
        kind = Kind.EXTERNAL_WORKLOAD if self.is_external else Kind.POD
        (self.workload,) = [each for each in self.of(kind) if each.metadata.name == name]

    def of(self, kind: Kind) -> list[Any]:
        return self.every(kind, self.namespace)

    def every(self, kind: Kind, namespace: str) -> list[Any]:
        objects = self.cluster.stored[kind].objects.values()
        mine: list[Any] = [each for each in objects if each.metadata.namespace == namespace]
        return sorted(mine, key=lambda each: each.metadata.name)

    def server(self) -> pb.Server:
        claims = [each for each in self.of(Kind.SERVER) if self.is_claimed_by(each)]
        if not claims:
            return self.unclaimed()
        server = min(claims, key=age)
        return pb.Server(
            labels=labels("policy.linkerd.io", "server", server.metadata.name),
            authorizations=self.authorizations(server),
            protocol=self.protocol(server),
        )

    def is_claimed_by(self, server: Any) -> bool:
        spec = server.spec
        selector = spec.external_workload_selector if self.is_external else spec.pod_selector
        return (
            selector is not None
            and selected(selector, self.workload.metadata.labels)
            and self.port in self.numbers(spec.port)
        )

    def numbers(self, port: int | str) -> list[int]:
        if isinstance(port, int):
            return [port]
        if self.is_external:
            return [each.port for each in self.workload.spec.ports if each.name == port]
        return [
            each.container_port
            for container in self.containers()
            for each in container.ports
            if each.name == port and each.protocol == "TCP"
        ]

    def containers(self) -> list[Any]:
        if self.is_external:
            return []
        spec = self.workload.spec
        return [*spec.containers, *spec.init_containers]

    def unclaimed(self) -> pb.Server:
        annotations = self.workload.metadata.annotations
        policy = annotations.get("config.linkerd.io/default-inbound-policy")
        if policy not in DEFAULTS:
            policy = "all-unauthenticated"
        required = annotations.get("config.linkerd.io/proxy-require-identity-inbound-ports", "")
        if self.port in ports(required):
            policy = AUTHENTICATED.get(policy, policy)
        opaque = self.port in ports(annotations.get("config.linkerd.io/opaque-ports", ""))
        protocol = "opaque" if opaque else "unknown"
        return pb.Server(
            labels=labels("", "default", policy),
            authorizations=[*default_authorizations(policy)],
            protocol=told_protocol(protocol, default_http(self.probes()), [], None),
        )

    def probes(self) -> Iterator[str]:
        for container in self.containers():
            for probe in (
                container.liveness_probe,
                container.readiness_probe,
                container.startup_probe,
            ):
                get = probe.http_get if probe is not None else None
                if get is None:
                    continue
                named = [
                    port.container_port
                    for port in container.ports
                    if port.name == get.port and port.protocol == "TCP"
                ]
                if self.port in ([get.port] if isinstance(get.port, int) else named):
                    yield get.path.partition("?")[0] or "/"

    def authorizations(self, server: Any) -> Iterator[pb.Authz]:
        for each in self.of(Kind.SERVER_AUTHORIZATION):
            chosen = each.spec.server
            if chosen.name == server.metadata.name or (
                chosen.selector is not None and selected(chosen.selector, server.metadata.labels)
            ):
                yield from self.server_authorization(each)
        own = ("policy.linkerd.io", "server", server.metadata.name)
        yield from self.policies(own, ("", "namespace", self.namespace))
        access = server.spec.access_policy or "deny"
        yield from default_authorizations(access if access in DEFAULTS else "deny")

    def server_authorization(self, each: Any) -> Iterator[pb.Authz]:
        client, name = each.spec.client, each.metadata.name
        networks = [(block.cidr, block.except_) for block in client.networks or ()]
        if not all(is_network(cidr) and all(map(is_network, out)) for cidr, out in networks):
            return
        if client.unauthenticated and client.mesh_tls is not None:
            return
        if client.unauthenticated:
            authn = anyone()
        elif client.mesh_tls is None:
            return
        elif client.mesh_tls.unauthenticated_tls:
            if client.mesh_tls.identities or client.mesh_tls.service_accounts:
                return
            permit = pb.Authn.PermitMeshTLS(unauthenticated=pb.Authn.PermitUnauthenticated())
            authn = pb.Authn(meshTLS=permit)
        else:
            accounts = client.mesh_tls.service_accounts
            identities = [
                *client.mesh_tls.identities,
                *(account(one.name, one.namespace or self.namespace) for one in accounts),
            ]
            if not identities:
                return
            authn = meshed(identities)
        group, kind = "policy.linkerd.io", "serverauthorization"
        yield authz(group, kind, name, networks or [(CLUSTER_NETWORK, ())], authn)

    def policies(self, *targets: tuple[str, str, str]) -> Iterator[pb.Authz]:
        for policy in self.of(Kind.AUTHORIZATION_POLICY):
            target = policy.spec.target_ref
            group = "" if target.group == "core" else target.group.lower()
            if (group, target.kind.lower(), target.name) in targets:
                yield from self.policy(policy)

    def policy(self, policy: Any) -> Iterator[pb.Authz]:
        networks: list[Any] = [*ALL]
        authn = anyone()
        seen = []
        for reference in policy.spec.required_authentication_refs:
            namespace = reference.namespace or self.namespace
            seen.append("network" if reference.kind == "NetworkAuthentication" else "identity")
            if reference.kind == "ServiceAccount":
                authn = meshed([account(reference.name, namespace)])
                continue
            kinds = {
                "MeshTLSAuthentication": Kind.MESH_TLS_AUTHENTICATION,
                "NetworkAuthentication": Kind.NETWORK_AUTHENTICATION,
            }
            if reference.kind not in kinds:
                return
            found = [
                each.spec
                for each in self.every(kinds[reference.kind], namespace)
                if each.metadata.name == reference.name
            ]
            if not found:
                return
            if reference.kind == "MeshTLSAuthentication":
                if not all(map(is_identity, found[0].identities)):
                    return
                authn = meshed(found[0].identities)
            else:
                networks = [(block.cidr, block.except_) for block in found[0].networks]
                if not networks or not all(is_network(cidr) for cidr, _ in networks):
                    return
        if len(seen) != len(set(seen)):
            return
        name = policy.metadata.name
        yield authz("policy.linkerd.io", "authorizationpolicy", name, networks, authn)

    def protocol(self, server: Any) -> pb.ProxyProtocol:
        http = self.routes(server, Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE)
        grpc = self.routes(server, Kind.GRPC_ROUTE)
        protocol = server.spec.proxy_protocol
        return told_protocol(
            protocol,
            [self.http_route(*each) for each in http] or default_http(self.probes()),
            [self.grpc_route(*each) for each in grpc],
            self.limit(server),
        )

    def routes(self, server: Any, *kinds: Kind) -> list[tuple[Kind, Any]]:
        found = [(kind, route) for kind in kinds for route in self.of(kind)]
        mine = [each for each in found if self.is_attached(server.metadata.name, each[1])]
        return sorted(mine, key=lambda each: (*age(each[1]), *_ROUTES[each[0]]))

    def is_attached(self, server: str, route: Any) -> bool:
        named = [ref for ref in route.spec.parent_refs if ref.kind == "Server"]
        if any(ref.port or ref.section_name for ref in named):
            return False
        if any(ref.namespace not in (None, self.namespace) for ref in named):
            return False
        if any(
            filter_.type not in ("RequestHeaderModifier", "RequestRedirect")
            for rule in route.spec.rules
            for filter_ in rule.filters
        ):
            return False
        accepted = any(
            status.controller_name == "linkerd.io/policy-controller"
            and status.parent_ref.name == server
            and any(one.type == "Accepted" and one.status == "True" for one in status.conditions)
            for status in route.status.parents
        )
        return accepted and any(ref.name == server for ref in named)

    def http_route(self, kind: Kind, route: Any) -> pb.HttpRoute:
        message = pb.HttpRoute(**self.route(kind, route))
        for rule in route.spec.rules:
            told = message.rules.add()
            for match in rule.matches:
                told.matches.add(path=http_route_pb2.PathMatch(prefix=match.path.value))
            for filter_ in rule.filters:
                redirect = filter_.request_redirect
                if redirect is not None:
                    status = redirect.status_code or 302
                    told.filters.add().redirect.MergeFrom(
                        http_route_pb2.RequestRedirect(host=redirect.hostname, status=status)
                    )
        return message

    def grpc_route(self, kind: Kind, route: Any) -> pb.GrpcRoute:
        message = pb.GrpcRoute(**self.route(kind, route))
        for rule in route.spec.rules:
            told = message.rules.add()
            for match in rule.matches:
                told.matches.add(rpc=grpc_route_pb2.GrpcRpcMatch(service=match.method.service))
        return message

    def route(self, kind: Kind, route: Any) -> dict[str, Any]:
        group, name = _ROUTES[kind]
        target = (group, name.lower(), route.metadata.name)
        return {
            "metadata": meta_pb2.Metadata(
                resource=meta_pb2.Resource(group=group, kind=name, name=route.metadata.name)
            ),
            "hosts": [http_route_pb2.HostMatch(exact=host) for host in route.spec.hostnames],
            "authorizations": [*self.policies(target)],
        }

    def limit(self, server: Any) -> pb.HttpLocalRateLimit | None:
        target = ("Server", server.metadata.name)
        found = [
            each
            for each in self.of(Kind.RATE_LIMIT_POLICY)
            if (each.spec.target_ref.kind, each.spec.target_ref.name) == target
            and any(one.status == "True" for one in each.status.conditions)
        ]
        return rate_limit(min(found, key=age)) if found else None
