"""`linkerd identity issuer`: which issuer and anchors a control plane has, and what uses them."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import click
from cryptography import x509

from linkerd.check.cluster import Cluster
from linkerd.check.replicas import Replica, replicas
from linkerd.check.trust import Given, read_trust
from linkerd.cli._commands import Command
from linkerd.cli._options import DURATION, output_option
from linkerd.cli._reach import answers
from linkerd.cli._screen import say
from linkerd.cli._target import Target, target_of
from linkerd.runtime.clock import Clock, SystemClock
from linkerd.trust import describe
from linkerd.trust.errors import TrustProblem
from linkerd.trust.judge import judge
from linkerd.trust.objects import ANCHORS, ISSUER

_INTERVAL: Final = 2.0


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: the objects, whether they fit together, and the pods that use them."""

    namespace: str
    given: Given
    problem: str | None
    replicas: Sequence[Replica]
    now: datetime

    @property
    def in_use(self) -> bool:
        """Whether every pod of identity has loaded what the objects hold."""
        return bool(self.replicas) and all(r.difference is None for r in self.replicas)


@click.command("issuer", cls=Command, short_help="Show the issuer and the trust anchors.")
@output_option("text", "json")
@click.option(
    "--wait",
    type=DURATION,
    default="0s",
    show_default=True,
    help="Wait so long until every identity pod has loaded them.",
)
def issuer(output: str, wait: timedelta) -> None:
    """Show the issuer and the trust anchors of a control plane, and when they end.

    They are read from the cluster's Secret and ConfigMap; of the private key nothing is shown.
    Exit code 1 when there are none, when they do not fit together, or when --wait was in vain.
    """
    seconds = wait.total_seconds()
    try:
        view = asyncio.run(_look(target_of(), seconds))
    except TrustProblem as error:
        raise click.ClickException(str(error)) from error
    if output == "json":
        click.echo(_json(view))
    else:
        say("\n".join(_text(view)))
    if view.problem is not None or (seconds > 0 and not view.in_use):
        click.get_current_context().exit(1)


async def _look(target: Target, wait: float) -> View:
    clock = SystemClock()
    deadline = clock.monotonic() + wait
    await answers(target.access)
    async with Cluster(target.access, target.namespace) as cluster:
        while True:
            view = await _view(cluster, clock)
            if view.in_use or clock.monotonic() + _INTERVAL > deadline:
                return view
            await clock.sleep(_INTERVAL)


async def _view(cluster: Cluster, clock: Clock) -> View:
    given, now = await read_trust(cluster), clock.now()
    using = await replicas(cluster, given.trust, now)
    return View(cluster.namespace, given, _problem(given, now), using, now)


def _problem(given: Given, now: datetime) -> str | None:
    try:
        judge(given.trust, given.identity, now)
    except TrustProblem as problem:
        return str(problem)
    return None


def _described(certificate: x509.Certificate) -> dict[str, str]:
    """The facts of a certificate, with the names of the JSON output."""
    return {
        "subject": describe.name(certificate.subject),
        "issuedBy": describe.name(certificate.issuer),
        "serialNumber": f"{certificate.serial_number:x}",
        "key": describe.key_kind(certificate),
        "signature": describe.signature_kind(certificate),
        "notBefore": describe.stamp(certificate.not_valid_before_utc),
        "notAfter": describe.stamp(certificate.not_valid_after_utc),
        "sha256": describe.fingerprint(certificate),
    }


def _json(view: View) -> str:
    said: dict[str, Any] = {
        "namespace": view.namespace,
        "form": view.given.form,
        "issuer": _described(view.given.trust.issuer),
        "intermediates": [_described(each) for each in view.given.trust.intermediates],
        "trustAnchors": [_described(each) for each in view.given.trust.anchors],
        "problem": view.problem,
        "pods": [{"name": r.pod, "inUse": r.difference is None} | _why(r) for r in view.replicas],
    }
    return json.dumps(said, indent=2)


def _why(replica: Replica) -> dict[str, str]:
    return {} if replica.difference is None else {"difference": replica.difference}


def _text(view: View) -> Iterator[str]:
    trust = view.given.trust
    yield f"Issuer: Secret {view.namespace}/{ISSUER} ({view.given.form})"
    yield from _facts(trust.issuer, view.now)
    for number, each in enumerate(trust.intermediates, 1):
        yield f"Intermediate {number} of {len(trust.intermediates)}: in the same Secret"
        yield from _facts(each, view.now)
    for number, each in enumerate(trust.anchors, 1):
        yield f"Trust anchor {number} of {len(trust.anchors)}: ConfigMap {view.namespace}/{ANCHORS}"
        yield from _facts(each, view.now)
    yield f"Leads to a trust anchor: {_answer(view.problem)}"
    yield "In use:" if view.replicas else "In use: no, there are no identity pods"
    yield from (f"  {replica.pod}: {_answer(replica.difference)}" for replica in view.replicas)


def _answer(problem: str | None) -> str:
    return "yes" if problem is None else f"no, {problem}"


def _facts(certificate: x509.Certificate, now: datetime) -> Iterator[str]:
    facts = _described(certificate)
    yield f"  Subject:     {facts['subject']}"
    yield f"  Issued by:   {facts['issuedBy']}"
    yield f"  Key:         {facts['key']}, signed by {facts['signature']}"
    yield f"  Not before:  {facts['notBefore']}"
    yield f"  Not after:   {facts['notAfter']} ({_left(certificate, now)})"
    yield f"  SHA-256:     {facts['sha256']}"


def _left(certificate: x509.Certificate, now: datetime) -> str:
    left = certificate.not_valid_after_utc - now
    if left < timedelta(0):
        return "expired"
    if left.days:
        return f"{left.days} day{'s' if left.days > 1 else ''} left"
    return f"{left.seconds // 3600} h {left.seconds % 3600 // 60} min left"
