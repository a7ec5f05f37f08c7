"""Two small webhooks on ConfigMaps, and the program that serves them.

`python -m tests.support.webhooks.toys --https-addr=127.0.0.1:0 ...`: the validator at /validate
denies colours that it does not know, the mutator at /mutate writes down who made the object.
"""

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from linkerd.runtime.logs import get_logger
from linkerd.runtime.process import Process
from linkerd.runtime.service import launch
from linkerd.runtime.settings import HostPort, setting
from linkerd.webhook.admission import Webhook
from linkerd.webhook.review import (
    AdmissionRequest,
    Allowed,
    Denied,
    Patched,
    PatchOperation,
    Verdict,
    pointer,
)
from linkerd.webhook.serving import HttpsSettings, serve_webhooks

NAME: Final = "toy.test.svc"
MADE_BY: Final = "toy.example/made-by"
SLOW: Final = "slow"

_log = get_logger(__name__)


class Meta(msgspec.Struct):
    """What the mutator reads."""

    annotations: Mapping[str, str] = {}


class ConfigMap(msgspec.Struct):
    """What both read."""

    metadata: Meta
    data: Mapping[str, str] = {}


async def validate(request: AdmissionRequest) -> Verdict:
    """Colours must be red or green; `slow` takes its time, `boom` is a bug."""
    colour = request.decode(ConfigMap).data.get("colour", "red")
    if colour == SLOW:
        _log.info("a slow review")
        await asyncio.sleep(0.5)
        return Allowed(warnings=("that took long",))
    if colour == "boom":
        raise ZeroDivisionError("a bug")
    if colour not in {"red", "green"}:
        return Denied(f"data.colour: {colour} is neither red nor green")
    return Allowed()


def mutate(request: AdmissionRequest) -> Verdict:
    """Adds an annotation."""
    annotations = request.decode(ConfigMap).metadata.annotations
    at = pointer("metadata", "annotations")
    new = () if annotations else (PatchOperation("add", at, {}),)
    key = pointer("metadata", "annotations", MADE_BY)
    return Patched((*new, PatchOperation("add", key, request.user_info.username)))


WEBHOOKS: Final = (
    Webhook("/validate", validate, ["configmaps"], "Fail"),
    Webhook("/mutate", mutate, ["configmaps"], "Ignore"),
)


@dataclass(frozen=True, kw_only=True)
class Settings(HttpsSettings):
    """Those of any such service."""

    admin_addr: HostPort = HostPort("127.0.0.1", 0)
    host: str = setting(default=NAME, doc="What the API server calls us by.")


async def start(settings: Settings, process: Process) -> None:
    """Serves both."""
    await serve_webhooks(settings, process, *WEBHOOKS, names=[settings.host])


if __name__ == "__main__":
    sys.exit(launch(Settings, start, name="toy"))
