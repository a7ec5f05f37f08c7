"""What proxies follow: the policy of an address or of a Service's name, for their namespace."""

from collections.abc import Callable

from linkerd.index import EndedError, Owner, Subject, TopicView
from linkerd.kube.objects import Key
from linkerd.policy.references import SERVICE
from linkerd.streams import Told
from services.policy.index.context import Context
from services.policy.index.outbound import subjects as on
from services.policy.index.outbound.fallbacks import external_policy, undefined_port_policy
from services.policy.index.outbound.targets import (
    External,
    Parent,
    Target,
    UndefinedPort,
    find_target,
)
from services.policy.model.outbound import Metadata, OutboundPolicy

Delta = Callable[[OutboundPolicy | None, OutboundPolicy], Told]
"""How a policy is told to who knows another, or none."""

OnCut = Callable[[Metadata], None]
"""Is told of what the policy is that has too many routes for a message."""


class _OutboundView(TopicView[OutboundPolicy]):
    """The policy of something, for clients in the namespace `source`."""

    __slots__ = ("_context", "_source")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, source: str, *key: str | int
    ) -> None:
        self._context = context
        self._source = source
        super().__init__(context.dependencies, owner, delta, source, *key)

    def _of_parent(self, parent: Parent, subjects: set[Subject]) -> OutboundPolicy:
        """Namespaces without routes of their own share the policy of all who have none."""
        namespace, name = parent.key
        source = ""
        if self._source != namespace:
            own = on.routes(parent.kind, namespace, name, self._source)
            subjects.add(own)
            if own in self._context.objects.outbound.routes_of:
                source = self._source
        subject = on.policy(parent.kind, namespace, name, parent.port, source, parent.ip)
        subjects.add(subject)
        policy = self._context.outbound.policies.at(subject)
        assert policy is not None  # noqa: S101  # there is one of every parent, if it exists or not
        return policy


class AddressView(_OutboundView):
    """The policy of an IP (canonical) and port, of what has it; streams end when it is another's.
    Raises UnknownTargetError."""

    __slots__ = ("_ip", "_port", "_target")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, source: str, ip: str, port: int
    ) -> None:
        self._ip = ip
        self._port = port
        self._target: Target | None = None
        super().__init__(context, owner, delta, source, ip, port)

    def compute(self) -> OutboundPolicy:
        context = self._context
        subjects: set[Subject] = set()
        try:
            target = self._find(subjects)
            match target:
                case Parent():
                    return self._of_parent(target, subjects)
                case UndefinedPort(service, port):
                    return undefined_port_policy(service, port)
                case External(ip, port):
                    return external_policy(context.mesh, ip, port)
        finally:
            context.dependencies.watch(self, subjects)

    def _find(self, subjects: set[Subject]) -> Target:
        context = self._context
        tables = context.objects.outbound
        target = find_target(context.mesh, tables, self._source, self._ip, self._port, subjects)
        if self._target not in (None, target):
            raise EndedError
        self._target = target
        return target


class ServiceView(_OutboundView):
    """The policy of a Service's port, which need not exist."""

    __slots__ = ("_key", "_port")

    def __init__(
        self, context: Context, owner: Owner, delta: Delta, source: str, key: Key, port: int
    ) -> None:
        self._key = key
        self._port = port
        super().__init__(context, owner, delta, source, *key, port)

    def compute(self) -> OutboundPolicy:
        subjects: set[Subject] = set()
        try:
            return self._of_parent(Parent(SERVICE, self._key, self._port), subjects)
        finally:
            self._context.dependencies.watch(self, subjects)
