"""How an issuer leads to a trust anchor, or why it does not.

The walk is our own, because the verifier at hand refuses roots that proxies, Go and openssl take
(X.509 version 1, Ed25519) and does not say which certificate is at fault. It goes up from the
issuer: whoever has the name of a certificate's issuer and the key that signed it is above it, and
must be an authority that is valid now, for all that is below. Trust anchors end the walk. What is
required is what the strictest of those who verify requires, so whoever they are, they agree.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from cryptography import x509

from linkerd.trust import names, rules
from linkerd.trust.describe import describe, name
from linkerd.trust.errors import TrustProblem
from linkerd.trust.facts import Facts, Window

_MAX_AUTHORITIES: Final = 6
"""Between a leaf and its anchor; proxies follow no longer way."""

_MAX_STEPS: Final = 500
"""Certificates that sign each other in many ways could keep the walk busy for ever."""

_MAX_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Places:
    """How messages name the sources of what is judged: files, or objects and their keys."""

    anchors: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a mesh trusts: the issuer, what follows it in its file, and the trust anchors."""

    issuer: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    anchors: tuple[x509.Certificate, ...]
    places: Places


@dataclass(frozen=True, slots=True)
class Path:
    """From the issuer to an anchor, both included, and when all of it is valid."""

    certificates: tuple[x509.Certificate, ...]
    window: Window


def find_path(trust: Trust, identity: str, now: datetime) -> Path:
    """The way that a leaf for `identity` is verified by. Raises TrustProblem, which says what is in
    the way: at the issuer, or at each certificate that could be above it."""
    return _Walk(trust, identity, now).find()


class _Walk:
    def __init__(self, trust: Trust, identity: str, now: datetime) -> None:
        self._places = trust.places
        self._issuer = Facts.of(trust.issuer)
        self._intermediates = [Facts.of(each) for each in trust.intermediates]
        self._anchors = [Facts.of(each) for each in trust.anchors]
        self._identity = identity
        self._now = now
        self._steps = 0
        self._obstacles: dict[str, TrustProblem] = {}

    def find(self) -> Path:
        own = self._own_problem(self._issuer, [])
        if own is not None:
            raise TrustProblem(
                self._places.certificate, f"the issuer {describe(self._issuer.certificate)} {own}"
            )
        for path in self._ways([self._issuer]):
            certificates = tuple(facts.certificate for facts in path)
            return Path(certificates, Window.common(certificates))
        raise self._failure()

    def _ways(self, path: list[Facts]) -> Iterator[list[Facts]]:
        """Every way on from the end of `path`, whose members are fine already."""
        self._steps += 1
        if path[-1].certificate in (anchor.certificate for anchor in self._anchors):
            yield path
        if len(path) > _MAX_AUTHORITIES or self._steps > _MAX_STEPS:
            self._note(self._places.certificate, _TOO_LONG)
            return
        above = [facts for facts in self._above(path) if self._is_fine(facts, path)]
        yield from ([*path, anchor] for anchor in above if anchor in self._anchors)
        for authority in above:
            if authority in self._intermediates:
                yield from self._ways([*path, authority])

    def _above(self, path: list[Facts]) -> Iterator[Facts]:
        """Who signed the end of `path`, of all that could."""
        child = path[-1]
        known = [*self._anchors, *self._intermediates]
        namesakes = [f for f in known if f.certificate.subject == child.certificate.issuer]
        if not namesakes:
            self._note(self._places.certificate, self._missing(child))
        signers = [facts for facts in namesakes if child.is_signed_by(facts)]
        for other in namesakes:
            if other not in signers:
                self._note(self._place(other), self._wrong_key(child, other))
        walked = {facts.certificate for facts in path}
        yield from (facts for facts in signers if facts.certificate not in walked)

    def _is_fine(self, facts: Facts, path: list[Facts]) -> bool:
        """Whether it may be above `path`; what speaks against it is kept."""
        child = path[-1]
        if (problem := self._own_problem(facts, path)) is not None:
            self._note(self._place(facts), f"{self._called(facts)} {problem}")
        elif (problem := rules.signature_by(child, facts)) is not None:
            self._note(self._places.certificate, f"{self._called(child)} {problem}")
        return problem is None

    def _own_problem(self, facts: Facts, below: Sequence[Facts]) -> str | None:
        listed = facts in self._anchors
        return rules.first_problem(
            facts,
            (
                rules.understood,
                lambda f: rules.validity(f.certificate, self._now),
                rules.key,
                rules.is_anchor if listed else rules.is_authority,
                rules.usages,
                partial(rules.path_length, below=len(below)),
                partial(names.constraints, below=below, identity=self._identity),
            ),
        )

    def _note(self, where: str, problem: str) -> None:
        self._obstacles.setdefault(problem, TrustProblem(where, problem))

    def _failure(self) -> TrustProblem:
        """What was in the way, in the order in which the walk came upon it."""
        found = list(self._obstacles.values())
        if not found:
            found = [TrustProblem(self._places.certificate, _TANGLED)]
        shown = found[:_MAX_SHOWN]
        first = shown[0]
        issuer = describe(self._issuer.certificate)
        more = [f"; {problem}" for problem in shown[1:]]
        return TrustProblem(
            first.where,
            f"no trust anchor verifies leaves of the issuer {issuer}: "
            f"{first.problem}{''.join(map(str, more))}",
        )

    def _place(self, facts: Facts) -> str:
        return self._places.anchors if facts in self._anchors else self._places.certificate

    def _called(self, facts: Facts) -> str:
        kind = "the trust anchor" if facts in self._anchors else "the intermediate"
        if facts is self._issuer:
            kind = "the issuer"
        return f"{kind} {describe(facts.certificate)}"

    def _missing(self, child: Facts) -> str:
        wanted = name(child.certificate.issuer)
        if child.is_signed_by(child):
            return (
                f"{self._called(child)} is a root and no trust anchor: "
                f"add it to {self._places.anchors}, or have an issuer signed by an anchor there"
            )
        roots = ", ".join(name(a.certificate.subject) for a in self._anchors[:_MAX_SHOWN])
        return (
            f"{self._called(child)} was issued by {wanted}, which is "
            f"neither a trust anchor in {self._places.anchors} (there: {roots}) nor an "
            f"intermediate in {self._places.certificate}: append the certificate of {wanted} to "
            f"{self._places.certificate} if it is an intermediate, or to {self._places.anchors} "
            "if it is the root"
        )

    def _wrong_key(self, child: Facts, other: Facts) -> str:
        return (
            f"{self._called(other)} has the name of whoever issued "
            f"{name(child.certificate.subject)}, but not the key that signed it. Put the root that "
            f"signed it into {self._places.anchors}, or an issuer that this one signed into "
            f"{self._places.certificate}"
        )


_TOO_LONG: Final = (
    f"more than {_MAX_AUTHORITIES} authorities stand between a leaf and the root: proxies follow "
    "no longer way"
)
_TANGLED: Final = (
    "its certificates sign each other and lead nowhere: keep the issuer and the intermediates "
    "between it and the root, in their order"
)
