"""A peer that speaks the list and watch protocol, and reviews tokens, under a test's control.

Real HTTP on loopback, a real history with resource versions, and the misbehaviour that a real API
server shows only under conditions that a test cannot order: compaction between two pages, a
continue token that expires, an event cut in half, an answer of 429, an object that no client can
decode. What a healthy server does is tested against a real one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import yaml
from aiohttp import web

Document = dict[str, Any]
Refusal = tuple[int, Document, Mapping[str, str]]
"""Status, body and headers."""

_REVIEWS: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_EXPIRED: Final = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}


class ApiPeer:
    """One collection at `/api/v1/pods`; `async with ApiPeer() as peer:` serves at `peer.url`.

    Every token is good; a review takes `review_seconds`, and does not end while `hangs`.
    """

    def __init__(self) -> None:
        self.version = 1
        self.objects: dict[str, Document] = {}
        self.lists = 0  # first pages served
        self.pages = 0
        self.watches: list[str] = []  # the version that each watch began at
        self.queries: list[Mapping[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.refusals: list[Refusal] = []  # for coming requests
        self.reviews = 0
        self.review_seconds = 0.0
        self.hangs = False
        self.expired_tokens = 0  # how many coming continue tokens are answered with 410
        self.asked_for: Counter[str] = Counter()  # requests, by path
        self._said: list[tuple[int | None, bytes]] = []  # version of an event, None for the rest
        self._compacted = 0
        self._disowned = 0
        self._disowning: Refusal = (0, {}, {})
        self._disowning_late = False
        self._pages: dict[str, tuple[int, list[Document]]] = {}
        self._epoch = 0
        self._ends: dict[int, int] = {}  # how much of `_said` the watches of an epoch get
        self._changed = asyncio.Event()
        self._asked = asyncio.Event()
        self._runner: web.AppRunner
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/api/v1/pods", self._serve)
        app.router.add_post(_REVIEWS, self._review)
        app.router.add_get("/readyz", self._ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end_watches()
        await self._runner.cleanup()

    def kubeconfig(self, directory: Path, *, token: str = "") -> Path:
        """A kubeconfig, in `directory`, that leads here."""
        user = {"token": token} if token else {}
        content = {
            "current-context": "peer",
            "contexts": [{"name": "peer", "context": {"cluster": "peer", "user": "peer"}}],
            "clusters": [{"name": "peer", "cluster": {"server": self.url}}],
            "users": [{"name": "peer", "user": user}],
        }
        path = directory / "kubeconfig.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def put(self, name: str, **fields: Any) -> None:
        """Creates or changes an object; fields go beside its metadata, as they are."""
        old = self.objects.get(name)
        uid = old["metadata"]["uid"] if old else f"uid-{self.version + 1}"
        self._next_version()
        meta = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(self.version)}
        self.objects[name] = {"metadata": meta, **fields}
        self._record("MODIFIED" if old else "ADDED", self.objects[name])

    def delete(self, name: str) -> None:
        """Deletes an object, if it is there."""
        if (old := self.objects.pop(name, None)) is not None:
            self._next_version()
            meta = {**old["metadata"], "resourceVersion": str(self.version)}
            self._record("DELETED", {**old, "metadata": meta})

    def bookmark(self) -> None:
        """Tells watches how far the collection has got; moves the version, as other collections'
        writes do."""
        self._next_version()
        document = {"metadata": {"resourceVersion": str(self.version), "creationTimestamp": None}}
        self.say(json.dumps({"type": "BOOKMARK", "object": document}).encode() + b"\n")

    def compact(self) -> None:
        """Forgets history: whoever asks for a version before the present one gets a 410."""
        self._compacted = self.version

    def expire_watches(self) -> None:
        """Forgets history, tells open watches that they are too late, and ends them."""
        self._next_version()  # somebody wrote elsewhere meanwhile, or nobody would be late
        self.compact()
        self.say(json.dumps({"type": "ERROR", "object": _EXPIRED}).encode() + b"\n")
        self.end_watches()

    def disown(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        late: bool = False,
    ) -> None:
        """Refuses from now on every watch from the present version or one before it, after an end
        of the watches that are open. `late`: in the watch itself, by an ERROR event."""
        body = {"kind": "Status", "code": status, "reason": "Because", "message": message}
        self._disowned, self._disowning = self.version, (status, body, headers)
        self._disowning_late = late
        self._next_version()  # lists will show another one
        self.end_watches()

    def say(self, data: bytes) -> None:
        """Writes these bytes to every watch that is open now."""
        self._said.append((None, data))
        self._changed.set()

    def end_watches(self) -> None:
        """Ends every open watch's answer; it says nothing of what happens from now on."""
        self._ends[self._epoch] = len(self._said)
        self._epoch += 1
        self._changed.set()

    def refuse(self, status: int, reason: str = "", **headers: str) -> None:
        """Answers one coming request with this status."""
        body = {"kind": "Status", "code": status, "reason": reason, "message": f"refused {reason}"}
        self.refusals.append((status, body, headers))

    async def until_watched(self, times: int = 1, timeout: float = 20.0) -> None:
        """Returns once that many watches were asked for, refused ones included. What is said
        from then on reaches the last of them."""
        async with asyncio.timeout(timeout):
            while len(self.watches) < times:
                self._asked.clear()
                await self._asked.wait()

    def _next_version(self) -> None:
        self.version += 1

    def _record(self, kind: str, document: Document) -> None:
        line = json.dumps({"type": kind, "object": document}).encode() + b"\n"
        self._said.append((self.version, line))
        self._changed.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked_for[request.path] += 1
        self.queries.append(dict(request.query))
        self.headers.append(dict(request.headers))
        if self.refusals:
            status, body, headers = self.refusals.pop(0)
            return web.json_response(body, status=status, headers=headers)
        if request.query.get("watch") == "true":
            return await self._watch(request)
        return self._list(request)

    async def _ready(self, request: web.Request) -> web.Response:
        self.asked_for[request.path] += 1
        return web.Response(status=self.refusals[0][0] if self.refusals else 200)

    async def _review(self, request: web.Request) -> web.Response:
        self.reviews += 1
        asked = json.loads(await request.read())["spec"]
        if self.hangs:
            await asyncio.Event().wait()  # until the asker gives up
        await asyncio.sleep(self.review_seconds)
        user = {"username": "system:serviceaccount:shop:web"}
        status = {"authenticated": True, "user": user, "audiences": asked.get("audiences", [])}
        return web.json_response({"kind": "TokenReview", "status": status}, status=201)

    def _list(self, request: web.Request) -> web.Response:
        self.pages += 1
        token = request.query.get("continue", "")
        if not token:
            self.lists += 1
            version, items = self.version, [self.objects[name] for name in sorted(self.objects)]
        elif self.expired_tokens or token not in self._pages:
            self.expired_tokens = max(0, self.expired_tokens - 1)
            return web.json_response(_EXPIRED, status=410)
        else:
            version, items = self._pages[token]
        limit = int(request.query.get("limit", "0")) or len(items)
        meta = {"resourceVersion": str(version)}
        if rest := items[limit:]:
            meta["continue"] = f"{version}-{len(rest)}"
            self._pages[meta["continue"]] = (version, rest)
        return web.json_response({"kind": "PodList", "metadata": meta, "items": items[:limit]})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        self.watches.append(request.query["resourceVersion"])
        self._asked.set()
        epoch, position = self._epoch, len(self._said)
        if since < self._compacted:
            return web.json_response(_EXPIRED, status=410)
        if since <= self._disowned:
            return self._disown_watch()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with suppress(ConnectionError):
            missed = [line for version, line in self._said[:position] if (version or 0) > since]
            await response.write(b"".join(missed))
            await self._follow(response, epoch, position)
        return response

    def _disown_watch(self) -> web.Response:
        status, body, headers = self._disowning
        if self._disowning_late:
            line = json.dumps({"type": "ERROR", "object": body}) + "\n"
            return web.Response(text=line, content_type="application/json")
        return web.json_response(body, status=status, headers=headers)

    async def _follow(self, response: web.StreamResponse, epoch: int, position: int) -> None:
        while True:
            self._changed.clear()
            end = self._ends.get(epoch)
            news = [line for _, line in self._said[position:end]]
            position += len(news)
            if news:
                await response.write(b"".join(news))
            if end is not None:
                return
            await self._changed.wait()
