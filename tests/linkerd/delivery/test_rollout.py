"""Why a pod is not ready is said in the cluster's own words."""

from typing import Any

import pytest

from linkerd.delivery.rollout import reasons_of


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "status": status}


def container(**fields: Any) -> dict[str, Any]:
    return pod(containerStatuses=[{"name": "c", "ready": False} | fields])


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (pod(), []),
        (container(ready=True, state={"running": {}}), []),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "no room"}]),
            ["not scheduled: no room"],
        ),
        (
            container(state={"waiting": {"reason": "ErrImageNeverPull", "message": "absent"}}),
            ["container c: absent"],
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"exitCode": 3}},
            ),
            ["container c: CrashLoopBackOff, last exit code 3"],
        ),
        (container(state={"terminated": {"exitCode": 1}}), ["container c: ended with exit code 1"]),
        (
            container(state={"running": {}}),
            ["container c: runs but does not pass its readiness probe"],
        ),
    ],
)
def test_reasons(seen: dict[str, Any], reasons: list[str]) -> None:
    assert list(reasons_of(seen)) == reasons
