"""Kubeconfigs that come out of a Secret instead of the operator's own disk.

Whoever may write that Secret must not thereby run programs or read files here, so such a kubeconfig
holds everything in itself: no exec or auth provider plugins, no paths. And its token or key goes
over TLS or not at all.
"""

from collections.abc import Mapping
from typing import Any, Final

import yaml

from linkerd.kube.errors import ConfigError

_MAX_BYTES: Final = 128 * 1024  # with certificates it takes some 10 KiB; parsing this, 0.7 s
_PLUGINS: Final = ("exec", "auth-provider")
_FILES: Final = ("tokenFile", "client-certificate", "client-key", "certificate-authority")


def parse_inline_kubeconfig(text: bytes) -> dict[str, Any]:
    """The kubeconfig as a dictionary. Raises ConfigError, which never quotes the text."""
    if len(text) > _MAX_BYTES:
        raise ConfigError(f"the kubeconfig has {len(text)} bytes; at most {_MAX_BYTES} are read")
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"the kubeconfig is not YAML ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise ConfigError("the kubeconfig is not a mapping; write `kind: Config` and its fields")
    for section, key in (("users", "user"), ("clusters", "cluster")):
        for entry in _entries(document, section):
            _check(section, entry, key)
    return document


def _entries(document: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    entries = document.get(section) or []
    if not isinstance(entries, list) or not all(isinstance(item, dict) for item in entries):
        raise ConfigError(f"the kubeconfig's {section} are not a list of mappings")
    return entries


def _check(section: str, entry: Mapping[str, Any], key: str) -> None:
    content = entry.get(key) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"the kubeconfig's {section}: {key} is not a mapping")
    for name in (*_PLUGINS, *_FILES):
        if content.get(name):
            raise ConfigError(
                f"the kubeconfig's {section}: {name} is not allowed in a Secret; "
                "put a token, or the certificates' data, into it"
            )
    server = content.get("server")
    if key == "cluster" and not str(server or "").startswith("https://"):
        raise ConfigError("the kubeconfig's clusters: server must begin with https://")
