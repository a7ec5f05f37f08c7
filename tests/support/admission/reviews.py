"""Reviews as the API server sends them."""

from collections.abc import Mapping
from typing import Any

import msgspec

from linkerd.webhook.review import AdmissionRequest, Verdict, decode_review
from services.validator.review import review


def review_of(body: Mapping[str, Any], *, version: str = "v1", **request: Any) -> bytes:
    """What an API server sends when an object is created; `request` has fields that differ."""
    group, _, of = str(body["apiVersion"]).rpartition("/")
    kind, meta = str(body["kind"]), body.get("metadata") or {}
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    whole = {
        "uid": "4f5c",
        "kind": {"group": group, "version": of, "kind": kind},
        "resource": {"group": group, "version": of, "resource": plural.lower()},
        "operation": "CREATE",
        "name": meta.get("name", ""),
        "namespace": meta.get("namespace", ""),
        "userInfo": {"username": "ada"},
        "object": body,
        "oldObject": None,
        **request,
    }
    return msgspec.json.encode(
        {
            "apiVersion": f"admission.k8s.io/{version}",
            "kind": "AdmissionReview",
            "request": whole,
        }
    )


def request_for(body: Mapping[str, Any], **request: Any) -> AdmissionRequest:
    return decode_review(review_of(body, **request)).request


def verdict_on(body: Mapping[str, Any], **request: Any) -> Verdict:
    """What the validator says of an object that is created."""
    return review(request_for(body, **request))
