"""Whole lists, page by page: for reflectors, and for whoever looks once."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

from linkerd.kube.client import KubeClient
from linkerd.kube.decode import Page, decode_page
from linkerd.kube.errors import TooLarge
from linkerd.kube.quota import Quota
from linkerd.kube.resource import Resource

_TIMEOUT: Final = 60.0  # seconds for one page


class Lister:
    """Lists one resource. A page that is too large is asked for in smaller ones the next time."""

    def __init__(
        self,
        client: KubeClient,
        resource: Resource[Any],
        *,
        size: int | None = None,
        timeout: float = _TIMEOUT,
        quota: Quota | None = None,
    ) -> None:
        """`size`: objects a page, which bounds memory on both sides; `timeout`: seconds a page."""
        self._client = client
        self._resource = resource
        self._size = size or client.limits.page
        self._timeout = timeout
        self._quota = quota or Quota()

    async def pages(self, version: str | None = None) -> AsyncGenerator[Page]:
        """The pages under `version` of the resource, or its preferred one; the next one is fetched
        while its reader works on one. Raises KubeError, TooLarge for a list beyond the client's
        limits. Whoever may leave half-way uses `aclosing`."""
        path = self._resource.path(self._resource.namespace, version=version)
        page = await self._fetch(path, "")
        count = 1
        while token := page.metadata.continue_:
            count += 1
            if count > self._client.limits.pages:
                raise TooLarge(f"{path}: a list of more than {count - 1} pages")
            ahead = asyncio.create_task(self._fetch(path, token), name=f"list {path}")
            try:
                yield page
                page = await ahead
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
        yield page

    async def _fetch(self, path: str, token: str) -> Page:
        query = {**self._resource.selectors, "limit": str(self._size)}
        if token:
            query["continue"] = token
        try:
            body = await self._client.request(
                "GET",
                path,
                query=query,
                accept=self._resource.accept_list,
                timeout=self._timeout,
            )
        except TooLarge:
            self._size = max(1, self._size // 4)  # the objects are larger than others
            raise
        async with self._quota.turn():
            page = decode_page(body)
            if (size := len(page.items or ())) > self._client.limits.objects:
                raise TooLarge(f"{path}: a page of {size} objects")
        return page
