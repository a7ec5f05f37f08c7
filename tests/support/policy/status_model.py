"""What the status of each object should say, worked out from all manifests there are, the slow way.

Nothing here is the product's: it scans, for each object, all the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from services.policy.index.kinds import Kind

Document = dict[str, Any]
Documents = Mapping[Kind, Sequence[Document]]
Parent = tuple[str, str, str, int | None]
"""Kind, namespace, name, port."""
Verdict = tuple[str, bool, str]
"""The type of a condition, whether it holds, its reason."""

CONTROLLER: Final = "linkerd.io/policy-controller"
POLICY: Final = "policy.linkerd.io"
_ORDER: Final = ("GRPCRoute", "HTTPRoute", "TLSRoute", "TCPRoute")
ROUTES: Final = (
    Kind.HTTP_ROUTE,
    Kind.GATEWAY_HTTP_ROUTE,
    Kind.GRPC_ROUTE,
    Kind.TLS_ROUTE,
    Kind.TCP_ROUTE,
)
_KINDS: Final = {
    ("", "service"): "Service",
    ("core", "service"): "Service",
    (POLICY, "server"): "Server",
    (POLICY, "egressnetwork"): "EgressNetwork",
}
NETWORKS: Final[Mapping[str, tuple[list[Document] | None, bool]]] = {
    "all": (None, True),
    "outside": ([{"cidr": "192.0.2.0/24"}], True),
    "inside": ([{"cidr": "192.0.2.0/24"}, {"cidr": "10.1.0.0/16"}], False),
    "around": ([{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}], True),
    "halves": ([{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/9", "10.128.0.0/9"]}], True),
    "half": ([{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/9"]}], False),
}
"""Networks of an EgressNetwork, and whether none is in 10.0.0.0/8."""


class Model:
    """Verdicts about all objects of a cluster whose networks are 10.0.0.0/8."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def of(self, kind: Kind, namespace: str, name: str) -> Any:
        """The verdict about an object: None if there is none of that name."""
        document = self._find(kind, namespace, name)
        if document is None:
            return None
        if kind is Kind.EGRESS_NETWORK:
            return self._of_egress_network(document)
        if kind is Kind.RATE_LIMIT_POLICY:
            return self._of_rate_limit(document)
        return _sorted(
            (parent, tuple(self._of_route(kind, document, parent)))
            for parent in set(_parents(document))
        )

    def all(self) -> Iterator[tuple[Kind, Document, Any]]:
        """Every object that has a verdict."""
        for kind in (*ROUTES, Kind.RATE_LIMIT_POLICY, Kind.EGRESS_NETWORK):
            for document in self._documents.get(kind, ()):
                metadata = document["metadata"]
                yield kind, document, self.of(kind, metadata["namespace"], metadata["name"])

    def _find(self, kind: Kind, namespace: str, name: str) -> Document | None:
        for each in self._documents.get(kind, ()):
            if (each["metadata"]["namespace"], each["metadata"]["name"]) == (namespace, name):
                return each
        return None

    def _of_egress_network(self, network: Document) -> Verdict:
        fine = next(ok for nets, ok in NETWORKS.values() if nets == _plain(network["spec"]))
        return ("Accepted", fine, "Accepted" if fine else "EgressReasonNetworkOverlap")

    def _of_rate_limit(self, policy: Document) -> Verdict:
        target, namespace = policy["spec"]["targetRef"], policy["metadata"]["namespace"]
        if target["kind"] != "Server" or self._state("Server", namespace, target["name"]) is None:
            return ("Accepted", False, "NoMatchingTarget")
        rivals = [
            (each["metadata"].get("creationTimestamp") or "~", each["metadata"]["name"])
            for each in self._documents[Kind.RATE_LIMIT_POLICY]
            if each["metadata"]["namespace"] == namespace
            and (each["spec"]["targetRef"]["kind"], each["spec"]["targetRef"]["name"])
            == (target["kind"], target["name"])
        ]
        if min(rivals)[1] != policy["metadata"]["name"]:
            return ("Accepted", False, "RateLimitReasonAlreadyExists")
        return ("Accepted", True, "Accepted")

    def _state(self, kind: str, namespace: str, name: str) -> bool | None:
        """Whether it can be a parent; None if it is not there."""
        found = self._find(Kind(kind), namespace, name)
        if found is None or (kind == "Server" and found["spec"]["port"] == 0):
            return None
        if kind == "EgressNetwork":
            return self._of_egress_network(found)[1]
        spec = found["spec"]
        headless = spec.get("clusterIP", "") in ("", "None") or spec.get("type") == "ExternalName"
        return kind == "Server" or not headless

    def _of_route(self, kind: Kind, route: Document, parent: Parent) -> Iterator[Verdict]:
        reason = self._refusal(kind, route, parent)
        yield ("Accepted", not reason, reason or "Accepted")
        if parent[0] != "Server":
            problem = self._unresolved(route, parent)
            yield ("ResolvedRefs", not problem, problem or "ResolvedRefs")

    def _refusal(self, kind: Kind, route: Document, parent: Parent) -> str:
        if not self._state(*parent[:3]):
            return "NoMatchingParent"
        if any(
            not match.get("path", {}).get("value", "/").startswith("/")
            for rule in route["spec"].get("rules", ())
            for match in rule.get("matches", ())
        ):
            return "UnsupportedValue"
        if any(rule.get("filters") for rule in route["spec"].get("rules", ())):
            return "IncompatibleFilters"
        annotated = "timeout.linkerd.io/request" in route["metadata"].get("annotations", {})
        if annotated and parent[0] != "Server" and kind not in (Kind.TLS_ROUTE, Kind.TCP_ROUTE):
            return "UnsupportedValue"
        mine = _ORDER.index(_plain_kind(kind))
        rivals = (
            other
            for other_kind in ROUTES
            if _ORDER.index(_plain_kind(other_kind)) < mine
            for other in self._documents.get(other_kind, ())
        )
        taken = any(parent in _parents(other) for other in rivals)
        return "RouteReasonConflicted" if taken else ""

    def _unresolved(self, route: Document, parent: Parent) -> str:
        own = route["metadata"]["namespace"]
        for rule in route["spec"].get("rules", ()):
            for backend in rule.get("backendRefs", ()):
                kind = _KINDS.get((backend.get("group", ""), backend["kind"].lower()))
                at = backend.get("namespace") or own, backend["name"]
                if kind not in ("Service", "EgressNetwork"):
                    return "InvalidKind"
                if self._state(kind, *at) is None:
                    return "BackendNotFound"
                if kind == "EgressNetwork" and parent[:3] != (kind, *at):
                    return "InvalidKind"
        return ""


def _sorted(found: Iterable[Any]) -> list[Any]:
    return sorted(found, key=str)


def _parents(route: Document) -> list[Parent]:
    found: list[Parent] = []
    for each in route["spec"].get("parentRefs", ()):
        kind = _KINDS.get(((each.get("group") or "").lower(), each.get("kind", "").lower()))
        port = each.get("port")
        if kind is None or (port is not None and not 1 <= port <= 65535):
            continue
        namespace = each.get("namespace") or route["metadata"]["namespace"]
        found.append((kind, namespace, each["name"], None if kind == "Server" else port))
    return found


def _plain_kind(kind: Kind) -> str:
    return kind.value.partition(".")[0]


def _plain(spec: Document) -> list[Document] | None:
    networks = spec.get("networks")
    if networks is None:
        return None
    return [{key: value for key, value in each.items() if value} for each in networks]


def written(kind: Kind, document: Document) -> Any:
    """What the status of an object says that is ours, in the model's words."""
    status = document.get("status", {})
    if kind in ROUTES:
        return _sorted(
            (_parent_of(entry["parentRef"]), tuple(map(_verdict, entry["conditions"])))
            for entry in status.get("parents", ())
            if entry["controllerName"] == CONTROLLER
        )
    (accepted,) = [each for each in status["conditions"] if each["type"] == "Accepted"]
    return _verdict(accepted)


def _parent_of(reference: Document) -> Parent:
    assert reference["group"] == ("core" if reference["kind"] == "Service" else POLICY)
    assert "sectionName" not in reference
    port = reference.get("port")
    return reference["kind"], reference["namespace"], reference["name"], port


def _verdict(condition: Document) -> Verdict:
    assert condition["lastTransitionTime"]
    assert isinstance(condition["message"], str)
    return condition["type"], condition["status"] == "True", condition["reason"]
