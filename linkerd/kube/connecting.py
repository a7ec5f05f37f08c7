"""How a service gets its client of the API server."""

from pathlib import Path

from linkerd.kube.client import KubeClient
from linkerd.kube.errors import ConfigError
from linkerd.runtime.errors import StartError
from linkerd.runtime.process import Process
from linkerd.version import VERSION


async def connect(kubeconfig: Path | None, process: Process) -> KubeClient:
    """A client that is closed when the process stops. Raises StartError when neither a kubeconfig
    nor a service account says where the API server is."""
    try:
        client = await KubeClient.connect(
            kubeconfig, user_agent=f"linkerd-{process.name}/{VERSION}", clock=process.clock
        )
    except ConfigError as error:
        raise StartError(str(error)) from error
    process.defer(client.close)
    return client
