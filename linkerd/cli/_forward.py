"""A way into the cluster: a port of this machine that leads to a pod's, by `kubectl port-forward`.

It needs no more than what kubectl needs, and works wherever kubectl does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from linkerd.delivery.commands import last_words
from linkerd.delivery.kubectl import Kubectl

_SECONDS: Final = 30.0
_FORWARDING: Final = "Forwarding from 127.0.0.1:"


class ForwardError(Exception):
    """There is no way to the pod; what kubectl said about it."""


@asynccontextmanager
async def forwarded(kubectl: Kubectl, namespace: str, target: str, port: int) -> AsyncIterator[int]:
    """The local port that leads to `port` of `target` (`pod/x`, `deployment/y`) while the block
    runs. Raises ForwardError."""
    process = await asyncio.create_subprocess_exec(
        *kubectl.command,
        f"--namespace={namespace}",
        "port-forward",
        "--address=127.0.0.1",
        target,
        f":{port}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await _local_port(process, target)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _local_port(process: asyncio.subprocess.Process, target: str) -> int:
    assert process.stdout is not None  # noqa: S101  # asked for above
    assert process.stderr is not None  # noqa: S101  # likewise
    try:
        async with asyncio.timeout(_SECONDS):
            line = (await process.stdout.readline()).decode(errors="replace")
    except TimeoutError:
        line = ""
    if line.startswith(_FORWARDING):
        return int(line.removeprefix(_FORWARDING).split()[0])
    if process.returncode is None and not line:
        process.terminate()
    said = (await process.stderr.read()).decode(errors="replace")
    reason = last_words(f"{line}\n{said}") if line or said else f"none within {_SECONDS:.0f} s"
    raise ForwardError(f"No connection to {target} through the API server: {reason}")
