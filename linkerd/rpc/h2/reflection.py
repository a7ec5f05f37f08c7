"""gRPC reflection: the only service with a stream in both directions, each request answered by one
response, computed when there is room to send it."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2
from prometheus_client import CollectorRegistry

from linkerd.rpc.errors import RpcError
from linkerd.rpc.h2.receiving import Receiving
from linkerd.rpc.h2.streams import Handler, Stream
from linkerd.rpc.methods import Method
from linkerd.rpc.metrics import RpcMetrics
from linkerd.streams import StreamEnd

NAME: Final[str] = reflection.SERVICE_NAME
_pb: Final[Any] = reflection_pb2
_METHOD: Final = "ServerReflectionInfo"


def reflecting(names: Sequence[str]) -> dict[bytes, Handler]:
    """What to call for the paths of reflection. v1 has v1alpha's messages under another name."""
    handler = _Reflecting(reflection.ReflectionServicer([*names, NAME]))
    paths = (NAME, NAME.replace(".v1alpha.", ".v1."))
    return {f"/{name}/{_METHOD}".encode(): handler for name in paths}


class _Reflecting:
    """Handles the paths. Its calls hold up no end of the server, and no metric counts them."""

    def __init__(self, servicer: Any) -> None:
        self._servicer = servicer
        request = _pb.ServerReflectionRequest
        self.method = Method(
            NAME, _METHOD, request, _pb.ServerReflectionResponse, True, self._unused
        )
        self.metrics = RpcMetrics(CollectorRegistry()).method(self.method)

    async def _unused(self, _request: Any, _call: Any) -> Any:
        raise NotImplementedError

    def opened(self, stream: Stream) -> None:
        receiving = stream.receiving
        if receiving is None:
            return
        stream.call.forget()
        receiving.let_go(receiving.held)  # its headers
        receiving.converse()
        stream.watch(_Conversation(self._servicer, receiving))

    def received(self, stream: Stream, receiving: Receiving) -> None:
        conversation = stream.subscription
        while (raw := receiving.take()) is not None:
            if isinstance(conversation, _Conversation):
                conversation.ask(raw)

    def half_closed(self, stream: Stream, receiving: Receiving) -> None:
        receiving.end_conversation()
        if isinstance(stream.subscription, _Conversation):
            stream.subscription.no_more()

    def left(self, stream: Stream) -> None:
        """It holds nothing."""


class _Conversation:
    """A `Subscription` whose messages answer what was asked. What it was asked and has not
    answered, and the answer under way, are held by `receiving`."""

    def __init__(self, servicer: Any, receiving: Receiving) -> None:
        self._servicer = servicer
        self._receiving = receiving
        self._asked: deque[bytes] = deque()
        self._answering = 0  # bytes
        self._ended = False
        self._wake: Callable[[], None] | None = None

    def ask(self, raw: bytes) -> None:
        """A request has come. Raises RpcError RESOURCE_EXHAUSTED when too much is unanswered."""
        if len(self._asked) >= _MAX_ASKED or len(raw) > _MAX_BYTES:
            raise RpcError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"reflection takes {_MAX_ASKED} questions at once, of {_MAX_BYTES} bytes",
            )
        self._receiving.hold(len(raw))
        self._asked.append(raw)
        self._rouse()

    def no_more(self) -> None:
        """The client asks nothing more."""
        self._ended = True
        self._rouse()

    def poll(self) -> bytes | None:
        """The next answer; the one before is sent."""
        self._receiving.let_go(self._answering)
        self._answering = 0
        if self._asked:
            raw = self._asked.popleft()
            self._receiving.let_go(len(raw))
            answer = self._answer(raw)
            self._answering = len(answer)
            self._receiving.hold(len(answer))
            return answer
        if self._ended:
            raise StreamEnd(grpc.StatusCode.OK)
        return None

    def on_wake(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close(self) -> None:
        self._asked.clear()
        self._wake = None

    def _rouse(self) -> None:
        if self._wake is not None:
            self._wake()

    def _answer(self, raw: bytes) -> bytes:
        try:
            request = _pb.ServerReflectionRequest.FromString(raw)
        except DecodeError:
            raise RpcError(
                grpc.StatusCode.INVALID_ARGUMENT, "the request is no ServerReflectionRequest"
            ) from None
        answers = self._servicer.ServerReflectionInfo(iter([request]), None)
        answer: bytes = next(answers).SerializeToString()
        return answer


_MAX_ASKED: Final = 100  # more would be a strange client
_MAX_BYTES: Final = 4096  # of a question, which is a name
