"""What streams follow at the moment."""

from collections.abc import Iterator
from typing import Any

from linkerd.index import View
from linkerd.kube.objects import Key
from linkerd.streams import Topic
from services.destination.debug.objects import Json, cluster_name
from services.destination.index import Index
from services.destination.index.origins import Origin
from services.destination.index.ports import AudienceTopic, PortView
from services.destination.index.profiles import (
    InstanceProfileView,
    ServiceProfileView,
    SocketProfileView,
)


def page(index: Index, limit: int, service: Key | None = None) -> Json:
    """All topics (those of a service), `limit` of them at most."""
    found = [topic for view in index.views.values() for topic in _topics(view)]
    if service is not None:
        where = {"namespace": service.namespace, "service": service.name}
        found = [topic for topic in found if where.items() <= topic.items()]
    found.sort(key=_order)
    return {
        "topics": found[:limit],
        "streams": sum(topic["subscribers"] for topic in found),
        "behind": sum(topic["behind"] for topic in found),
        "total": len(found),
        "cut": max(len(found) - limit, 0),
    }


def _order(topic: Json) -> tuple[object, ...]:
    names = ("kind", "namespace", "service", "ip", "hostname", "node", "client")
    return *(topic.get(name, "") for name in names), topic["port"]


def _topics(view: View) -> Iterator[Json]:
    match view:
        case PortView():
            for entry in view.audiences.values():
                yield _endpoints(view, entry)
        case ServiceProfileView():
            yield (
                _named("service-profile", view.key)
                | {
                    "port": view.port,
                    "client": view.client,
                }
                | _state(view.topic)
            )
        case InstanceProfileView():
            yield (
                _named("instance-profile", view.key)
                | {
                    "port": view.port,
                    "hostname": view.hostname,
                }
                | _state(view.topic)
            )
        case SocketProfileView():
            yield {
                "kind": "socket-profile",
                "ip": view.ip,
                "port": view.port,
                "client": view.client,
            } | _state(view.topic)


def _endpoints(view: PortView, entry: AudienceTopic) -> Json:
    state = entry.topic.state or ()
    zones = sorted({part.zone for part in state if part.zone})
    return (
        _named("endpoints", view.key)
        | {
            "port": view.port,
            "hostname": entry.audience.hostname,
            "node": entry.audience.node,
            "zone": zones[0] if zones else "",
            "endpoints": sum(len(part.addresses) for part in state),
            "origins": [
                _origin(part.origin, len(part.addresses))
                for part in state
                if isinstance(part.origin, Origin)
            ],
        }
        | _state(entry.topic)
    )


def _origin(origin: Origin, endpoints: int) -> Json:
    key = origin.service
    return {
        "cluster": cluster_name(origin.cluster),
        "namespace": key.namespace,
        "service": key.name,
        "endpoints": endpoints,
    }


def _named(kind: str, key: Key) -> Json:
    return {"kind": kind, "namespace": key.namespace, "service": key.name}


def _state(topic: Topic[Any]) -> Json:
    return {
        "version": topic.version,
        "subscribers": topic.subscribers,
        "in_step": topic.in_step,
        "behind": topic.subscribers - topic.in_step,
    }
