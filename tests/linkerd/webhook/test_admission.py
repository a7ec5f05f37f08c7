"""Requests become verdicts; whatever is no review becomes an HTTP status."""

import asyncio
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from structlog.testing import capture_logs

from linkerd.webhook.admission import Reviewer, Webhook
from linkerd.webhook.review import AdmissionRequest, Allowed, Denied, Verdict
from tests.support.webhooks.served import a_review, served

Log = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


def hook(review: Reviewer, policy: Any = "Fail", path: str = "/") -> Webhook:
    return Webhook(path, review, ["configmaps"], policy)


def boom(_: AdmissionRequest) -> NoReturn:
    raise ValueError("hunter2")


class TestVerdicts:
    async def test_each_of_them(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            assert await server.review(data={"colour": "red"}) == {"uid": "4f5c", "allowed": True}
            denied = await server.review(data={"colour": "blue"})
            assert denied["status"]["message"] == "data.colour: blue is neither red nor green"
            assert denied["status"]["code"] == 400
            patched = await server.review(path="/mutate")
            assert (patched["allowed"], patched["patchType"]) == (True, "JSONPatch")
            for allowed, count in (("true", 2), ("false", 1)):
                assert count == server.number(
                    "admission_responses_total",
                    resource="configmaps", operation="CREATE", allowed=allowed,
                )  # fmt: skip
            assert server.number("admission_seconds_count", resource="configmaps") == 3
            assert server.number("https_responses_total", code="200") == 3

    async def test_an_object_of_another_form_is_denied(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            denied = await server.review(object={"metadata": {}, "data": 3})
            assert "$.data" in denied["status"]["message"]

    async def test_a_resource_that_nobody_configured_makes_no_series(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            for number in range(3):
                await server.review(resource=f"things{number}")
            assert server.number(
                "admission_responses_total", resource="other", operation="CREATE", allowed="true"
            ) == 3  # fmt: skip


class TestFailures:
    @pytest.mark.parametrize(("policy", "allowed"), [("Fail", False), ("Ignore", True)])
    async def test_the_failure_policy_answers(
        self, tmp_path: Path, log: Log, policy: str, allowed: bool
    ) -> None:
        async with served(tmp_path, hook(boom, policy)) as server:
            response = await server.review("/")
            assert response["allowed"] is allowed
            if allowed:
                assert "let through unjudged" in response["warnings"][0]
            else:
                assert response["status"]["code"] == 500
            assert server.number("admission_failures_total", resource="configmaps") == 1
        (said,) = [entry for entry in log if entry["event"] == "a review failed"]
        assert (said["kind"], said["namespace"], said["name"]) == ("ConfigMap", "shop", "paint")
        assert said["error"] == "hunter2"
        assert "hunter2" not in str(response)

    async def test_nothing_of_a_secret_is_said(self, tmp_path: Path, log: Log) -> None:
        def deny(_: AdmissionRequest) -> Verdict:
            return Denied("it says hunter2")

        async with served(tmp_path, hook(boom), hook(deny, path="/deny")) as server:
            for path in ("/", "/deny"):
                await server.review(
                    path, data={"password": "hunter2"}, resource="secrets", kind="Secret"
                )
        said = [entry["event"] for entry in log if "uid" in entry]
        assert said == ["a review failed", "denied", "denied"]
        assert "hunter2" not in str(log)

    async def test_a_reviewer_is_waited_for_no_longer_than_the_api_server_waits(
        self, tmp_path: Path
    ) -> None:
        cancelled = asyncio.Event()

        async def never(_: AdmissionRequest) -> Verdict:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
            return Allowed()

        async with served(tmp_path, hook(never)) as server:
            response = await server.review("/?timeout=20ms")
            assert response["status"]["code"] == 500
            assert cancelled.is_set()


class TestNoReviews:
    async def test_statuses(self, tmp_path: Path) -> None:
        table: list[tuple[int, str, dict[str, Any]]] = [
            (404, "no webhook at /nowhere", {"path": "/nowhere"}),
            (405, "by POST", {"method": "GET"}),
            (415, "Content-Type", {"content_type": "application/yaml"}),
            (415, "Content-Encoding", {"headers": {"Content-Encoding": "gzip"}}),
            (400, "not an AdmissionReview", {"body": b"garbage"}),
            (400, "request.uid: it is empty", {"body": a_review(uid="")}),
        ]
        async with served(tmp_path) as server:
            for expected, says, asked in table:
                status, text = await server.request(**asked)
                assert (status, says in text) == (expected, True), text
            assert await server.review() == {"uid": "4f5c", "allowed": True}

    async def test_every_version_is_answered_in_its_own(self, tmp_path: Path) -> None:
        async with served(tmp_path) as server:
            _, text = await server.request(body=a_review(version="v1beta1"))
            assert msgspec.json.decode(text)["apiVersion"] == "admission.k8s.io/v1beta1"
