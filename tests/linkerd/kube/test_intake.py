"""What is listed again is looked at no closer than it takes to see that nothing has changed."""

from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from linkerd.kube.events import Applied, Deleted
from linkerd.kube.intake import Intake
from linkerd.kube.objects import Key, Service
from linkerd.kube.reflector_metrics import Meter, ReflectorMetrics
from linkerd.kube.resource import SERVICES


@pytest.fixture
def meter() -> Meter:
    return ReflectorMetrics(CollectorRegistry()).of("services", "")


@pytest.fixture
def intake(meter: Meter) -> Intake[Service]:
    """It has listed one service, `a`."""
    intake = Intake(SERVICES, meter)
    intake.begin_list()
    assert len(intake.take_items([_service()])) == 1
    intake.end_list("1")
    intake.begin_list()
    return intake


def _service(version: str = "1", *, uid: str = "u", spec: Any = None) -> bytes:
    metadata = {"name": "a", "namespace": "ns", "uid": uid, "resourceVersion": version}
    return msgspec.json.encode({"metadata": metadata, "spec": spec or {"type": "ClusterIP"}})


def _malformed(meter: Meter) -> float:
    return next(iter(meter.malformed.collect())).samples[0].value


def test_what_is_known_is_not_decoded_again(intake: Intake[Service], meter: Meter) -> None:
    before = intake.objects[Key("ns", "a")]
    assert intake.take_items([_service(spec="of which nothing can be made")]) == []
    assert list(intake.unlisted()) == []
    assert intake.objects[Key("ns", "a")] is before
    assert _malformed(meter) == 0


def test_another_version_is_taken(intake: Intake[Service]) -> None:
    (event,) = intake.take_items([_service("2", spec={"type": "ExternalName"})])
    assert isinstance(event, Applied)
    assert event.object.spec.type == "ExternalName"


def test_another_object_under_the_same_name_is_taken(intake: Intake[Service]) -> None:
    gone, come = intake.take_items([_service(uid="v")])
    assert isinstance(gone, Deleted)
    assert isinstance(come, Applied)


def test_what_is_malformed_again_is_reported_again(intake: Intake[Service], meter: Meter) -> None:
    for version, spec, reports in (("2", 5, 1), ("2", 5, 1), ("1", None, 1), ("2", 5, 2)):
        assert intake.take_items([_service(version, spec=spec)]) == []
        assert _malformed(meter) == reports
