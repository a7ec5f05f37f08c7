"""Why each address of an authority is, or is not, among those that a client hears of."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from linkerd.kube.objects import Key
from linkerd.mesh.addresses import Socket
from linkerd.mesh.authority import ServiceTarget, with_port
from services.destination.debug import reasons
from services.destination.debug.objects import (
    Json,
    cluster_name,
    describe,
    plain,
    reference,
    reference_in,
    target,
)
from services.destination.debug.reasons import Outcome, Traced, TracedSlice
from services.destination.index import Index, MislabelledError, WatchError
from services.destination.index.audiences import Audience, Filter
from services.destination.index.context import Context
from services.destination.index.merged import port_name
from services.destination.index.origins import HOME, Origin, origins_of
from services.destination.index.ports import PortView
from services.destination.index.shares import Share


@dataclass(frozen=True, slots=True)
class Explained:
    """An origin of the endpoints of an authority. One that cannot be read has no slices, and
    `state` says why."""

    origin: Origin
    state: str
    context: Context | None = None
    only: Filter | None = None
    slices: Sequence[TracedSlice] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client that asks now is told: `told` are sockets, or `error` is why it is refused.
    `streams` are open on the same answer, which has changed `version` times at most."""

    told: frozenset[Socket] = frozenset()
    error: str = ""
    streams: int = 0
    version: int = 0


def audience_of(wanted: ServiceTarget, node: str) -> Audience:
    """Who asks for it."""
    return Audience(wanted.hostname, node)


@contextmanager
def asking(index: Index, wanted: ServiceTarget, node: str) -> Iterator[Answer]:
    """Asks as a client does, and hangs up in the end."""
    key, audience = Key(wanted.namespace, wanted.service), audience_of(wanted, node)
    try:
        subscription = index.watch_endpoints(key, wanted.port, audience)
    except WatchError as error:
        yield Answer(error=f"{type(error).__name__}: {error}")
        return
    try:
        view = _view(index, key, wanted.port)
        topic = view.audiences[audience].topic if view is not None else None
        if topic is None:  # not between two awaits
            yield Answer()
        else:
            told = frozenset(at for part in topic.state or () for at in part.addresses)
            yield Answer(told, "", topic.subscribers - 1, topic.version)
    finally:
        subscription.close()


def explain(index: Index, wanted: ServiceTarget, node: str) -> list[Explained]:
    """The origins of an authority, and what became of every endpoint of theirs for a client on
    `node` (or on none that is known)."""
    key = Key(wanted.namespace, wanted.service)
    audience = audience_of(wanted, node)
    try:
        origins = origins_of(
            key, index.home.objects.services.get(key), lambda _part, _problem: None
        )
    except MislabelledError as error:
        return [Explained(Origin(HOME, key), str(error))]
    found = [_explain_origin(index, key, origin, wanted.port, audience) for origin in origins]
    _first_counts(found)
    return found


def _view(index: Index, key: Key, port: int) -> PortView | None:
    view = index.views.get((PortView, key, port))
    return view if isinstance(view, PortView) else None


def _explain_origin(
    index: Index, key: Key, origin: Origin, port: int, audience: Audience
) -> Explained:
    context = index.clusters.get(origin.cluster)
    if context is None:
        announced = index.clusters.is_announced(origin.cluster)
        state = "the cluster has not been read yet" if announced else "the cluster is not linked"
        return Explained(origin, state)
    home = index.home
    zone = home.objects.zones.get(audience.node, "") if audience.node else ""
    view = _view(index, key, port)
    share = view.shares.get(origin) if view is not None else None
    if share is not None:
        only = share.filter_for(audience, zone, ipv6=home.mesh.ipv6)
    else:  # a client would be refused
        unfollowed = Share(context, origin, port, index, lambda: None)
        only = unfollowed.filter_for(audience, zone, ipv6=home.mesh.ipv6)
        for _ in unfollowed.merged.close():  # it is empty
            pass
    slices = reasons.trace(context, origin.service, port, only)
    return Explained(origin, "read", context, only, slices)


def _first_counts(found: Iterable[Explained]) -> None:
    """Of a socket that several origins have, the first one's address counts."""
    seen: dict[Socket, str] = {}
    for item in found:
        mine = {}
        for outcome in reasons.outcomes(item.slices):
            if outcome.address is None or outcome.why:
                continue
            at = outcome.address.socket
            if at in seen:
                outcome.why = f"overshadowed: {seen[at]} has the same socket"
            else:
                mine[at] = _name(item.origin)
        seen.update(mine)


def _name(origin: Origin) -> str:
    key = origin.service
    return f"{key.namespace}/{key.name} of cluster {cluster_name(origin.cluster)}"


def page(index: Index, authority: str, wanted: ServiceTarget, node: str, limit: int) -> Json:
    """The explanation as JSON, with `limit` endpoints at most."""
    with asking(index, wanted, node) as said:
        found = explain(index, wanted, node)
    total = sum(len(item.endpoints) for each in found for item in each.slices)
    zone = index.home.objects.zones.get(node, "") if node else ""
    every = [o for each in found for o in reasons.outcomes(each.slices)]
    listed = {o.address.socket for o in every if o.address is not None and not o.why}
    result: Json = {
        "authority": authority,
        "client": {"node": node, "zone": zone},
        "service": reference_in(index.home.objects.services, Key(wanted.namespace, wanted.service)),
        "answer": {"endpoints": len(said.told), "streams": said.streams, "version": said.version},
        "agrees": bool(said.error) or listed == said.told,
        "in": len(listed),
        "out": sum(1 for outcome in every if outcome.why),
        "origins": [_origin(each, wanted.port) for each in found],
    }
    if said.error:
        result["answer"]["error"] = said.error
    left = limit
    for each, origin in zip(found, result["origins"], strict=True):
        for item, shown in zip(each.slices, origin["slices"], strict=True):
            shown["endpoints"] = [_endpoint(each, item, e) for e in item.endpoints[:left]]
            left -= len(shown["endpoints"])
    result["cut"] = max(total - limit, 0)
    return result


def _origin(each: Explained, port: int) -> Json:
    origin = each.origin
    shown: Json = {
        "cluster": cluster_name(origin.cluster),
        "namespace": origin.service.namespace,
        "service": origin.service.name,
        "state": each.state,
        "slices": [_slice(item) for item in each.slices],
    }
    if each.context is not None:
        services = each.context.objects.services
        shown["wanted_port"] = port_name(services.get(origin.service), port)
        shown["service_object"] = reference_in(services, origin.service)
        shown["filter"] = plain(each.only)
    return shown


def _slice(item: TracedSlice) -> Json:
    ports = [{"name": port.name, "port": port.port} for port in item.slice.ports]
    return reference(item.slice.metadata) | {
        "kind": "EndpointSlice" if item.slice.address_type else "Endpoints",
        "rank": item.rank[0],
        "ports": ports,
        "endpoints": [],
    }


def _endpoint(each: Explained, item: TracedSlice, traced: Traced) -> Json:
    endpoint = traced.endpoint
    made = [o.address for o in traced.outcomes if o.address is not None]
    shown: Json = {
        "addresses": endpoint.addresses,
        "conditions": plain(endpoint.conditions),
        "outcomes": [_outcome(outcome) for outcome in traced.outcomes],
    }
    if each.context is not None and endpoint.target_ref is not None:
        port = made[0].port if made else None
        namespace = item.slice.metadata.namespace
        shown["target"] = target(each.context, namespace, endpoint.target_ref, port)
    return shown


def _outcome(outcome: Outcome) -> Json:
    shown: Json = {"in": not outcome.why}
    if outcome.why:
        shown["why"] = outcome.why
    if outcome.address is not None:
        shown["address"] = with_port(*outcome.address.socket)
        shown |= describe(outcome.address)
    return shown
