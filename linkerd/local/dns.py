"""Cluster DNS: CoreDNS as a process of the node, behind the Service that pods are told about."""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

from linkerd.local.component import Component, http_probe
from linkerd.local.credentials import Credentials
from linkerd.local.files import keep_private
from linkerd.local.state import Network, State
from linkerd.mesh.labels import SERVICE_NAME, SLICE_MANAGED_BY
from linkerd.mesh.names import DEFAULT_DOMAIN

_READY_PORT: Final = 8181
_USER: Final = "system:coredns"
_RESOLVERS: Final = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))

_COREFILE: Final = """\
.:53 {{
    bind {address}
    errors
    ready {address}:{port}
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        kubeconfig "{kubeconfig}"
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }}
    {forward}
    cache 5
    loadbalance
}}
"""


def dns_address(network: Network) -> str:
    """The ClusterIP of cluster DNS: the tenth Service address, as everywhere."""
    return str(ip_network(network.services)[10])


def coredns(program: Path, credentials: Credentials, state: State, network: Network) -> Component:
    """Answers for the cluster's domain, and asks the host's resolvers about the rest."""
    resolvers = usable_resolvers(file.read_text() for file in _RESOLVERS if file.exists())
    keep_private(
        state.config / "resolv.conf", "".join(f"nameserver {address}\n" for address in resolvers)
    )
    content = _COREFILE.format(
        address=network.node_address,
        domain=DEFAULT_DOMAIN,
        port=_READY_PORT,
        kubeconfig=credentials.kubeconfigs["coredns"],
        forward=f"forward . {' '.join(resolvers)}" if resolvers else "",
    )
    corefile = keep_private(state.config / "Corefile", content)
    ready = http_probe(network.node_address, _READY_PORT, "/ready")
    return Component("coredns", (str(program), "-conf", str(corefile)), ready, settings=content)


def usable_resolvers(files: Iterable[str]) -> list[str]:
    """The name servers of resolv.conf files that can be reached from another network namespace."""
    found: dict[str, None] = {}
    for text in files:
        for words in (line.split() for line in text.splitlines()):
            if len(words) > 1 and words[0] == "nameserver" and _is_reachable(words[1]):
                found[words[1]] = None
    return list(found)[:3]


def _is_reachable(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback


def dns_objects(network: Network) -> dict[str, dict[str, Any]]:
    """Path in the API -> object: the Service, where it leads, and what CoreDNS may read."""
    meta = {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}}
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"clusterIP": dns_address(network), "ports": ports},
    }
    labels = {
        SERVICE_NAME: "kube-dns",
        SLICE_MANAGED_BY: "linkerd-local",
    }
    endpoints = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns-node", "namespace": "kube-system", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [network.node_address], "conditions": {"ready": True}}],
        "ports": ports,
    }
    core = "/api/v1/namespaces/kube-system/services/kube-dns"
    slices = "/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns-node"
    return {core: service, slices: endpoints, **_permissions()}


def _permissions() -> dict[str, dict[str, Any]]:
    group, version = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    core = {"apiGroups": [""], "resources": ["services", "pods", "namespaces"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]}
    role = {
        "apiVersion": version,
        "kind": "ClusterRole",
        "metadata": {"name": _USER},
        "rules": [rule | {"verbs": ["list", "watch"]} for rule in (core, slices)],
    }
    binding = {
        "apiVersion": version,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": _USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": _USER}],
    }
    prefix = f"/apis/{version}"
    return {
        f"{prefix}/clusterroles/{_USER}": role,
        f"{prefix}/clusterrolebindings/{_USER}": binding,
    }
