"""What is told of a Server: computed and encoded once, for all ports that belong to it."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from linkerd.index import Complaints, Dependencies, Derived, Subject, Watch
from linkerd.kube.objects import Key
from linkerd.policy.default_policies import DefaultPolicy
from linkerd.policy.servers import ProxyProtocol
from services.policy.index.inbound import defaults
from services.policy.index.inbound.composer import Composer
from services.policy.index.inbound.workloads import Workload
from services.policy.index.kinds import Kind
from services.policy.index.objects import Objects
from services.policy.model.inbound import Port
from services.policy.model.mesh_settings import MeshSettings

Encode = Callable[[Port], bytes]
"""The message that tells a port."""

_MAX_MEMO: Final = 64  # messages of an answer
_MAX_DEFAULTS: Final = 1_000  # messages of ports that belong to no Server
_MAX_BYTES: Final = (4 << 20) - (64 << 10)  # proxies take 4 MiB


def told(port: Port, encode: Encode, on_too_long: Callable[[int], object]) -> bytes:
    """The message that tells `port`. What is too long for proxies cannot be told in parts, each of
    which could allow what the whole does not: then nothing is allowed, once `on_too_long` was told
    how many bytes it had."""
    message = encode(port)
    if len(message) <= _MAX_BYTES:
        return message
    on_too_long(len(message))
    return encode(Port(port.origin, port.protocol))


class Answer:
    """What ports of a Server are told, of which those differ that kubelets ask at."""

    __slots__ = ("_encode", "_mesh", "_messages", "_on_too_long", "port")

    def __init__(
        self,
        port: Port,
        mesh: MeshSettings,
        encode: Encode,
        on_too_long: Callable[[int], object],
    ) -> None:
        self.port = port
        self._mesh = mesh
        self._encode = encode
        self._on_too_long = on_too_long
        self._messages: dict[tuple[str, ...], bytes] = {}  # by paths of probes

    def message(self, probes: tuple[str, ...]) -> bytes:
        """What a port is told at which kubelets ask for these paths."""
        port = self.port
        has_defaults = port.protocol in defaults.HTTP and not port.http_routes
        key = probes if has_defaults else ()
        message = self._messages.get(key)
        if message is None:
            if has_defaults:
                port = replace(port, http_routes=defaults.http_routes(self._mesh, probes))
            if len(self._messages) >= _MAX_MEMO:
                self._messages.clear()
            message = self._messages[key] = told(port, self._encode, self._on_too_long)
        return message

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Answer) and self.port == other.port

    __hash__ = None  # type: ignore[assignment]  # compared, never a key


class DefaultAnswers:
    """What ports are told that belong to no Server. Very many are told the same."""

    def __init__(self, mesh: MeshSettings, encode: Encode) -> None:
        self._mesh = mesh
        self._encode = encode
        self._message = lru_cache(_MAX_DEFAULTS)(self._make)

    def message(self, workload: Workload, port: int) -> bytes:
        """What `port` of `workload` is told."""
        settings = workload.settings
        policy = settings.default_policy or self._mesh.default_policy
        if port in settings.identity_required:
            policy = policy.authenticated
        opaque = port in settings.opaque
        protocol = ProxyProtocol.OPAQUE if opaque else ProxyProtocol.UNKNOWN
        return self._message(policy, protocol, workload.probes.get(port, ()))

    def _make(
        self, policy: DefaultPolicy, protocol: ProxyProtocol, probes: tuple[str, ...]
    ) -> bytes:
        port = defaults.default_port(self._mesh, policy, protocol, probes)
        return told(port, self._encode, lambda _size: None)  # of a pod that says too much of itself


class AnswerBook(Derived[Answer]):
    """The answers for all Servers that somebody follows, by `on.answer(...)`."""

    def __init__(
        self,
        mesh: MeshSettings,
        objects: Objects,
        dependencies: Dependencies,
        complaints: Complaints,
        encode: Encode,
    ) -> None:
        super().__init__(self._derive_answer, dependencies, complaints)
        self._mesh = mesh
        self._objects = objects
        self._complaints = complaints
        self._encode = encode

    def _derive_answer(self, subject: Subject, watch: Watch) -> Answer | None:
        _, *name = subject
        server = Key(*name)
        composer = Composer(self._mesh, self._objects, self._complaints, server)
        port = composer.port()
        watch(composer.subjects)
        if port is None:
            return None
        return Answer(port, self._mesh, self._encode, partial(self._complain, server))

    def _complain(self, server: Key, size: int) -> None:
        problem = (
            f"its routes and authorizations are {size} bytes, and proxies take {_MAX_BYTES}: its "
            "ports let nobody in"
        )
        self._complaints.about(Kind.SERVER.value, *server, "spec", problem)
