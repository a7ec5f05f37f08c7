"""Objects of policy with something wrong in them, as far as they decode."""

from random import Random
from typing import Any

import msgspec

from services.policy.index.kinds import Kind
from services.policy.resources import RESOURCES
from tests.support.spoiling import spoil


def spoiled(random: Random, kind: Kind, good: Any) -> Any:
    """The object with something wrong in it; None if it does not even decode."""
    document = msgspec.to_builtins(good)
    document["spec"] = spoil(document["spec"], random)
    if random.random() < 0.3:
        document["status"] = spoil(document.get("status", {}), random)
    for part in ("annotations", "labels"):
        if random.random() < 0.3 and document["metadata"].get(part):
            document["metadata"][part] = spoil(document["metadata"][part], random)
    try:
        return msgspec.json.decode(msgspec.json.encode(document), type=RESOURCES[kind].struct)
    except (msgspec.MsgspecError, UnicodeError):
        return None
