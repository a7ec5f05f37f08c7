"""Admission that runs all the time, while something is changed under it."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self

from linkerd.local.api import AdminApi, ApiRefusedError
from linkerd.local.cluster import LocalCluster
from tests.support.eventually import until


class Admitting:
    """Threads that call `create` all the time, until the end of `with`; and what went wrong."""

    def __init__(
        self, cluster: LocalCluster, create: Callable[[AdminApi], object], *, threads: int = 4
    ) -> None:
        self._cluster = cluster
        self._create = create
        self._enough = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads
        self.failures: list[str] = []
        self.admitted = 0

    def __enter__(self) -> Self:
        for _ in range(self._threads):
            self._pool.submit(self._admit)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        self._pool.shutdown()

    def _admit(self) -> None:
        with self._cluster.api() as api:
            while not self._enough.is_set():
                try:
                    self._create(api)
                except ApiRefusedError as error:
                    self.failures.append(str(error))
                self.admitted += 1

    def some_more(self) -> None:
        """Returns when a few more have been admitted than now."""
        target = self.admitted + 10
        until(lambda: self.admitted >= target, "more is admitted")
