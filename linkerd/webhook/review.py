"""AdmissionReview, of admission.k8s.io/v1 and v1beta1, which differ in nothing that we use.

The envelope is decoded at once; the objects in it stay bytes until a reviewer says which form it
wants them in, so a reviewer reads only the fields that it declares.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal, TypeVar

import msgspec

from linkerd.kube.decode import without_nulls
from linkerd.kube.depth import prune
from linkerd.kube.reviews import UserInfo
from linkerd.webhook.errors import ObjectError, RequestError

T = TypeVar("T")
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]

VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
_KIND: Final = "AdmissionReview"
_FAILURES: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_ABSENT: Final = (b"", b"null")


class GroupVersionKind(msgspec.Struct, frozen=True):
    """What kind of object it is."""

    group: str = ""
    version: str = ""
    kind: str = ""


class GroupVersionResource(msgspec.Struct, frozen=True):
    """Which collection it is in."""

    group: str = ""
    version: str = ""
    resource: str = ""


class _ObjectName(msgspec.Struct, rename="camel"):
    name: str = ""
    generate_name: str = ""


class _Named(msgspec.Struct):
    metadata: _ObjectName


class AdmissionRequest(msgspec.Struct, frozen=True, rename="camel"):
    """What the API server asks. Objects are JSON, read by `decode`."""

    uid: str
    operation: Operation
    kind: GroupVersionKind
    resource: GroupVersionResource = GroupVersionResource()
    sub_resource: str = ""
    name: str = ""
    namespace: str = ""
    user_info: UserInfo = UserInfo()
    dry_run: bool | None = False
    object: msgspec.Raw = msgspec.Raw()
    old_object: msgspec.Raw = msgspec.Raw()

    def decode(self, form: type[T]) -> T:
        """The object. Raises ObjectError, which names the field, when it has another form."""
        return _decode_object(bytes(self.object), form, "object")

    def decode_old(self, form: type[T]) -> T:
        """The object before an update, or that a deletion is of. Raises ObjectError."""
        return _decode_object(bytes(self.old_object), form, "oldObject")

    @property
    def object_name(self) -> str:
        """The object's name, or what it is to begin with where the API server makes it: `web-*`."""
        if self.name:
            return self.name
        try:
            meta = self.decode(_Named).metadata
        except ObjectError:
            return ""
        return meta.name or f"{meta.generate_name}*"


class _Review(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    request: AdmissionRequest | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A question, and in which version of the API it was asked."""

    version: str
    request: AdmissionRequest


@dataclass(frozen=True, slots=True)
class Allowed:
    """As it is. Warnings are shown to whoever sent the object."""

    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Denied:
    """Not to be stored. `message` says to its author what to change; `code` is the HTTP status that
    they get."""

    message: str
    code: int = HTTPStatus.BAD_REQUEST
    warnings: Sequence[str] = ()


class PatchOperation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One operation of a JSON Patch (RFC 6902); `path` as `pointer` makes it."""

    op: Literal["add", "replace", "remove", "test"]
    path: str
    value: Any = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class Patched:
    """Stored with these changes; without any it is `Allowed`."""

    patch: Sequence[PatchOperation]
    warnings: Sequence[str] = ()


Verdict = Allowed | Denied | Patched

_REVIEW: Final = msgspec.json.Decoder(_Review)


def pointer(*keys: str | int) -> str:
    """The JSON Pointer (RFC 6901) to a field; a key may hold any characters."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys)


def decode_review(body: bytes) -> Review:
    """The review in a request's body. Raises RequestError, which names the field."""
    try:
        review = _shallow(_REVIEW.decode, body)
    except _FAILURES as error:
        raise RequestError(HTTPStatus.BAD_REQUEST, f"not an AdmissionReview: {error}") from error
    if review.api_version not in VERSIONS:
        wanted = " or ".join(VERSIONS)
        raise _bad(f"apiVersion: {review.api_version[:100]!r} is not {wanted}")
    if review.kind != _KIND:
        raise _bad(f"kind: {review.kind[:100]!r} is not {_KIND}")
    if review.request is None:
        raise _bad("request: it is missing")
    if not review.request.uid:
        raise _bad("request.uid: it is empty")
    return Review(review.api_version, review.request)


def encode_verdict(review: Review, verdict: Verdict) -> bytes:
    """The review that answers."""
    response: dict[str, Any] = {
        "uid": review.request.uid,
        "allowed": not isinstance(verdict, Denied),
    }
    match verdict:
        case Denied():
            response["status"] = {
                "status": "Failure", "message": verdict.message, "code": verdict.code,
            }  # fmt: skip
        case Patched(patch) if patch:
            encoded = msgspec.json.encode(list(patch))
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(encoded).decode("ascii")
        case _:
            pass
    if verdict.warnings:
        response["warnings"] = list(verdict.warnings)
    return msgspec.json.encode({"apiVersion": review.version, "kind": _KIND, "response": response})


def _decode_object(raw: bytes, form: type[T], field: str) -> T:
    """Kubernetes writes null where it means absent, so what does not decode is tried without."""
    if raw in _ABSENT:
        raise ObjectError(f"{field}: there is none")
    try:
        return msgspec.json.decode(raw, type=form)
    except _FAILURES:
        pass
    try:
        return msgspec.convert(without_nulls(_shallow(msgspec.json.decode, raw)), form)
    except _FAILURES as error:
        raise ObjectError(str(error)) from error


def _shallow(decode: Callable[[bytes], T], body: bytes) -> T:
    """Nested too deep for the decoder, an object must still be judged: what lies too deep is
    replaced by what no reviewer takes for a part of its kind."""
    try:
        return decode(body)
    except RecursionError:
        return decode(prune(body))


def _bad(message: str) -> RequestError:
    return RequestError(HTTPStatus.BAD_REQUEST, message)
