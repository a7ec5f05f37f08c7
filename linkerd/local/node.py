"""A whole cluster of one node: what `linkerd local up` starts.

The order: namespaces and link; then etcd and the API server, with containerd beside them; then what
needs the API (controllers, kube-proxy, DNS, kubelet). All of it lives inside a `Space`, on the
node's own address, so ports are fixed and several such clusters can be up at once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from linkerd.local.api import AdminApi
from linkerd.local.component import Component
from linkerd.local.containerd import containerd, supports_overlay
from linkerd.local.control_plane import api_components, found_programs
from linkerd.local.controllers import controller_manager, kube_proxy, scheduler
from linkerd.local.credentials import Credentials, ensure_credentials
from linkerd.local.dns import coredns, dns_address, dns_objects
from linkerd.local.errors import AddressError, LocalError, MissingProgramError
from linkerd.local.files import keep_private, write_private
from linkerd.local.images import image_names, load_archive, program_image
from linkerd.local.kubelet import forget_readiness, is_node_ready, kubelet
from linkerd.local.network import Link, choose_network, collisions, host_networks
from linkerd.local.packages import NODE_NEEDS, ensure
from linkerd.local.programs import NODE, Programs, locate
from linkerd.local.progress import Progress
from linkerd.local.requirements import NODE_BYTES, require_memory
from linkerd.local.runner import Runner
from linkerd.local.space import HOLDER, Space
from linkerd.local.state import Network, Record, State

_PORTS: Final = {"kube-apiserver": 6443, "etcd": 2379, "etcd-peer": 2380}
_PAUSE: Final = "linkerd-local-pause"
_FIRST: Final = 3  # of the components: those that need no API


class Node:
    """The node of one cluster. Its network is chosen when it first comes up, and kept."""

    def __init__(self, state: State, record: Record, network: Network) -> None:
        self._state = state
        self._network = network
        self.space = Space(state, record.id, network.node_address)
        self._link = Link(record.id, network)
        self.runner = Runner(state, self.space)
        self.address = network.node_address
        self.port = _PORTS["kube-apiserver"]

    def up(self, progress: Progress) -> None:
        """Start what does not run; returns when the node is ready for pods."""
        ensure(NODE_NEEDS, progress)
        programs = locate(NODE, progress)
        if not self.space.is_open(self._link):
            require_memory(NODE_BYTES)
            self._clear(grace=0)
            self._open(programs)
        components = self._components(programs)
        with progress.step("Starting etcd, the API server and containerd"):
            self._start(components[:_FIRST])
            self._prepare(programs, fresh=not self.runner.is_expected("kubelet"))
        with progress.step("Starting the node"):
            self._start(components)

    def down(self, *, grace: float) -> None:
        """End everything and take away what is on the host."""
        if grace:
            for name in ("kube-apiserver", "etcd"):
                self.runner.stop(name, grace=grace)
        self._clear(grace=grace)

    def components(self) -> list[Component]:
        """All of them, in the order of start."""
        return self._components(found_programs(NODE))

    @contextmanager
    def _api(self) -> Iterator[AdminApi]:
        api = AdminApi(self._state, self.address, self.port)
        try:
            yield api
        finally:
            api.close()

    def _start(self, components: list[Component]) -> None:
        for component in components:
            self.runner.start(component)
        self.runner.wait_ready(components)

    def _clear(self, *, grace: float) -> None:
        self.runner.stop_all((HOLDER,), grace=grace)  # and all that is in its namespaces
        self.space.clear(self._link)

    def _open(self, programs: Programs) -> None:
        if found := collisions(self._network, host_networks()):
            raise AddressError(
                f"this machine now has a network {found[0]} of its own, which the cluster's "
                f"{self._network.cluster} and {self._network.services} overlap; delete the cluster "
                f"with `linkerd local down --delete` and it will choose others"
            )
        self.space.open(programs["pause"], self._link)

    def _prepare(self, programs: Programs, *, fresh: bool) -> None:
        """What must be there before the first pod starts."""
        keep_private(self.space.cni / "net.d" / "10-linkerd-local.conflist", self._cni_config())
        name, archive = program_image(_PAUSE, "pause", programs["pause"])
        if name not in image_names(self.space):
            file = write_private(self._state.folder / "images" / "pause.tar", archive)
            load_archive(self.space, file)
        with self._api() as api:
            for path, manifest in dns_objects(self._network).items():
                api.apply(path, manifest)
            if fresh:
                forget_readiness(api)

    def _components(self, programs: Programs) -> list[Component]:
        state, network, credentials = self._state, self._network, self._credentials()
        pause, _ = program_image(_PAUSE, "pause", programs["pause"])
        dns = coredns(programs["coredns"], credentials, state, network)
        return [
            *self._api_components(programs, credentials),
            containerd(
                _system("containerd"),
                state,
                self.space,
                pause=pause,
                overlay=supports_overlay(state.folder),
            ),
            controller_manager(programs["kube-controller-manager"], credentials, network),
            scheduler(programs["kube-scheduler"], credentials, network),
            kube_proxy(programs["kube-proxy"], credentials, network),
            dns,
            kubelet(
                programs["kubelet"],
                credentials,
                state,
                network,
                cgroup=self.space.cgroup,
                dns=dns_address(network),
                node_ready=self._is_ready,
            ),
        ]

    def _api_components(
        self, programs: Programs, credentials: Credentials
    ) -> tuple[Component, Component]:
        return api_components(
            self._state,
            programs,
            credentials,
            address=self.address,
            ports=_PORTS,
            services=self._network.services,
            api_only=False,
        )

    def _credentials(self) -> Credentials:
        server = f"https://{self.address}:{self.port}"
        return ensure_credentials(
            self._state, server=server, address=self.address, services=self._network.services
        )

    def _is_ready(self) -> bool:
        try:
            with self._api() as api:
                return is_node_ready(api)
        except LocalError:
            return False

    def _cni_config(self) -> str:
        """Pods are joined by a link each, not by a bridge: packets between two of them pass the
        node's own rules in both directions, whatever the kernel does about bridges."""
        addresses = {
            "type": "host-local",
            "dataDir": "/run/cni-addresses",
            "ranges": [[{"subnet": self._network.pods}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        plugins = [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        config = {"cniVersion": "0.4.0", "name": "linkerd-local", "plugins": plugins}
        return msgspec.json.encode(config).decode()


def open_node(state: State, record: Record) -> Node:
    """The node of `record`, which gets a network if it has none yet."""
    network = record.network or choose_network(host_networks())
    return Node(state, state.save(msgspec.structs.replace(record, network=network)), network)


def _system(name: str) -> Path:
    path = next(need.path for need in NODE_NEEDS if need.program == name)
    if path is None:
        raise MissingProgramError(f"{name} is not there; run `linkerd local up` to install it")
    return path
