"""Metrics of calls carry the names and labels of upstream's Go servers."""

import grpc
import pytest
from google.protobuf.message import Message
from prometheus_client import CollectorRegistry

from linkerd.rpc.methods import Call, service
from linkerd.rpc.metrics import RpcMetrics, go_code
from linkerd.runtime.metrics import exposition
from linkerd.stubs.proxy import identity_pb2


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (grpc.StatusCode.OK, "OK"),
        (grpc.StatusCode.CANCELLED, "Canceled"),
        (grpc.StatusCode.INVALID_ARGUMENT, "InvalidArgument"),
        (grpc.StatusCode.UNKNOWN, "Unknown"),
    ],
)
def test_codes_are_spelt_as_in_go(code: grpc.StatusCode, name: str) -> None:
    assert go_code(code) == name


async def certify(_request: Message, _call: Call) -> Message:
    return identity_pb2.CertifyResponse()


def test_series_are_there_before_the_first_call() -> None:
    registry = CollectorRegistry()
    table = service(identity_pb2.DESCRIPTOR.services_by_name["Identity"], Certify=certify)
    metrics = RpcMetrics(registry).method(table.methods["Certify"])
    labels = (
        'grpc_method="Certify",grpc_service="io.linkerd.proxy.identity.Identity",grpc_type="unary"'
    )
    assert f"grpc_server_started_total{{{labels}}} 0.0" in exposition(registry).decode()
    metrics.handled(grpc.StatusCode.OK, 0.5)
    text = exposition(registry).decode()
    assert f'grpc_server_handled_total{{grpc_code="OK",{labels}}} 1.0' in text
    for bucket, count in (("0.1", 0), ("1.0", 1), ("300.0", 1), ("3600.0", 1), ("+Inf", 1)):
        line = f'grpc_server_handling_seconds_bucket{{{labels},le="{bucket}"}} {count}.0'
        assert line in text
