"""What is said of odd workloads: a line each, and another only when something else is wrong."""

from typing import Final

from cachetools import LRUCache

from linkerd.kube.objects import ExternalWorkload, Key
from linkerd.runtime.logs import get_logger
from linkerd.runtime.metrics import PlainCount

_log: Final = get_logger(__name__)
_REMEMBERED: Final = 10_000


class Complaints:
    """Remembers what was said of which workload, for the last 10,000 of them."""

    def __init__(self, count: PlainCount) -> None:
        self._said: LRUCache[tuple[Key, str], str] = LRUCache(_REMEMBERED)
        self._count = count

    def about(self, workload: ExternalWorkload, part: str, problem: str) -> None:
        """Logs a problem of a part of a workload, unless that was the last thing said of it."""
        key = workload.metadata.key
        if self._said.get((key, part)) == problem:
            return
        self._said[key, part] = problem
        self._count.inc()
        _log.warning(
            "external workload cannot be used as it is",
            namespace=key.namespace,
            name=key.name,
            error=f"{part}: {problem}",
        )
