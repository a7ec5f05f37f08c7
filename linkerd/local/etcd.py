"""etcd: the store below the API server, reached by it alone."""

from pathlib import Path

from linkerd.local.component import Component, flags, https_probe
from linkerd.local.credentials import Credentials


def etcd(
    program: Path, credentials: Credentials, *, data: Path, address: str, client: int, peer: int
) -> Component:
    """One member that listens on `address` with mutual TLS.

    It does not wait for the disk: what it loses when the machine (not the process) dies is a
    development cluster, and every write is some milliseconds faster.
    """
    client_url, peer_url = f"https://{address}:{client}", f"https://{address}:{peer}"
    authority, server = credentials.etcd_authority.certificate, credentials.etcd_server
    argv = flags(
        program,
        name="local",
        data_dir=data,
        unsafe_no_fsync=True,
        listen_client_urls=client_url,
        advertise_client_urls=client_url,
        client_cert_auth=True,
        trusted_ca_file=authority,
        cert_file=server.certificate,
        key_file=server.key,
        listen_peer_urls=peer_url,
        initial_advertise_peer_urls=peer_url,
        initial_cluster=f"local={peer_url}",
        peer_client_cert_auth=True,
        peer_trusted_ca_file=authority,
        peer_cert_file=server.certificate,
        peer_key_file=server.key,
    )
    ready = https_probe(
        address, client, "/health", authority=authority, client=credentials.etcd_client
    )
    return Component("etcd", argv, ready)
