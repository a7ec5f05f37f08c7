"""Tables of gRPC methods, the seam between services and engines.

A service hands `service(descriptor, Name=function, ...)` its functions; an engine serves the table.
The descriptor decides what each method is: a unary method answers with a message, a watching method
(server streaming) with a `Subscription`, whose bytes the engine passes through. A table that does
not fit its descriptor is a `TableError` when the process starts, not a surprise at the first call.

A method raises what its service calls the mistake; the table says which status that is:

    service(descriptor, errors={NotFoundError: grpc.StatusCode.NOT_FOUND}, Get=self.get)

Such an error's text goes to the client. `RpcError` says its status itself; anything else is a
mistake of ours, of which clients hear nothing but INTERNAL.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from linkerd.rpc.errors import RpcError, TableError
from linkerd.streams import Subscription

__all__ = [
    "Call",
    "Errors",
    "Method",
    "RpcError",
    "ServiceTable",
    "Signature",
    "TableError",
    "UnaryMethod",
    "WatchMethod",
    "paths",
    "service",
    "signature_of",
    "signatures",
]

Errors = Mapping[type[Exception], grpc.StatusCode]
"""The statuses that errors of a service, and of classes below them, end calls with."""

Req = TypeVar("Req", contravariant=True)
Resp = TypeVar("Resp", covariant=True)


class Call(Protocol):
    """What a method may know about the call besides its request, while the call lasts."""

    @property
    def metadata(self) -> Mapping[str, str | bytes]:
        """The request's metadata; of a repeated key the last value. `-bin` values are bytes."""

    @property
    def peer(self) -> str:
        """The address of the client, such as `ipv4:10.1.2.3:4567`."""

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline; None without one."""


class UnaryMethod(Protocol[Req, Resp]):
    """Answers a request with a message, or the bytes of one (`linkerd.rpc.first`)."""

    def __call__(self, request: Req, call: Call, /) -> Awaitable[Resp]: ...


class WatchMethod(Protocol[Req]):
    """Answers a request with a subscription; async so that it may await caches."""

    def __call__(self, request: Req, call: Call, /) -> Awaitable[Subscription]: ...


@dataclass(frozen=True, slots=True)
class Signature:
    """What the descriptor says of a method. `watching`: it streams its answers."""

    service: str
    name: str
    request: type[Message]
    response: type[Message]
    watching: bool

    @property
    def path(self) -> str:
        """The HTTP/2 path, `/package.Service/Method`."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Method(Signature):
    """One row of a table. `watching` says which of the two kinds `function` is."""

    function: Callable[[Any, Call], Awaitable[Any]]
    errors: Errors = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceTable:
    """A gRPC service: its full name and its methods by name."""

    name: str
    descriptor: ServiceDescriptor
    methods: Mapping[str, Method]


def service(
    descriptor: ServiceDescriptor,
    *,
    errors: Errors | None = None,
    **functions: Callable[[Any, Call], Awaitable[Any]],
) -> ServiceTable:
    """The table of a service. Every method of `descriptor` needs one async function of
    `(request, call)`. Raises TableError when one is missing, unknown or of the wrong kind, or when
    an error is to end a call with OK."""
    errors = errors or {}
    if mild := [error.__name__ for error, code in errors.items() if code is grpc.StatusCode.OK]:
        raise TableError(f"{descriptor.full_name}: {', '.join(mild)} cannot be OK")
    known = {method.name: method for method in descriptor.methods}
    if missing := known.keys() - functions.keys():
        raise TableError(f"{descriptor.full_name}: no function for {', '.join(sorted(missing))}")
    if unknown := functions.keys() - known.keys():
        raise TableError(f"{descriptor.full_name}: has no method {', '.join(sorted(unknown))}")
    methods = {name: _method(known[name], function, errors) for name, function in functions.items()}
    return ServiceTable(descriptor.full_name, descriptor, methods)


def _method(descriptor: MethodDescriptor, function: Callable[..., Any], errors: Errors) -> Method:
    signature = signature_of(descriptor)
    if not inspect.iscoroutinefunction(_plain(function)):
        raise TableError(f"{descriptor.full_name}: {function!r} is not an async function")
    _check_result(descriptor, function, signature.watching)
    return Method(
        service=signature.service,
        name=signature.name,
        request=signature.request,
        response=signature.response,
        watching=signature.watching,
        function=function,
        errors=errors,
    )


def signatures(descriptor: ServiceDescriptor) -> Mapping[str, Signature]:
    """The methods of a service by name, for its clients. Raises TableError."""
    return {method.name: signature_of(method) for method in descriptor.methods}


def signature_of(descriptor: MethodDescriptor) -> Signature:
    """Raises TableError when the client is to stream."""
    if descriptor.client_streaming:
        raise TableError(f"{descriptor.full_name}: client streaming is not supported")
    return Signature(
        service=descriptor.containing_service.full_name,
        name=descriptor.name,
        request=_message_class(descriptor.input_type),
        response=_message_class(descriptor.output_type),
        watching=bool(descriptor.server_streaming),
    )


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    while hasattr(function, "func"):  # functools.partial
        function = function.func
    is_object = not inspect.isroutine(function) and callable(function)
    return type(function).__call__ if is_object else function


def _check_result(
    descriptor: MethodDescriptor, function: Callable[..., Any], watching: bool
) -> None:
    """Compares the annotated result, where there is one, with the kind of the method."""
    result = _annotated_result(function)
    name = descriptor.full_name
    if watching and issubclass(result, Message):
        raise TableError(f"{name}: streams, so {function!r} must return a Subscription")
    if not watching and hasattr(result, "poll"):
        raise TableError(f"{name}: is unary, so {function!r} must return a message")


def _annotated_result(function: Callable[..., Any]) -> type:
    try:
        hints = inspect.get_annotations(_plain(function), eval_str=True)
    except NameError:  # names that only a type checker can see
        return object
    result = hints.get("return")
    result = getattr(result, "__origin__", result)
    return result if isinstance(result, type) else object


def _message_class(descriptor: Any) -> type[Message]:
    return message_factory.GetMessageClass(descriptor)


def paths(tables: Sequence[ServiceTable]) -> dict[str, Method]:
    """All methods of `tables` by HTTP/2 path. Raises TableError if a service comes twice."""
    names = [table.name for table in tables]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TableError(f"more than one table for {', '.join(sorted(twice))}")
    return {method.path: method for table in tables for method in table.methods.values()}
