"""The pages: HTTP in, JSON out, of a bounded size."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from aiohttp import web

from linkerd.kube.objects import Key
from linkerd.kube.reflector_metrics import LOCAL_CLUSTER
from linkerd.mesh.authority import (
    AuthorityError,
    ServiceTarget,
    Target,
    parse_authority,
)
from linkerd.runtime.admin import Page
from services.destination.debug import endpoints, objects, profiles, topics
from services.destination.debug.ages import Age
from services.destination.debug.objects import Json
from services.destination.index import Index, Kind
from services.destination.index.origins import HOME

ROOT: Final = "/debug/"
MAX_BYTES: Final = 4 << 20  # of a body
_LIMIT: Final = 1_000  # entries, unless asked for otherwise
_MAX_LIMIT: Final = 10_000
_PAGES: Final = {
    "topics": "what streams follow: ?service=NAMESPACE/NAME",
    "endpoints": "why an address is or is not in: "
    "?authority=NAME.NAMESPACE.svc.DOMAIN:PORT, and of a client: &node=NODE &hostname=POD",
    "profiles": "what GetProfile says and why: ?authority=NAME or IP:PORT, and of a client: &ns=",
    "objects": "what is known of objects: ?kind=Pod&namespace=NAMESPACE&name=NAME &cluster=LINK",
}


class _QueryError(ValueError):
    """The query does not say what is asked for. The message tells how to say it."""


class _MissingError(LookupError):
    """There is no such thing."""


class _TooLargeError(Exception):
    """Even with nothing listed the page is too large."""


class DebugPages:
    """Pages about `index`. `ages` tells how old what is known may be."""

    def __init__(
        self, index: Index, cluster_domain: str, ages: Callable[[], Iterable[Age]]
    ) -> None:
        self._index = index
        self._cluster_domain = cluster_domain
        self._ages = ages

    def pages(self) -> Mapping[str, Page]:
        """By path, for an admin server."""
        return {
            ROOT: _served(self._list),
            f"{ROOT}topics": _served(self._topics),
            f"{ROOT}endpoints": _served(self._endpoints),
            f"{ROOT}profiles": _served(self._profile),
            f"{ROOT}objects": _served(self._objects),
        }

    def _list(self, _query: Mapping[str, str], _limit: int) -> Json:
        ages: Json = {}
        for age in self._ages():
            ages.setdefault(age.cluster, {})[age.resource] = round(age.seconds, 1)
        pages = {ROOT + name: what for name, what in _PAGES.items()}
        return {"pages": pages, "topics": self._index.topics(), "age_seconds": ages}

    def _topics(self, query: Mapping[str, str], limit: int) -> Json:
        service = query.get("service")
        if service is None:
            return topics.page(self._index, limit)
        namespace, slash, name = service.partition("/")
        if not slash:
            raise _QueryError("service: write NAMESPACE/NAME")
        return topics.page(self._index, limit, Key(namespace, name))

    def _endpoints(self, query: Mapping[str, str], limit: int) -> Json:
        authority = _required(query, "authority")
        target = self._target(authority)
        if not isinstance(target, ServiceTarget):
            raise _QueryError("authority: an IP has a profile; endpoints are those of a service")
        hostname = query.get("hostname") or target.hostname
        target = ServiceTarget(target.namespace, target.service, target.port, hostname)
        return endpoints.page(self._index, authority, target, query.get("node", ""), limit)

    def _profile(self, query: Mapping[str, str], _limit: int) -> Json:
        authority = _required(query, "authority")
        return profiles.page(self._index, authority, self._target(authority), query.get("ns", ""))

    def _objects(self, query: Mapping[str, str], limit: int) -> Json:
        kind = _kind(_required(query, "kind"))
        asked = query.get("cluster", LOCAL_CLUSTER)
        cluster = HOME if asked == LOCAL_CLUSTER else asked
        context = self._index.clusters.get(cluster)
        if context is None:
            raise _MissingError(f"cluster {asked[:100]!r} is not linked, or has not been read yet")
        known = objects.known(context.objects, kind)
        head: Json = {"kind": kind.value, "cluster": asked, "total": len(known)}
        resource = objects.PLURALS[kind]
        for age in self._ages():
            if (age.cluster, age.resource) == (asked, resource):
                head["age_seconds"] = round(age.seconds, 1)
        name, namespace = query.get("name"), query.get("namespace")
        if name is None:
            keys = sorted(k for k in known if namespace in (None, k.namespace))
            names = [{"namespace": key.namespace, "name": key.name} for key in keys[:limit]]
            return head | {"names": names, "cut": max(len(keys) - limit, 0)}
        key = Key(namespace or "", name)
        if key not in known:
            where = f"{key.namespace}/{key.name}" if key.namespace else key.name
            raise _MissingError(f"no {kind.value} {where[:200]} is known")
        return head | {"object": objects.plain(known[key])}

    def _target(self, authority: str) -> Target:
        try:
            return parse_authority(authority, self._cluster_domain)
        except AuthorityError as error:
            raise _QueryError(str(error)) from None


def _served(make: Callable[[Mapping[str, str], int], Json]) -> Page:
    async def page(request: web.Request) -> web.Response:
        try:
            return _answer(200, _bounded(make, request.query))
        except _QueryError as error:
            return _answer(400, _encode({"error": str(error)}))
        except _MissingError as error:
            return _answer(404, _encode({"error": str(error)}))
        except _TooLargeError as error:
            return _answer(413, _encode({"error": str(error)}))

    return page


def _bounded(make: Callable[[Mapping[str, str], int], Json], query: Mapping[str, str]) -> bytes:
    """The page, with as many entries as fit."""
    limit = _limit(query.get("limit"))
    while len(body := _encode(make(query, limit))) > MAX_BYTES:
        if not limit:
            raise _TooLargeError(f"this takes {len(body)} bytes; pages have {MAX_BYTES} at most")
        limit //= 4
    return body


def _limit(text: str | None) -> int:
    if text is None:
        return _LIMIT
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _QueryError(f"limit: write a number from 0 to {_MAX_LIMIT}")
    return min(int(text), _MAX_LIMIT)


def _required(query: Mapping[str, str], name: str) -> str:
    text = query.get(name)
    if not text:
        raise _QueryError(f"{name} is missing; {ROOT} lists what pages take")
    return text


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        kinds = ", ".join(sorted(kind.value for kind in Kind))
        raise _QueryError(f"kind: one of {kinds}") from None


def _encode(document: Json) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def _answer(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
