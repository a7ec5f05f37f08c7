"""Which cluster is meant, and as whom it is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from linkerd.kube.errors import ConfigError


def is_header_value(text: str) -> bool:
    """Whether HTTP can carry it."""
    return text.isascii() and text.isprintable()


@dataclass(frozen=True, slots=True)
class Access:
    """What people say with the flags that kubectl has too; what is left out is as kubectl has it.

    `user` and `groups` are whom the API server is to take us for (impersonation).
    """

    kubeconfig: Path | None = None
    context: str | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ConfigError for a name that cannot be told."""
        for name, value in self.headers():
            if not is_header_value(value):
                raise ConfigError(f"{name}: {value!r} has characters that no header can have")

    def headers(self) -> Iterator[tuple[str, str]]:
        """Headers of every request; a name may come several times."""
        if self.user is not None:
            yield "Impersonate-User", self.user
        yield from (("Impersonate-Group", group) for group in self.groups)

    def flags(self) -> Iterator[str]:
        """The same for kubectl."""
        if self.kubeconfig is not None:
            yield f"--kubeconfig={self.kubeconfig}"
        if self.context is not None:
            yield f"--context={self.context}"
        if self.user is not None:
            yield f"--as={self.user}"
        yield from (f"--as-group={group}" for group in self.groups)
