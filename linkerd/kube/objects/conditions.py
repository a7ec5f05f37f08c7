"""Conditions of a status, whole: what other controllers wrote is written back as it was."""

import msgspec
from msgspec.structs import force_setattr

from linkerd.kube.objects.pool import STRINGS


class Condition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What somebody found out about an object: `status` is True, False or Unknown."""

    type: str
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        force_setattr(self, "type", STRINGS.share(self.type))
        force_setattr(self, "status", STRINGS.share(self.status))
        force_setattr(self, "reason", STRINGS.share(self.reason))
