"""The services as plain processes beside a cluster: what `linkerd dev` starts.

Their flags are those of the Deployments, so that both ways of running stay one; what differs is
where they listen, where their files are and which cluster they look at.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from linkerd.certificates import make_issuer, make_trust_anchor
from linkerd.delivery.install import DOMAIN
from linkerd.delivery.plain_webhooks import ServingFiles
from linkerd.local.files import write_private
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import judge, read_pair
from linkerd.trust.objects import LINKERD_FORM, issuer_keys
from linkerd.trust.paths import Places

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """The certificates of a mesh as files, where identity reads them."""

    anchors: Path
    issuer: Path

    @classmethod
    def ensure(cls, folder: Path) -> "TrustFiles":
        """Those of `folder`; mode 0600. Made anew when they cannot be used, because one is missing,
        does not belong to the others or has ended: nothing outlives them here."""
        files = cls(folder / "ca-bundle.crt", folder / "issuer")
        if not files.are_good():
            anchor = make_trust_anchor(DOMAIN)
            issuer = make_issuer(DOMAIN, anchor)
            write_private(files.issuer / "crt.pem", issuer.certificate_pem)
            write_private(files.issuer / "key.pem", issuer.key_pem)
            write_private(files.anchors, anchor.certificate_pem)
        return files

    def are_good(self) -> bool:
        """Whether identity will take them now."""
        certificate, key = (self.issuer / name for name in issuer_keys(LINKERD_FORM))
        paths = (self.anchors, certificate, key)
        try:
            bundle, chain, private = (path.read_bytes() for path in paths)
            pair = read_pair(bundle, chain, private, Places(*map(str, paths)))
            judge(pair.trust, DOMAIN.identity_service, datetime.now(UTC))
        except (OSError, TrustProblem):
            return False
        return True


@dataclass(frozen=True, slots=True)
class PlainService:
    """One service to start: `argv`, and where it will be and speak which protocol."""

    name: str
    argv: tuple[str, ...]
    protocol: Literal["gRPC", "HTTPS"]
    address: str
    admin_address: str


def plain_services(
    tree: Path, kubeconfig: Path, trust: TrustFiles, serving: ServingFiles
) -> list[PlainService]:
    """Every service that deploy/base runs, in the order of its folders."""
    taken: set[int] = set()
    return [
        _plain(container, kubeconfig, trust, serving, taken)
        for deployment in _deployments(tree)
        for container in deployment["spec"]["template"]["spec"]["containers"]
    ]


def _plain(
    container: dict[str, Any],
    kubeconfig: Path,
    trust: TrustFiles,
    serving: ServingFiles,
    taken: set[int],
) -> PlainService:
    name, *flags = container["args"]
    (admin,) = (_address(port, taken) for port in container["ports"] if _is_admin(port))
    (address,) = (_address(port, taken) for port in container["ports"] if not _is_admin(port))
    protocol: Literal["gRPC", "HTTPS"] = "HTTPS" if name == "validator" else "gRPC"
    own = [f"--kubeconfig={kubeconfig}", f"--admin-addr={admin}", "--lame-duck=0s"]
    if protocol == "gRPC":
        own += [f"--addr={address}", "--enable-reflection=true"]
    if name == "identity":
        own += [f"--issuer={trust.issuer}", f"--trust-anchors={trust.anchors}"]
    if name == "destination":
        own += ["--enable-debug-pages=true", "--enable-linked-clusters=true"]
    if name == "validator":
        own += [f"--https-addr={address}"]
        for prefix in ("", "policy-"):
            own += [f"--{prefix}tls-certificate={serving.certificate}"]
            own += [f"--{prefix}tls-key={serving.key}"]
    # A flag that is given twice has its last value.
    argv = (sys.executable, "-m", f"services.{name}", *flags, *own)
    return PlainService(name, argv, protocol, address, admin)


def _is_admin(port: dict[str, Any]) -> bool:
    return bool(port["name"].endswith("-admin"))


def _address(port: dict[str, Any], taken: set[int]) -> str:
    """Where it listens in its pod, or, as all share one machine, at the next port that is free."""
    number = next(each for each in count(port["containerPort"]) if each not in taken)
    taken.add(number)
    return f"{HOST}:{number}"


def _deployments(tree: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((tree / "deploy" / "base").glob("*/deployment.yaml")):
        yield from (o for o in yaml.safe_load_all(file.read_text()) if o)
