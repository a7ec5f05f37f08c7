"""What one test makes in the world: applications on ports of its own, and objects.

Ports and names are new to every test, so nothing that a proxy remembers of one meets another.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

from linkerd.local.api import ApiRefusedError
from linkerd.mesh.labels import SERVICE_NAME
from tests.support.eventually import until
from tests.support.mesh.apps import HttpApp, TcpApp
from tests.support.mesh.calls import Response, Target, http1
from tests.support.mesh.hosts import Host
from tests.support.mesh.world import Service, World
from tests.support.namespaces import fresh_namespace
from tests.support.policy.program import Objects

SERVER_GROUP: Final = "policy.linkerd.io"


class Scene(Objects):
    """Objects of the world's namespace, applications and clients. `port` is where the test's
    applications listen, `name` what its objects may be called."""

    def __init__(self, world: World) -> None:
        super().__init__(world.api, world.namespace)
        self.world = world
        self.port = next(world.ports)
        self.name = f"t{self.port}"
        self._made: list[tuple[str, str]] = []
        self._annotated: list[tuple[str, str, tuple[str, ...]]] = []

    @property
    def client(self) -> Host:
        """A meshed one."""
        return self.world["client"].host

    def web(self, *pods: str) -> dict[str, HttpApp]:
        """An application on each pod, which answers with its pod's name."""
        return {pod: self.app(pod) for pod in pods}

    def app(self, pod: str, port: int = 0) -> HttpApp:
        """An application that answers with its pod's name."""
        world = self.world
        return HttpApp(world.background, world[pod].host, port or self.port, pod)

    def get(self, target: Target, path: str = "/", *, by: str = "client", **more: Any) -> Response:
        """A request of HTTP/1.1 from a pod."""
        return http1(self.world[by].host, target, path, **more)

    def tcp(self, pod: str) -> TcpApp:
        """An application that echoes."""
        return TcpApp(self.world.background, self.world[pod].host, self.port)

    def echoes(self, target: Target, *, by: str = "client") -> bool:
        """Whether it does; else it closed the connection."""
        with self.world[by].host.connect(target.ip, target.port) as connection:
            with suppress(ConnectionError):
                connection.sendall(b"no http\r\n")
                return connection.recv(100) == b"no http\r\n"
            return False

    def paced(self, target: Target, *, count: int, per_second: float) -> Counter[int]:
        """The statuses of requests at a steady pace."""
        start, found = time.monotonic(), Counter[int]()
        for number in range(count):
            time.sleep(max(0.0, start + number / per_second - time.monotonic()))
            found[self.get(target).status] += 1
        return found

    def until_status(self, status: int, target: Target, path: str = "/", **more: Any) -> Response:
        """Asks until the answer has this status; that answer."""
        answers: list[Response] = []

        def asked() -> bool:
            answers.append(self.get(target, path, **more))
            return answers[-1].status == status

        until(asked, f"the status {status} of {path}")
        return answers[-1]

    def create(self, plural: str, name: str, spec: Any, **metadata: Any) -> dict[str, Any]:
        """Makes an object, until the test ends."""
        self._made.append((plural, name))
        return super().create(plural, name, spec, **metadata)

    def service(
        self,
        *pods: str,
        name: str = "",
        target: int = 0,
        annotations: Mapping[str, str] | None = None,
        **port: Any,
    ) -> Service:
        """A service on port 8080 whose endpoints are ports of pods; `port` has more of its port."""
        name = name or self.name
        spec = {"ports": [{"name": "main", "port": 8080, **port}]}
        made = self.create("services", name, spec, annotations=dict(annotations or {}))
        self.endpoints(name, *pods, target=target)
        ip, number = made["spec"]["clusterIP"], spec["ports"][0]["port"]
        until(lambda: self.world.knows(ip, number), f"the address of {name}")
        return Service(name, ip, number, f"{name}.{self.namespace}.svc.cluster.local:{number}")

    def endpoints(self, service: str, *pods: str, target: int = 0) -> None:
        """Has a service these endpoints alone."""
        at_home = self.namespace == self.world.namespace  # else the addresses are nobody's
        endpoints = [
            {
                "addresses": [self.world[pod].host.ip],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod, "namespace": self.namespace}
                if at_home
                else None,
            }
            for pod in pods
        ]
        manifest = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": service, "labels": {SERVICE_NAME: service}},
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "main", "port": target or self.port}],
        }
        if ("endpointslices", service) not in self._made:
            self._made.append(("endpointslices", service))
        self.api.apply(self._object("endpointslices", service), manifest)

    def annotate(self, plural: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Sets annotations, until the test ends; None takes one away."""
        self._annotated.append((plural, name, tuple(annotations)))
        self._write_annotations(plural, name, annotations)

    def server(self, name: str = "", **spec: Any) -> str:
        """A Server of the test's port on the pods of `web`; its name."""
        chosen = {"podSelector": {"matchLabels": {"app": "web"}}, "port": self.port}
        self.create("servers", name or self.name, {**chosen, **spec})
        return name or self.name

    def authorize(self, name: str, target: Mapping[str, str], *required: Mapping[str, str]) -> None:
        """An AuthorizationPolicy."""
        spec = {"targetRef": target, "requiredAuthenticationRefs": list(required)}
        self.create("authorizationpolicies", name, spec)

    @contextmanager
    def elsewhere(self) -> "Iterator[Scene]":
        """The same in a namespace of its own: applications on the same port."""
        with fresh_namespace(self.api, prefix="elsewhere") as namespace:
            there = Scene(self.world)
            there.namespace, there.port = namespace, self.port
            yield there

    def end(self) -> None:
        """Takes all objects away."""
        for plural, name, annotations in self._annotated:
            self._write_annotations(plural, name, dict.fromkeys(annotations))
        for plural, name in reversed(self._made):
            with suppress(ApiRefusedError):
                self.delete(plural, name)

    def _write_annotations(
        self, plural: str, name: str, annotations: Mapping[str, str | None]
    ) -> None:
        metadata = {"metadata": {"annotations": annotations}}
        self.api.request("PATCH", self._object(plural, name), metadata, kind="merge-patch+json")

    def _object(self, plural: str, name: str) -> str:
        return f"{self._path(plural)}/{name}"


def route_to(parent: str, *rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The spec of a route to a service, unless `more` has another kind of parent."""
    ref = {"group": "core", "kind": "Service", "name": parent, **more}
    return {"parentRefs": [ref], "rules": list(rules)}


def server_ref(name: str) -> dict[str, str]:
    """Names a Server."""
    return {"group": SERVER_GROUP, "kind": "Server", "name": name}
