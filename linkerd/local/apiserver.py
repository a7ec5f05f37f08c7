"""kube-apiserver, with or without a node behind it."""

from pathlib import Path

from linkerd.local.component import Component, flags, https_probe
from linkerd.local.credentials import Credentials
from linkerd.mesh.names import DEFAULT_DOMAIN, service_name

ISSUER = f"https://{service_name('kubernetes', 'default', DEFAULT_DOMAIN)}"


def apiserver(
    program: Path,
    credentials: Credentials,
    *,
    address: str,
    port: int,
    etcd_port: int,
    services: str,
    scratch: Path,
    api_only: bool,
) -> Component:
    """The API on `address`:`port`, for holders of our certificates and of its own tokens."""
    etcd, front = credentials.etcd_client, credentials.front_proxy_client
    kubelet, accounts = credentials.api_server_to_kubelet, credentials.service_accounts
    argv = flags(
        program,
        bind_address=address,
        secure_port=port,
        advertise_address=address,
        tls_cert_file=credentials.api_server.certificate,
        tls_private_key_file=credentials.api_server.key,
        client_ca_file=credentials.authority.certificate,
        cert_dir=scratch,
        etcd_servers=f"https://{address}:{etcd_port}",
        etcd_cafile=credentials.etcd_authority.certificate,
        etcd_certfile=etcd.certificate,
        etcd_keyfile=etcd.key,
        authorization_mode="Node,RBAC",
        allow_privileged=True,
        service_cluster_ip_range=services,
        service_account_issuer=ISSUER,
        service_account_key_file=accounts.certificate,
        service_account_signing_key_file=accounts.key,
        kubelet_client_certificate=kubelet.certificate,
        kubelet_client_key=kubelet.key,
        kubelet_certificate_authority=credentials.authority.certificate,
        kubelet_preferred_address_types="InternalIP",
        requestheader_client_ca_file=credentials.front_proxy_authority.certificate,
        requestheader_allowed_names="front-proxy-client",
        requestheader_username_headers="X-Remote-User",
        requestheader_group_headers="X-Remote-Group",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        proxy_client_cert_file=front.certificate,
        proxy_client_key_file=front.key,
        **(_WITHOUT_NODE if api_only else _WITH_NODE),
    )
    ready = https_probe(address, port, "/readyz", authority=credentials.authority.certificate)
    return Component("kube-apiserver", argv, ready)


# Without a controller manager nobody makes the service account that every pod would need, and
# a loopback address cannot be an endpoint of the `kubernetes` Service.
_WITHOUT_NODE = {
    "disable_admission_plugins": "ServiceAccount",
    "endpoint_reconciler_type": "none",
}
_WITH_NODE = {"enable_admission_plugins": "NodeRestriction"}
