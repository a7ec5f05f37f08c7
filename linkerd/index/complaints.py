"""Complaints about objects, each made once.

An object that is malformed stays so through many recomputations; its owner wants one line, and
another only when what is wrong with it changes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from linkerd.runtime.logs import get_logger

_log: Final = get_logger(__name__)
_REMEMBERED: Final = 10_000
_PARTS: Final = 50  # of an object; an odd one may have thousands
_LONGEST: Final = 500  # characters of a problem, which may quote the object
_LINES: Final = 1_000  # of a linked cluster, whose owner may make as many odd objects as he likes


@dataclass(slots=True)
class Tally:
    """How many complaints there were, and how many errors of our own."""

    complaints: int = 0
    failures: int = 0


class Complaints:
    """Remembers what was said of which object of a cluster, for the last 10,000 of them. `cluster`
    is the name of its link, empty for ours; of such a one 1,000 complaints are logged, and all are
    counted. `tally` may be shared with other clusters. `message` is what every line says."""

    def __init__(
        self,
        cluster: str = "",
        tally: Tally | None = None,
        *,
        message: str = "object is malformed",
    ) -> None:
        self._said: LRUCache[tuple[str, str, str], dict[str, str]] = LRUCache(_REMEMBERED)
        self._log = _log.bind(cluster=cluster) if cluster else _log
        self.tally = tally or Tally()
        self._message = message
        self._linked = bool(cluster)
        self._lines = 0

    def about(self, kind: str, namespace: str, name: str, part: str, problem: str) -> bool:
        """Logs `problem` of a part of an object, saying what happens now, unless that was the last
        thing said of it. Whether it was not."""
        said = self._said.setdefault((kind, namespace, name), {})
        problem = problem[:_LONGEST]
        if said.get(part) == problem or (part not in said and len(said) >= _PARTS):
            return False
        said[part] = problem
        self.tally.complaints += 1
        self._lines += 1
        if self._linked and self._lines > _LINES:
            return True
        error = f"{part}: {problem}"
        self._log.warning(self._message, kind=kind, namespace=namespace, name=name, error=error)
        if self._linked and self._lines == _LINES:
            self._log.warning("no more malformed objects of this cluster are logged")
        return True

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone."""
        self._said.pop((kind, namespace, name), None)

    @contextmanager
    def guarding(self, key: object) -> Iterator[None]:
        """Confines a mistake of ours to the object or answer that met it: the error is logged, and
        what was known before stays."""
        try:
            yield
        except Exception:  # noqa: BLE001  # anything that a strange object may provoke
            self.tally.failures += 1
            self._log.exception("index failed; what was known before stays", key=str(key))
