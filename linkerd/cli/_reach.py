"""Whether the API server answers, before more is asked of it and kubectl is sent there.

kubectl says what is wrong in its developers' words, several times, or says nothing; and without a
kubeconfig it tries a server on this machine.
"""

from typing import Final

from linkerd.check.cluster import Cluster
from linkerd.delivery.kubectl import Kubectl
from linkerd.kube.access import Access
from linkerd.kube.errors import ConfigError, Unauthorized, Unreachable

SECONDS: Final = 5.0
"""How long the API server may take to say its version."""


async def answers(access: Access) -> None:
    """Returns when the API server answers. Raises KubeError when it does not, or says no."""
    async with Cluster(access, "", seconds=SECONDS) as cluster:
        server = (await cluster.connect()).server
        try:
            await cluster.get("/version")
        except Unreachable as error:
            raise Unreachable(f"the API server at {server} does not answer: {error}") from error
        except Unauthorized as error:
            raise ConfigError(
                f"the API server at {server} does not accept the credentials that there are "
                f"({error}); log in again, or choose others with --kubeconfig or --context"
            ) from error


async def reach(access: Access) -> Kubectl:
    """kubectl for a cluster that answers. Raises KubeError when it does not."""
    await answers(access)
    return Kubectl(access=access)
