"""Every certificate, key and kubeconfig of one cluster, made or renewed in one go."""

from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from linkerd.local.certificates import Authority, Pair, Subject, ensure_signing_key
from linkerd.local.files import keep_private
from linkerd.local.kubeconfig import render_kubeconfig
from linkerd.local.state import State
from linkerd.mesh.names import DEFAULT_DOMAIN, service_name

NODE_NAME: Final = "linkerd-local"
_API_NAMES: Final = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    service_name("kubernetes", "default", DEFAULT_DOMAIN),
    "localhost",
    "127.0.0.1",
)
_CLIENTS: Final = {
    "admin": Subject("linkerd-local-admin", groups=("system:masters",)),
    "controller-manager": Subject("system:kube-controller-manager"),
    "scheduler": Subject("system:kube-scheduler"),
    "proxy": Subject("system:kube-proxy"),
    "kubelet": Subject(f"system:node:{NODE_NAME}", groups=("system:nodes",)),
    "coredns": Subject("system:coredns"),
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where each credential is. `certificate` of `service_accounts` is a bare public key."""

    authority: Pair
    etcd_authority: Pair
    etcd_server: Pair
    etcd_client: Pair
    api_server: Pair
    api_server_to_kubelet: Pair
    kubelet_server: Pair
    front_proxy_authority: Pair
    front_proxy_client: Pair
    service_accounts: Pair
    kubeconfigs: dict[str, Path]


def ensure_credentials(state: State, *, server: str, address: str, services: str) -> Credentials:
    """Make what is missing or stale. `server` is the API's URL, `address` what all listen on."""
    cluster = Authority(state.pki, "ca")
    etcd = Authority(state.pki, "etcd-ca")
    front_proxy = Authority(state.pki, "front-proxy-ca")
    first_service = str(ip_network(services)[1])
    api_hosts = tuple(dict.fromkeys((*_API_NAMES, first_service, address)))
    etcd_hosts = tuple(dict.fromkeys(("localhost", "127.0.0.1", address)))
    return Credentials(
        authority=cluster.pair,
        etcd_authority=etcd.pair,
        etcd_server=etcd.ensure_leaf("etcd-server", Subject("etcd", hosts=etcd_hosts)),
        etcd_client=etcd.ensure_leaf("etcd-client", Subject("kube-apiserver")),
        api_server=cluster.ensure_leaf("apiserver", Subject("kube-apiserver", hosts=api_hosts)),
        api_server_to_kubelet=cluster.ensure_leaf(
            "apiserver-kubelet", Subject("kube-apiserver-kubelet", groups=("system:masters",))
        ),
        kubelet_server=cluster.ensure_leaf(
            "kubelet-server", Subject(NODE_NAME, hosts=(NODE_NAME, address))
        ),
        front_proxy_authority=front_proxy.pair,
        front_proxy_client=front_proxy.ensure_leaf("front-proxy", Subject("front-proxy-client")),
        service_accounts=ensure_signing_key(state.pki, "service-accounts"),
        kubeconfigs={
            name: _ensure_kubeconfig(state, cluster, name, subject, server)
            for name, subject in _CLIENTS.items()
        },
    )


def _ensure_kubeconfig(
    state: State, authority: Authority, name: str, subject: Subject, server: str
) -> Path:
    file = state.kubeconfig if name == "admin" else state.config / f"{name}.kubeconfig"
    client = authority.ensure_leaf(f"client-{name}", subject)
    content = render_kubeconfig(
        server=server,
        authority=authority.pair.certificate.read_bytes(),
        certificate=client.certificate.read_bytes(),
        key=client.key.read_bytes(),
        user=subject.name,
    )
    return keep_private(file, content)
