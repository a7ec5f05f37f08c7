"""The clusters that answers come from: ours, and those that are linked to it."""

from collections.abc import Iterator

from services.destination.index import subjects as on
from services.destination.index.context import Context
from services.destination.index.origins import HOME


class Clusters:
    """What is known of each cluster. A linked one is announced when its credentials are there, and
    answers from the time that it has been read; what depends on it hears when that changes."""

    def __init__(self, home: Context) -> None:
        self.home = home
        self._linked: dict[str, Context] = {}
        self._announced: set[str] = set()

    def get(self, name: str) -> Context | None:
        """A cluster that has been read: HOME, or by the name of its link."""
        return self.home if name == HOME else self._linked.get(name)

    def is_announced(self, name: str) -> bool:
        """Whether there is such a link, read or not."""
        return name in self._announced

    def announce(self, name: str) -> None:
        """There is a link of that name; its cluster has yet to be read."""
        self._announced.add(name)

    def link(self, name: str, context: Context) -> None:
        """The cluster has been read, or has been read anew: `context` counts from now on."""
        self._announced.add(name)
        self._linked[name] = context
        self.home.dependencies.touch(on.cluster(name))

    def unlink(self, name: str) -> None:
        """The link is gone, and what was known through it."""
        self._announced.discard(name)
        if self._linked.pop(name, None) is not None:
            self.home.dependencies.touch(on.cluster(name))

    def linked(self) -> dict[str, Context]:
        """The linked clusters that have been read, by name."""
        return dict(self._linked)

    def __iter__(self) -> Iterator[Context]:
        yield self.home
        yield from self._linked.values()
