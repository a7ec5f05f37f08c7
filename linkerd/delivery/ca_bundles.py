"""By which roots the API server knows the services that it calls: the caBundles of webhook
configurations and APIServices, in manifests and on the cluster.

An object that has a caBundle of its own in the manifests, or leaves it to cert-manager, is left as
it is. So is whatever calls no service of the namespace in question.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from linkerd.delivery.errors import KubectlError
from linkerd.delivery.kubectl import Kubectl, KubernetesObject

_KINDS: Final = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService")
_INJECTED: Final = ("cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret")
_FIELD: Final = "caBundle"


class Caller(NamedTuple):
    """An object by which the API server calls a service: its kind and name."""

    kind: str
    name: str


class _Call(NamedTuple):
    """Where an object names a service: `holder` has the caBundle, and `pointer` leads there."""

    holder: dict[str, Any]
    pointer: str
    service: str


def callers(objects: Sequence[KubernetesObject], namespace: str) -> dict[str, list[Caller]]:
    """The services of the namespace that objects call without saying whom to trust, and those
    objects."""
    found: dict[str, list[Caller]] = {}
    for object_ in objects:
        for call in _calls(object_, namespace):
            if not call.holder.get(_FIELD):
                found.setdefault(call.service, []).append(
                    Caller(object_["kind"], object_["metadata"]["name"])
                )
    return {service: list(dict.fromkeys(named)) for service, named in found.items()}


def put_bundle(
    objects: Sequence[KubernetesObject], service: str, namespace: str, bundle: bytes
) -> None:
    """Has all that call the service, and say nothing of whom to trust, trust the bundle."""
    for object_ in objects:
        for call in _calls(object_, namespace):
            if call.service == service and not call.holder.get(_FIELD):
                call.holder[_FIELD] = _encoded(bundle)


def find_callers(
    kubectl: Kubectl, listed: Sequence[Caller], namespace: str
) -> list[KubernetesObject]:
    """Those that the cluster has."""
    found = (kubectl.find(caller.kind, caller.name, namespace) for caller in listed)
    return [object_ for object_ in found if object_ is not None]


def bundle_of(objects: Sequence[KubernetesObject], service: str, namespace: str) -> bytes:
    """What objects that call the service trust, one after the other; PEM if all is well."""
    calls = (call for object_ in objects for call in _calls(object_, namespace))
    texts = (call.holder.get(_FIELD) for call in calls if call.service == service)
    return b"\n".join(dict.fromkeys(_decoded(text) for text in texts if text))


def replace_bundle(
    kubectl: Kubectl,
    objects: Sequence[KubernetesObject],
    service: str,
    namespace: str,
    bundle: bytes,
) -> bool:
    """Has those objects of the cluster trust the bundle, and nothing else. One that has changed
    since it was found is not run over: then False."""
    for object_ in objects:
        kind, name = object_["kind"], object_["metadata"]["name"]
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(object_)},
            *(
                {"op": "add", "path": f"{call.pointer}/{_FIELD}", "value": _encoded(bundle)}
                for call in _calls(object_, namespace)
                if call.service == service
            ),
        ]
        doing = f"having {kind} {name} trust what {service} will serve by"
        try:
            kubectl("patch", kind, name, "--type=json", f"--patch={json.dumps(patch)}", doing=doing)
        except KubectlError:
            found = kubectl.find(kind, name, namespace)
            if found is not None and version_of(found) == version_of(object_):
                raise
            return False
    return True


def version_of(object_: KubernetesObject) -> str:
    """Which version of an object of the cluster this is."""
    return str(object_["metadata"]["resourceVersion"])


def _calls(object_: KubernetesObject, namespace: str) -> Iterator[_Call]:
    if object_["kind"] not in _KINDS:
        return
    annotations = object_["metadata"].get("annotations") or {}
    if any(name in annotations for name in _INJECTED):
        return
    for holder, pointer in _holders(object_):
        service = holder.get("service")
        if service and service.get("namespace") == namespace:
            yield _Call(holder, pointer, service["name"])


def _holders(object_: KubernetesObject) -> Iterator[tuple[dict[str, Any], str]]:
    if object_["kind"] == "APIService":
        yield object_["spec"], "/spec"
        return
    for index, webhook in enumerate(object_.get("webhooks") or ()):
        yield webhook["clientConfig"], f"/webhooks/{index}/clientConfig"


def _encoded(bundle: bytes) -> str:
    return base64.b64encode(bundle).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
