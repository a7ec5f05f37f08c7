"""etcd and kube-apiserver: what `linkerd local up --api-only` starts."""

from pathlib import Path

import msgspec

from linkerd.local.apiserver import apiserver
from linkerd.local.component import Component
from linkerd.local.credentials import Credentials, ensure_credentials
from linkerd.local.errors import MissingProgramError
from linkerd.local.etcd import etcd
from linkerd.local.files import private_folder
from linkerd.local.ports import choose_port, is_free, require_free
from linkerd.local.programs import CONTROL_PLANE, Programs, find_program, locate
from linkerd.local.progress import Progress
from linkerd.local.requirements import API_ONLY_BYTES, require_memory
from linkerd.local.runner import Place, Runner
from linkerd.local.state import Record, State

SERVICES = "10.96.0.0/16"
_PORTS = ("kube-apiserver", "etcd", "etcd-peer")


class ControlPlane:
    """A control plane alone, on loopback. Ports are chosen once and kept while they are free."""

    def __init__(self, state: State, record: Record, place: Place, *, port: int | None) -> None:
        self._state = state
        self._record = record
        self._place = place
        self._wanted_port = port
        self.runner = Runner(state, place)

    @property
    def address(self) -> str:
        """Where everything listens."""
        return self._place.address

    @property
    def port(self) -> int:
        """The API server's."""
        return self._record.ports["kube-apiserver"]

    def up(self, progress: Progress) -> None:
        """Start what does not run; returns when the API answers."""
        programs = locate(CONTROL_PLANE, progress)
        if not self.runner.runs_anything():
            require_memory(API_ONLY_BYTES)
            self.runner.stop_all(())
        self._choose_ports()
        components = self._components(programs)
        with progress.step("Starting etcd and the API server"):
            for component in components:
                self.runner.start(component)
            self.runner.wait_ready(components)

    def down(self, *, grace: float) -> None:
        """End both."""
        self.runner.stop_all(_PORTS[:2], grace=grace)

    def components(self) -> list[Component]:
        """Both, as they were started."""
        return self._components(found_programs(CONTROL_PLANE))

    def _components(self, programs: Programs) -> list[Component]:
        return [
            *api_components(
                self._state,
                programs,
                self._credentials(),
                address=self._place.address,
                ports=self._record.ports,
                services=SERVICES,
                api_only=True,
            )
        ]

    def _credentials(self) -> Credentials:
        address = self._place.address
        server = f"https://{address}:{self._record.ports['kube-apiserver']}"
        return ensure_credentials(self._state, server=server, address=address, services=SERVICES)

    def _choose_ports(self) -> None:
        ports = dict(self._record.ports)
        for name in _PORTS:
            if self._is_served(name):
                continue
            if name == "kube-apiserver" and self._wanted_port is not None:
                ports[name] = require_free(self._place.address, self._wanted_port, "--port")
            elif name not in ports or not is_free(self._place.address, ports[name]):
                ports[name] = choose_port(self._place.address, set(ports.values()))
        self._record = self._state.save(msgspec.structs.replace(self._record, ports=ports))

    def _is_served(self, name: str) -> bool:
        wanted = self._wanted_port if name == "kube-apiserver" else None
        kept = wanted in (None, self._record.ports.get(name))
        return kept and self.runner.pid(name.removesuffix("-peer")) is not None


def api_components(
    state: State,
    programs: Programs,
    credentials: Credentials,
    *,
    address: str,
    ports: dict[str, int],
    services: str,
    api_only: bool,
) -> tuple[Component, Component]:
    """etcd and the API server, which may be started together: the server waits for its store."""
    store = etcd(
        programs["etcd"],
        credentials,
        data=private_folder(state.folder / "etcd"),
        address=address,
        client=ports["etcd"],
        peer=ports["etcd-peer"],
    )
    server = apiserver(
        programs["kube-apiserver"],
        credentials,
        address=address,
        port=ports["kube-apiserver"],
        etcd_port=ports["etcd"],
        services=services,
        scratch=state.folder / "apiserver",
        api_only=api_only,
    )
    return store, server


def found_programs(names: tuple[str, ...]) -> Programs:
    """Programs of a cluster that is up already, so that nothing is to be built."""
    paths: dict[str, Path] = {}
    for name in names:
        if (path := find_program(name)) is None:
            raise MissingProgramError(f"{name} is no longer there; run `linkerd local up` again")
        paths[name] = path
    return Programs(paths)
