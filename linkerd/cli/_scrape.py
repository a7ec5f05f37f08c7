"""Pages of metrics from inside pods, through kubectl's port-forward."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from linkerd.check.cluster import Object
from linkerd.cli._forward import ForwardError, forwarded
from linkerd.delivery.kubectl import Kubectl

_AT_ONCE: Final = 8
_MAX_BYTES: Final = 64 * 1024 * 1024
_HIDDEN: Final = (
    "authority", "client_id", "server_id", "target_addr", "dst_service", "dst_namespace",
)  # fmt: skip
_LABEL: Final = re.compile(rf'(?<=[{{,])({"|".join(_HIDDEN)})="((?:[^"\\]|\\.)*)"')
_SHOWN_BYTES: Final = 4  # of a digest that stands for a value


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A container that serves metrics at `port`."""

    namespace: str
    pod: str
    container: str
    port: int


@dataclass(frozen=True, slots=True)
class Page:
    """What a target said, or why it said nothing."""

    target: Endpoint
    text: str = ""
    problem: str | None = None


def is_running(pod: Object) -> bool:
    """Whether its containers have been started and not all ended."""
    return bool(pod.get("status", {}).get("phase") == "Running")


async def pages(kubectl: Kubectl, targets: Sequence[Endpoint], seconds: float) -> list[Page]:
    """One for each target, in their order. Each has `seconds` to answer."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def page(target: Endpoint) -> Page:
        async with turns:
            try:
                async with asyncio.timeout(seconds):
                    return Page(target, await _fetch(kubectl, target))
            except TimeoutError:
                return Page(target, problem=f"no answer within {seconds:g} s")
            except (ForwardError, aiohttp.ClientError, ValueError) as error:
                return Page(target, problem=str(error) or type(error).__name__)

    return list(await asyncio.gather(*map(page, targets)))


async def _fetch(kubectl: Kubectl, target: Endpoint) -> str:
    """Raises ForwardError, aiohttp.ClientError and ValueError."""
    pod = f"pod/{target.pod}"
    async with (
        forwarded(kubectl, target.namespace, pod, target.port) as port,
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as response,
    ):
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _MAX_BYTES:
                raise ValueError(f"more than {_MAX_BYTES} bytes of metrics")
        return body.decode(errors="replace")


def obfuscated(text: str) -> str:
    """Metrics without the names of services and identities: the same name has the same digits."""
    return _LABEL.sub(_hidden, text)


def _hidden(label: re.Match[str]) -> str:
    digest = hashlib.sha256(label[2].encode()).digest()
    return f'{label[1]}="{digest[:_SHOWN_BYTES].hex()}"'
