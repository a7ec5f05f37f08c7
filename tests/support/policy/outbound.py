"""A cluster, and what proxies of clients are told of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc

from linkerd.kube.objects import Key
from linkerd.streams import StreamEnd, Subscription
from linkerd.stubs.proxy import outbound_pb2 as pb
from services.policy.index.kinds import Kind
from tests.support.policy import inbound
from tests.support.policy.objects import CONTROLLER, POLICY
from tests.support.policy.readers import PolicyReader

IP: Final = "10.96.0.1"
"""Of the Service `pear`, unless it says otherwise."""
IPV6: Final = "fd00::1"
OUTSIDE: Final = "203.0.113.7"
PORT: Final = 8080
NAMESPACE: Final = "fruit"
SERVICE: Final = "Service"
EGRESS: Final = "EgressNetwork"


class Watcher:
    """A proxy that follows a target."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._reader = PolicyReader()
        self._last = pb.OutboundPolicy()

    def read(self) -> list[pb.OutboundPolicy]:
        """What is new. Raises RuleError where a proxy would refuse it, and StreamEnd."""
        messages = [self._reader.take(raw) for raw in iter(self.subscription.poll, None)]
        self._last = messages[-1] if messages else self._last
        return messages

    def has_ended(self) -> bool:
        """Whether the stream has ended well."""
        try:
            self.read()
        except StreamEnd as end:
            code = end.code
        else:
            return False
        self.subscription.close()
        assert code is grpc.StatusCode.OK
        return True

    @property
    def told(self) -> pb.OutboundPolicy:
        """What is known now."""
        self.read()
        return self._last


class World(inbound.World):
    """A cluster with the Service `pear` in `fruit`, told to an index at once."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.service()

    def service(
        self,
        name: str = "pear",
        *,
        ip: str | Sequence[str] = IP,
        ports: Sequence[int | Mapping[str, Any]] = (PORT,),
        namespace: str = NAMESPACE,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Any:
        """A Service comes or changes."""
        ips = [ip] if isinstance(ip, str) else list(ip)
        made = [port if isinstance(port, Mapping) else {"port": port} for port in ports]
        fields = {"clusterIP": ips[0], "clusterIPs": ips, "ports": made} | spec
        more: dict[str, Any] = {"namespace": namespace, "annotations": annotations}
        return self.put(Kind.SERVICE, name, fields, **more)

    def egress(
        self,
        name: str = "world",
        policy: str = "Allow",
        networks: Sequence[str | Mapping[str, Any]] | None = None,
        *,
        namespace: str = NAMESPACE,
        **meta: Any,
    ) -> Any:
        """An EgressNetwork comes or changes."""
        fields: dict[str, Any] = {"trafficPolicy": policy}
        if networks is not None:
            made = [net if isinstance(net, Mapping) else {"cidr": net} for net in networks]
            fields["networks"] = made
        return self.put(Kind.EGRESS_NETWORK, name, fields, namespace=namespace, **meta)

    def route(
        self,
        name: str = "r",
        kind: Kind = Kind.GATEWAY_HTTP_ROUTE,
        *backends: Mapping[str, Any],
        parent: Mapping[str, Any] | None = None,
        accepted: bool | None = True,
        namespace: str = NAMESPACE,
        rules: Sequence[Mapping[str, Any]] | None = None,
        meta: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> Any:
        """A route comes or changes, which its parent takes, or not, or (None) of which its parent
        has said nothing."""
        reference = parent_of() if parent is None else dict(parent)
        fields: dict[str, Any] = {"parentRefs": [reference], **spec}
        if rules is not None:
            fields["rules"] = list(rules)
        elif backends or kind in (Kind.TLS_ROUTE, Kind.TCP_ROUTE, Kind.GRPC_ROUTE):
            fields["rules"] = [{"backendRefs": list(backends)}]
        status = None if accepted is None else taken(reference, accepted=accepted)
        return self.put(kind, name, fields, namespace=namespace, status=status, **(meta or {}))

    def watch(self, ip: str = IP, port: int = PORT, *, source: str = NAMESPACE) -> Watcher:
        """Follows an address."""
        return Watcher(self.index.watch_address(source, ip, port))

    def watch_name(self, name: str, port: int = PORT, *, source: str = NAMESPACE) -> Watcher:
        """Follows a Service of `fruit` by its name."""
        return Watcher(self.index.watch_service(source, Key(NAMESPACE, name), port))

    def policy(self, ip: str = IP, port: int = PORT, *, source: str = NAMESPACE) -> Any:
        """What is told of an address now."""
        watcher = self.watch(ip, port, source=source)
        told = watcher.told
        watcher.subscription.close()
        return told

    def follow_count(self) -> int:
        """How much is kept for followers."""
        return len(self.index.views) + len(self.index.home.dependencies)


def parent_of(
    name: str = "pear", kind: str = SERVICE, *, port: int | None = None, namespace: str = ""
) -> dict[str, Any]:
    """A reference to a parent, of `fruit` unless it says otherwise."""
    group = POLICY if kind == EGRESS else "core"
    made: dict[str, Any] = {"group": group, "kind": kind, "name": name}
    made["namespace"] = namespace or NAMESPACE
    return made if port is None else {**made, "port": port}


def taken(
    *references: Mapping[str, Any], accepted: bool = True, by: str = CONTROLLER
) -> dict[str, Any]:
    """The status of a route of which our controller has judged these parents."""
    return {
        "parents": [
            {
                "parentRef": dict(reference),
                "controllerName": by,
                "conditions": [{"type": "Accepted", "status": str(accepted)}],
            }
            for reference in references
        ]
    }


def backend(name: str, port: int | None = PORT, **more: Any) -> dict[str, Any]:
    """A reference to a backend."""
    return {"name": name, **({} if port is None else {"port": port}), **more}


def kind_of(policy: Any) -> str:
    """The protocol of a policy."""
    return str(policy.protocol.WhichOneof("kind"))


def routes_of(policy: Any) -> list[Any]:
    """The routes of the protocol, those of `http1` where it is detected."""
    protocol = getattr(policy.protocol, kind_of(policy))
    return list((protocol.http1 if kind_of(policy) == "detect" else protocol).routes)


def names_of(policy: Any) -> list[str]:
    """What the routes come from: names of objects or of defaults."""
    return [each.metadata.default or each.metadata.resource.name for each in routes_of(policy)]


def first_rule(policy: Any) -> Any:
    """The first rule of the first route."""
    return routes_of(policy)[0].rules[0]


def backends_of(rule: Any) -> list[Any]:
    """The backends of a rule, without their weights."""
    kind = rule.backends.WhichOneof("kind")
    found = list(getattr(rule.backends, kind).backends)
    return [each.backend for each in found] if kind == "random_available" else found


def authorities_of(rule: Any) -> list[str]:
    """Where the balancers of a rule lead."""
    return [each.backend.balancer.discovery.dst.path for each in backends_of(rule)]
