"""A recorder of Kubernetes Events that only keeps them, for tests of what is said."""

from dataclasses import dataclass, field

from linkerd.kube.recorder import ObjectRef


@dataclass
class SaidEvents:
    """What was recorded: (object, type, reason, message), in order."""

    said: list[tuple[ObjectRef, str, str, str]] = field(default_factory=list)

    def record(self, about: ObjectRef, type_: str, reason: str, message: str) -> None:
        self.said.append((about, type_, reason, message))

    @property
    def reasons(self) -> list[str]:
        """The reasons, in order."""
        return [reason for _, _, reason, _ in self.said]

    @property
    def messages(self) -> list[str]:
        """The messages, in order."""
        return [message for *_, message in self.said]
