"""AdmissionReviews are read as API servers write them; what else comes is refused by name."""

import base64
import json
from contextlib import suppress
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

from linkerd.webhook.errors import ObjectError, RequestError
from linkerd.webhook.review import (
    Allowed,
    Denied,
    Patched,
    PatchOperation,
    Verdict,
    decode_review,
    encode_verdict,
    pointer,
)
from tests.support.webhooks.served import a_review


class Colours(msgspec.Struct):
    data: dict[str, str] = {}


def refused(body: bytes) -> str:
    with pytest.raises(RequestError) as caught:
        decode_review(body)
    assert caught.value.status == 400
    return str(caught.value)


def answer(verdict: Verdict, version: str = "v1") -> dict[str, Any]:
    review = decode_review(a_review(version=version))
    content: dict[str, Any] = json.loads(encode_verdict(review, verdict))
    return content


class TestAsked:
    def test_what_an_api_server_sends(self) -> None:
        request = decode_review(a_review({"colour": "red"})).request
        assert (request.uid, request.operation, request.namespace) == ("4f5c", "CREATE", "shop")
        assert request.kind.kind == "ConfigMap"
        assert request.user_info.username == "ada"
        assert request.decode(Colours).data == {"colour": "red"}

    def test_an_object_whose_name_is_yet_to_be_made(self) -> None:
        made = {"metadata": {"generateName": "web-"}}
        assert decode_review(a_review(name="", object=made)).request.object_name == "web-*"

    def test_a_deletion_has_the_old_object_only(self) -> None:
        old = {"data": {"colour": "red"}}
        review = decode_review(a_review(operation="DELETE", object=None, oldObject=old))
        assert review.request.decode_old(Colours).data == {"colour": "red"}
        with pytest.raises(ObjectError, match="object: there is none"):
            review.request.decode(Colours)

    def test_null_means_absent(self) -> None:
        review = decode_review(a_review(object={"data": None}))
        assert review.request.decode(Colours).data == {}

    def test_an_object_of_another_form_names_the_field(self) -> None:
        review = decode_review(a_review(object={"data": {"colour": 3}}))
        with pytest.raises(ObjectError, match=r"Expected `str`, got `int` - at `\$\.data\["):
            review.request.decode(Colours)

    def test_an_object_nested_too_deep_is_still_judged(self) -> None:
        """The decoder gives up at a thousand levels; the API server stores more."""
        deep = b"[" * 5000 + b"]" * 5000
        body = a_review(object={"data": {"colour": "@"}}).replace(b'"@"', deep)
        with pytest.raises(ObjectError, match="Expected `str`"):
            decode_review(body).request.decode(Colours)


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "says"),
        [
            (b"", "truncated"),
            (b"\x00\xff\x00", "malformed"),
            (b"[]", "Expected `object`"),
            (b"{}", "required field `apiVersion`"),
            (b'{"apiVersion": "v1", "kind": "AdmissionReview"}', "apiVersion: 'v1' is not"),
            (a_review().replace(b'"AdmissionReview"', b'"Pod"'), "kind: 'Pod' is not"),
            (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', "request: it is"),
            (a_review(uid=""), "request.uid: it is empty"),
            (a_review(uid=7), "Expected `str`, got `int` - at `$.request.uid`"),
            (a_review(operation="PATCH"), "Invalid enum value 'PATCH' - at `$.request.operation`"),
            (a_review().replace(b'"kind":{', b'"king":{'), "required field `kind`"),
        ],
    )
    def test_names_the_field(self, body: bytes, says: str) -> None:
        assert says in refused(body)

    @given(st.binary(max_size=200))
    def test_no_bytes_are_a_surprise(self, body: bytes) -> None:
        refused(body)

    @given(st.integers(0), st.binary(min_size=1, max_size=4))
    def test_no_spoilt_review_is_a_surprise(self, at: int, by: bytes) -> None:
        good = a_review({"colour": "red"})
        at %= len(good)
        with suppress(RequestError, ObjectError):
            request = decode_review(good[:at] + by + good[at + len(by) :]).request
            assert isinstance(request.object_name, str)
            request.decode(Colours)


class TestAnswered:
    @pytest.mark.parametrize("version", ["v1", "v1beta1"])
    def test_version_and_uid_are_those_of_the_question(self, version: str) -> None:
        assert answer(Allowed(), version) == {
            "apiVersion": f"admission.k8s.io/{version}",
            "kind": "AdmissionReview",
            "response": {"uid": "4f5c", "allowed": True},
        }

    def test_a_denial(self) -> None:
        response = answer(Denied("no", code=403, warnings=["really"]))["response"]
        assert response == {
            "uid": "4f5c",
            "allowed": False,
            "status": {"status": "Failure", "message": "no", "code": 403},
            "warnings": ["really"],
        }

    def test_a_patch(self) -> None:
        operations = [
            PatchOperation("add", pointer("metadata", "annotations", "a/b~c"), None),
            PatchOperation("remove", pointer("spec", "containers", 0)),
        ]
        response = answer(Patched(operations))["response"]
        assert (response["allowed"], response["patchType"]) == (True, "JSONPatch")
        assert json.loads(base64.b64decode(response["patch"])) == [
            {"op": "add", "path": "/metadata/annotations/a~1b~0c", "value": None},
            {"op": "remove", "path": "/spec/containers/0"},
        ]

    def test_a_patch_of_nothing_is_none(self) -> None:
        assert answer(Patched(()))["response"] == {"uid": "4f5c", "allowed": True}

    @given(st.lists(st.text()))
    def test_pointers_hold_any_keys(self, keys: list[str]) -> None:
        parts = pointer(*keys).split("/")[1:]
        assert [part.replace("~1", "/").replace("~0", "~") for part in parts] == keys
