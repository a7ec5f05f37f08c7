"""A plan as writes of documents.

An update names the labels, endpoints and ports that differ: annotations, finalizers and whatever
else others put on a slice stay as they are. Labels are the Service's and ours; at an update others
go, since nobody can tell them from ones that the Service has lost.
"""

from typing import Any

import msgspec

from linkerd.kube.controller.writes import Create, Delete, Patch, Write, difference
from linkerd.kube.objects import EndpointSlice
from linkerd.kube.resource import ENDPOINT_SLICES
from linkerd.mesh.labels import SERVICE_NAME
from services.destination.workloads.plan import Plan, Update


def writes_of(plan: Plan) -> list[Write]:
    """The writes of a plan, in its order."""
    return [
        *(Create(ENDPOINT_SLICES, _new(each)) for each in plan.create),
        *(_patch(each) for each in plan.update),
        *(Delete(ENDPOINT_SLICES, each) for each in plan.delete),
    ]


def _new(slice_: EndpointSlice) -> dict[str, Any]:
    content = _content(slice_)
    metadata = {
        "generateName": f"linkerd-external-{slice_.metadata.labels[SERVICE_NAME]}-",
        "namespace": slice_.metadata.namespace,
        "ownerReferences": slice_.metadata.owner_references,
        **content.pop("metadata"),
    }
    return {"metadata": metadata, "addressType": slice_.address_type, **content}


def _patch(update: Update) -> Patch:
    change = difference(_content(update.before), _content(update.after))
    return Patch(ENDPOINT_SLICES, update.before, change)


def _content(slice_: EndpointSlice) -> dict[str, Any]:
    """What we keep of a slice, as JSON."""
    return {
        "metadata": {"labels": dict(slice_.metadata.labels)},
        "endpoints": [_said(each) for each in slice_.endpoints],
        "ports": [_said(each) for each in slice_.ports],
    }


def _said(part: msgspec.Struct) -> dict[str, Any]:
    """An endpoint or a port, without what is not set."""
    fields: dict[str, Any] = msgspec.to_builtins(part)
    return {name: value for name, value in fields.items() if value not in (None, "")}
