"""The validator over HTTPS: requests that are no reviews, and answers as the API server takes them.
P and V are the catalogue's ids; `linkerd/webhook` has tests of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from linkerd.webhook.admission import Webhook
from services.validator.kinds import RESOURCES
from services.validator.review import review
from tests.support.admission.cases import network_authentication, server
from tests.support.admission.reviews import review_of
from tests.support.admission.routes import REWRITE, http
from tests.support.webhooks.served import Served, served
from tests.support.webhooks.toys import NAME

BAD = server(accessPolicy="maybe")


@pytest.fixture
async def validator(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path, Webhook("/", review, RESOURCES, "Ignore")) as server:
        yield server


async def answer_to(validator: Served, body: bytes) -> dict[str, Any]:
    status, text = await validator.request(path="/", body=body)
    assert status == 200, text
    answer: dict[str, Any] = msgspec.json.decode(text)
    return answer


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_p28_a_denial_has_the_question_s_uid_and_version(
    validator: Served, version: str
) -> None:
    for kind in ("Server", "Widget"):
        asked = {"group": "policy.linkerd.io", "version": "v1", "kind": kind}
        answer = await answer_to(validator, review_of(BAD, version=version, uid="7", kind=asked))
        assert answer["apiVersion"] == f"admission.k8s.io/{version}"
        response = answer["response"]
        assert (response["uid"], response["allowed"]) == ("7", False)
        assert response["status"]["code"] == 400


async def test_a_warning_goes_with_an_admission(validator: Served) -> None:
    answer = await answer_to(validator, review_of(http(filters=REWRITE)))
    assert answer["response"]["allowed"] is True
    (warning,) = answer["response"]["warnings"]
    assert "URLRewrite" in warning


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/x", b"{}", 404),
        ("GET", "/", b"", 405),
        ("POST", "/", b"", 400),
        ("POST", "/", b"what", 400),
        ("POST", "/", review_of(BAD, uid=""), 400),
        ("POST", "/", review_of(BAD, operation="PAINT"), 400),
    ],
)
async def test_p29_v23_what_is_no_review(
    validator: Served, method: str, path: str, body: bytes, status: int
) -> None:
    got, text = await validator.request(method, path, body)
    assert got == status
    assert text


async def test_v24_new_files_serve_new_connections(validator: Served) -> None:
    await answer_to(validator, review_of(BAD))
    renewed = validator.certificates.renew()
    validator.tls.take(validator.tls.make(validator.tls.files.load()))
    _, writer = await asyncio.open_connection(
        "127.0.0.1", validator.port, ssl=validator.trust, server_hostname=NAME
    )
    served_by = int(writer.get_extra_info("peercert")["serialNumber"], 16)
    writer.close()
    assert served_by == renewed.certificate.serial_number
    await answer_to(validator, review_of(BAD))


async def test_bodies_are_bounded(validator: Served) -> None:
    status, _ = await validator.request(path="/", body=b" " * ((10 << 20) + 1))
    assert status == 413


async def test_objects_as_large_as_they_get_have_a_verdict(validator: Served) -> None:
    many = [{"cidr": f"10.{i >> 8 & 255}.{i & 255}.0/24"} for i in range(20_000)]
    answer = await answer_to(validator, review_of(network_authentication(*many)))
    assert answer["response"]["allowed"] is True


async def test_verdicts_are_counted(validator: Served) -> None:
    await answer_to(validator, review_of(BAD))
    await answer_to(validator, review_of(server()))
    for allowed in ("true", "false"):
        labels = {"resource": "servers", "operation": "CREATE", "allowed": allowed}
        assert validator.number("admission_responses_total", **labels) == 1
