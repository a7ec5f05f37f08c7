"""Method tables: what fits a descriptor and what is refused when the process starts."""

import functools

import grpc
import pytest

from linkerd.rpc.methods import Call, TableError, paths, service
from linkerd.streams import Cursor, Topic
from linkerd.stubs.proxy import destination_pb2, identity_pb2

DESTINATION = destination_pb2.DESCRIPTOR.services_by_name["Destination"]
IDENTITY = identity_pb2.DESCRIPTOR.services_by_name["Identity"]

TOPIC: Topic[bytes] = Topic(lambda _last, current: [current])


async def watch(_request: destination_pb2.GetDestination, _call: Call) -> Cursor[bytes]:
    return TOPIC.subscribe()


async def certify(
    _request: identity_pb2.CertifyRequest, _call: Call
) -> identity_pb2.CertifyResponse:
    return identity_pb2.CertifyResponse()


def test_the_descriptor_decides_the_kind_and_the_messages() -> None:
    methods = paths(
        [service(DESTINATION, Get=watch, GetProfile=watch), service(IDENTITY, Certify=certify)]
    )
    get = methods["/io.linkerd.proxy.destination.Destination/Get"]
    assert get.watching
    assert get.request is destination_pb2.GetDestination
    assert get.response is destination_pb2.Update
    unary = methods["/io.linkerd.proxy.identity.Identity/Certify"]
    assert not unary.watching
    assert unary.response is identity_pb2.CertifyResponse
    assert len(methods) == 3


def test_a_missing_method_is_named() -> None:
    with pytest.raises(TableError, match=r"destination\.Destination: no function for GetProfile"):
        service(DESTINATION, Get=watch)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(TableError, match=r"identity\.Identity: has no method Revoke"):
        service(IDENTITY, Certify=certify, Revoke=certify)


def test_a_watching_method_must_not_return_a_message() -> None:
    with pytest.raises(TableError, match=r"Destination\.Get: streams"):
        service(DESTINATION, Get=certify, GetProfile=watch)


def test_a_unary_method_must_not_return_a_subscription() -> None:
    with pytest.raises(TableError, match=r"Identity\.Certify: is unary"):
        service(IDENTITY, Certify=watch)


def test_an_error_ends_no_call_with_ok() -> None:
    with pytest.raises(TableError, match=r"Identity: KeyError cannot be OK"):
        service(IDENTITY, errors={KeyError: grpc.StatusCode.OK}, Certify=certify)


def test_a_function_that_is_not_async_is_refused() -> None:
    def plain(_request: object, _call: Call) -> identity_pb2.CertifyResponse:
        return identity_pb2.CertifyResponse()

    with pytest.raises(TableError, match="is not an async function"):
        service(IDENTITY, Certify=plain)  # type: ignore[arg-type]  # the mistake under test


def test_methods_partials_and_callable_objects_will_do() -> None:
    class Service:
        async def certify(self, _request: object, _call: Call) -> identity_pb2.CertifyResponse:
            return identity_pb2.CertifyResponse()

        async def __call__(self, _request: object, _call: Call) -> identity_pb2.CertifyResponse:
            return identity_pb2.CertifyResponse()

    for function in (Service().certify, Service(), functools.partial(Service().certify)):
        table = service(IDENTITY, Certify=function)
        assert table.methods["Certify"].function is function


def test_a_service_is_served_once() -> None:
    table = service(IDENTITY, Certify=certify)
    with pytest.raises(TableError, match=r"more than one table for io\.linkerd\.proxy\.identity"):
        paths([table, table])
