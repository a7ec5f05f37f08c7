"""A tiny index with everything that an engine has to do: who has an IP, and what ports a namespace
has. Its clients read text."""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any, Final

from linkerd.index import (
    Context,
    Derived,
    EndedError,
    Index,
    Objects,
    Pace,
    Subject,
    TopicView,
    UnclearError,
    View,
    Watch,
)
from linkerd.index.filing import move, put, refile
from linkerd.kube.objects import Key, Service
from linkerd.kube.resource import SERVICES
from linkerd.streams import Cursor, Subscription, Topic
from tests.support.indexes.followers import UNKNOWN
from tests.support.indexes.law import Law
from tests.support.indexes.stored import Cluster
from tests.support.objects import service

KIND: Final = "Service"
_IPS: Final = ["10.96.0.1", "10.96.0.2", "10.96.0.3"]
_NAMESPACES: Final = ["fin", "ops"]

Query = tuple[str, str]

_QUERIES: Final[list[Query]] = [
    *(("ip", ip) for ip in _IPS),
    *(("namespace", name) for name in _NAMESPACES),
]


class Services(Objects[str]):
    """Services by IP and by namespace."""

    def __init__(self) -> None:
        super().__init__({KIND: self._take})
        self.services: dict[Key, Service] = {}
        self.by_ip: dict[str, tuple[Key, ...]] = {}
        self.of: dict[Key, dict[Key, Service]] = {}  # by namespace

    def _take(self, key: Key, now: Service | None) -> Iterator[Subject]:
        before = put(self.services, key, now)
        yield "service", *key
        was = frozenset(before.spec.ips if before is not None else ())
        for ip in move(self.by_ip, key, was, frozenset(now.spec.ips if now is not None else ())):
            yield "ip", ip
        known, owner = (Key("", key.namespace) if each else None for each in (before, now))
        for namespace in refile(self.of, key, known, owner, now):
            yield "namespace", namespace.name


def told(last: str | None, now: str) -> tuple[bytes, ...]:
    """The whole state, in two messages."""
    return (b"=", now.encode()) if last != now else ()


class IpView(TopicView[str]):
    """The service that has an IP, with its ports. When another service gets it, streams end."""

    def __init__(self, index: "Tiny", ip: str) -> None:
        self._index = index
        self._ip = ip
        self._of: Key | None = None
        super().__init__(index.home.dependencies, index, told, ip)

    def compute(self) -> str:
        subjects: set[Subject] = {("ip", self._ip)}
        try:
            keys = self._index.home.objects.by_ip.get(self._ip, ())
            if len(keys) > 1:
                raise UnclearError(f"{self._ip} is of several services")
            if not keys:
                return ""
            if self._of not in (None, keys[0]):
                raise EndedError
            self._of = keys[0]
            subjects.add(("ports", *keys[0]))
            return f"{keys[0].name} {self._index.ports.at(('ports', *keys[0]))}"
        finally:
            self._index.home.dependencies.watch(self, subjects)


class NamespaceView(View):
    """The ports of all services of a namespace, a service a step."""

    def __init__(self, index: "Tiny", namespace: str) -> None:
        super().__init__(index, namespace)
        self._index = index
        self._namespace = namespace
        self.topic: Topic[str] = Topic(told, on_empty=self._close)
        self.touch()

    def subscribe(self) -> Cursor[str]:
        return self.topic.subscribe()

    def refresh(self) -> Iterable[None]:
        keys = sorted(self._index.home.objects.of.get(Key("", self._namespace), {}))
        subjects: set[Subject] = {("namespace", self._namespace)}
        self._index.home.dependencies.watch(self, {*subjects, *(("ports", *key) for key in keys)})
        found = []
        for key in keys:
            found.append(f"{key.name} {self._index.ports.at(('ports', *key))}")
            yield
        self.topic.publish("; ".join(found))

    def _close(self) -> None:
        self._index.home.dependencies.watch(self, frozenset())
        self.owner.dropped(self)
        del self.topic


class Home(Context[str]):
    """Its objects are services."""

    objects: Services


class Tiny(Index[str, Home]):
    """What clients may ask for: ("ip", IP) or ("namespace", its name)."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(Home(Services()), pace)
        self.ports: Derived[str] = Derived(
            self._ports, self.home.dependencies, self.home.complaints
        )
        self.home.derived = (self.ports,)
        self.home.dependencies.on_idle = self.ports.drop

    @property
    def index(self) -> "Tiny":
        return self

    def follow(self, query: Query) -> Subscription:
        """Raises UnclearError."""
        what, name = query
        if what == "ip":
            return self.view((IpView, name), lambda: IpView(self, name)).subscribe()
        stream = self.view((NamespaceView, name), lambda: NamespaceView(self, name)).subscribe()
        self.flush()
        return stream

    def _ports(self, subject: Subject, watch: Watch) -> str | None:
        _, *name = subject
        watch({("service", *name)})
        known = self.home.objects.services.get(Key(*name))
        return _text(known) if known is not None else None


class Client:
    """Reads whole states."""

    def __init__(self) -> None:
        self.known: str | None = None

    def take(self, raw: bytes) -> None:
        if raw != b"=":
            self.known = raw.decode()

    def reconnect(self) -> None:
        """What it knows counts until it is told otherwise."""


def _text(item: Service) -> str:
    return ",".join(str(port.port) for port in item.spec.ports)


def _some_service(r: Random) -> Any:
    ips = r.sample(_IPS, r.choice([0, 1, 1, 2]))
    name, namespace = r.choice(["a", "b", "c", "d"]), r.choice(_NAMESPACES)
    return service(name, namespace, *ips, ports=r.choice([{}, {"x": 80}, {"x": 80, "y": 90}]))


def _model(cluster: Cluster, query: Query) -> Any:
    what, name = query
    known: list[Any] = sorted(
        cluster.stored[KIND].objects.values(), key=lambda item: item.metadata.key
    )
    if what == "namespace":
        mine = [item for item in known if item.metadata.namespace == name]
        return "; ".join(f"{item.metadata.name} {_text(item)}" for item in mine)
    owners = [item for item in known if name in item.spec.ips]
    if len(owners) > 1:
        return UNKNOWN
    return f"{owners[0].metadata.name} {_text(owners[0])}" if owners else ""


LAW: Final = Law(
    makers=[(1, KIND, _some_service)],
    resources={KIND: SERVICES},
    start=Tiny,
    query=lambda r: r.choice(
        [*(("ip", ip) for ip in _IPS), *(("namespace", n) for n in _NAMESPACES)]
    ),
    client=lambda _query: Client(),
    model=_model,
    refusals=(UnclearError,),
    silent=(UnclearError,),
)
