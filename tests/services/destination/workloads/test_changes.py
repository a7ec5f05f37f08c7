"""Which services an event concerns. Ids of the catalogue: T166, T167."""

from typing import Any

import msgspec
import pytest

from linkerd.kube.objects import ExternalWorkload, WorkloadPort
from linkerd.mesh.labels import TOPOLOGY_ZONE
from services.destination.workloads.changes import concerned, spec_changed
from tests.support.workloads.plans import machine, make_service

IP, OTHER = "192.0.2.7", "192.0.2.8"
PORT = WorkloadPort(8080, name="http")


def declaring(*ports: WorkloadPort, **more: Any) -> ExternalWorkload:
    return machine("m1", IP, ports=ports, **more)


class TestAppearance:
    @pytest.mark.parametrize(
        ("old", "new", "changed"),
        [
            (machine("m1", IP), machine("m1", IP), False),
            (machine("m1", IP), machine("m1", IP, OTHER), True),
            (machine("m1", IP, OTHER), machine("m1", IP), True),
            (machine("m1", IP), machine("m1", OTHER), True),
            (machine("m1", IP, OTHER), machine("m1", OTHER, IP), True),
            (declaring(PORT), declaring(PORT, WorkloadPort(8081)), True),
            (declaring(PORT, WorkloadPort(8081)), declaring(PORT), True),
            (declaring(PORT), declaring(WorkloadPort(8081, name="http")), True),
            (declaring(PORT), declaring(WorkloadPort(8080, name="web")), True),
            (declaring(PORT), declaring(WorkloadPort(8080)), True),
            (declaring(PORT), declaring(WorkloadPort(8080, "http", "UDP")), True),
            (declaring(PORT, WorkloadPort(1)), declaring(WorkloadPort(1), PORT), False),
            (machine("m1", ready=True), machine("m1", ready=False), True),
            (machine("m1", ready=False), machine("m1", ready=None), False),
            (machine("m1"), machine("m1", deleting=True), True),
            (machine("m1"), machine("m1", labels={TOPOLOGY_ZONE: "z1"}), True),
            (machine("m1"), machine("m1", labels={"x": "y"}), False),
            (machine("m1"), machine("m1", annotations={"linkerd.io/x": "y"}), False),
        ],
    )
    def test_t166_what_makes_endpoints_differ(
        self, old: ExternalWorkload, new: ExternalWorkload, changed: bool
    ) -> None:
        assert spec_changed(old, new) is changed
        assert spec_changed(new, old) is changed


SERVICES = [
    make_service("both", selector={"app": "ledger"}),
    make_service("blue", selector={"colour": "blue"}),
    make_service("red", selector={"colour": "red"}),
    make_service("by-hand", selector=None),
    make_service("away", selector={"app": "ledger"}, type="ExternalName"),
]
BLUE, RED = {"colour": "blue"}, {"colour": "red"}


class TestConcerned:
    def test_t167_nothing_changed(self) -> None:
        same = machine("m1", labels=BLUE)
        assert concerned(same, same, SERVICES) == set()
        assert concerned(same, machine("m1", labels=BLUE), SERVICES) == set()

    def test_t167_labels_and_spec(self) -> None:
        old, new = machine("m1", IP, labels=BLUE), machine("m1", OTHER, labels=RED)
        assert concerned(old, new, SERVICES) == {"both", "blue", "red"}

    def test_t167_spec_alone(self) -> None:
        old, new = machine("m1", IP, labels=BLUE), machine("m1", OTHER, labels=BLUE)
        assert concerned(old, new, SERVICES) == {"both", "blue"}

    def test_t167_labels_alone(self) -> None:
        old, new = machine("m1", labels=BLUE), machine("m1", labels=RED)
        assert concerned(old, new, SERVICES) == {"blue", "red"}

    def test_of_one_version_there_is_no_news(self) -> None:
        old = machine("m1", IP)
        new = msgspec.structs.replace(machine("m1", OTHER), metadata=old.metadata)
        assert concerned(old, new, SERVICES) == set()

    def test_it_came_or_went(self) -> None:
        workload = machine("m1", labels=RED)
        assert concerned(None, workload, SERVICES) == {"both", "red"}
        assert concerned(workload, None, SERVICES) == {"both", "red"}
        assert concerned(None, None, SERVICES) == set()
