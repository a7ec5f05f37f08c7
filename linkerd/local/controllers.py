"""The controller manager, the scheduler and kube-proxy of a node."""

from pathlib import Path

from linkerd.local.component import Component, Probe, flags, http_probe, https_probe
from linkerd.local.credentials import NODE_NAME, Credentials
from linkerd.local.state import Network

_CONTROLLER_PORT, _SCHEDULER_PORT, _PROXY_PORT = 10257, 10259, 10256


def controller_manager(program: Path, credentials: Credentials, network: Network) -> Component:
    """All of Kubernetes' own controllers. There is one of it, so it needs no election."""
    kubeconfig = credentials.kubeconfigs["controller-manager"]
    authority, serving = credentials.authority, credentials.kubelet_server
    argv = flags(
        program,
        bind_address=network.node_address,
        secure_port=_CONTROLLER_PORT,
        tls_cert_file=serving.certificate,
        tls_private_key_file=serving.key,
        kubeconfig=kubeconfig,
        authentication_kubeconfig=kubeconfig,
        authorization_kubeconfig=kubeconfig,
        root_ca_file=authority.certificate,
        cluster_signing_cert_file=authority.certificate,
        cluster_signing_key_file=authority.key,
        service_account_private_key_file=credentials.service_accounts.key,
        use_service_account_credentials=True,
        cluster_cidr=network.cluster,
        allocate_node_cidrs=False,
        leader_elect=False,
    )
    return Component(
        "kube-controller-manager", argv, _healthy(_CONTROLLER_PORT, credentials, network)
    )


def scheduler(program: Path, credentials: Credentials, network: Network) -> Component:
    """Puts every pod on the one node."""
    kubeconfig, serving = credentials.kubeconfigs["scheduler"], credentials.kubelet_server
    argv = flags(
        program,
        bind_address=network.node_address,
        secure_port=_SCHEDULER_PORT,
        tls_cert_file=serving.certificate,
        tls_private_key_file=serving.key,
        kubeconfig=kubeconfig,
        authentication_kubeconfig=kubeconfig,
        authorization_kubeconfig=kubeconfig,
        leader_elect=False,
    )
    return Component("kube-scheduler", argv, _healthy(_SCHEDULER_PORT, credentials, network))


def kube_proxy(program: Path, credentials: Credentials, network: Network) -> Component:
    """Makes ClusterIPs work, with rules inside the node's network namespace."""
    argv = flags(
        program,
        kubeconfig=credentials.kubeconfigs["proxy"],
        hostname_override=NODE_NAME,
        proxy_mode="iptables",
        cluster_cidr=network.cluster,
        # The table of connections belongs to the host; a namespace may not set its size.
        conntrack_max_per_core=0,
        conntrack_min=0,
        conntrack_tcp_timeout_established="0s",
        conntrack_tcp_timeout_close_wait="0s",
        iptables_min_sync_period="100ms",
        healthz_bind_address=f"{network.node_address}:{_PROXY_PORT}",
        metrics_bind_address="127.0.0.1:10249",
        oom_score_adj=0,
    )
    return Component("kube-proxy", argv, http_probe(network.node_address, _PROXY_PORT, "/healthz"))


def _healthy(port: int, credentials: Credentials, network: Network) -> Probe:
    authority = credentials.authority.certificate
    return https_probe(network.node_address, port, "/healthz", authority=authority)
