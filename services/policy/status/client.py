"""What statuses are written by."""

from linkerd.kube.client import JSON, KubeClient
from linkerd.kube.errors import GONE, KubeError, NotFound, Unreachable
from linkerd.runtime.clock import Clock
from services.policy.status.metrics import PatchMetrics
from services.policy.status.names import FIELD_MANAGER


class StatusClient:
    """A KubeClient whose requests are counted, bear the name of our field manager, and have so many
    seconds."""

    def __init__(
        self, client: KubeClient, seconds: float, metrics: PatchMetrics, clock: Clock
    ) -> None:
        self._client = client
        self._seconds = seconds
        self._metrics = metrics
        self._clock = clock

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = JSON,
        timeout: float = 30.0,
    ) -> bytes:
        """The whole answer's body. Raises KubeError."""
        seconds = min(timeout, self._seconds)
        began = self._clock.monotonic()
        try:
            answer = await self._client.request(
                method,
                path,
                query={"fieldManager": FIELD_MANAGER},
                body=body,
                content_type=content_type,
                timeout=seconds,
            )
        except NotFound as error:
            if error.reason == GONE:
                self._metrics.drops.inc()
            raise
        except KubeError as error:
            waited = self._clock.monotonic() - began
            late = isinstance(error, Unreachable) and waited >= seconds
            (self._metrics.timeouts if late else self._metrics.api_errors).inc()
            raise
        else:
            self._metrics.patches.inc()
            return answer
        finally:
            self._metrics.seconds.observe(self._clock.monotonic() - began)
