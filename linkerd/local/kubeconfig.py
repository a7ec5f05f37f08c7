"""Render a kubeconfig that needs no other file."""

import base64

import yaml


def render_kubeconfig(
    *, server: str, authority: bytes, certificate: bytes, key: bytes, user: str
) -> str:
    """A kubeconfig (YAML) for one user of one cluster; the three byte strings are PEM."""
    cluster = {"server": server, "certificate-authority-data": _encode(authority)}
    credentials = {"client-certificate-data": _encode(certificate), "client-key-data": _encode(key)}
    name = "linkerd-local"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False)


def _encode(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
