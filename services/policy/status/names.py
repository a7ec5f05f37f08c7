"""What the writer of statuses is called on the cluster; upstream's names, so that either can follow
the other."""

from typing import Final

from linkerd.kube.controller.election import LeaseTimes

LEASE: Final = "policy-controller-write"
FIELD_MANAGER: Final = "linkerd.io/policy-controller"
COMPONENT: Final = "policy"
QUEUE: Final = "policy_status"

TIMES: Final = LeaseTimes(duration=10.0, renew_deadline=7.0, retry=2.0)
"""A leader that is killed is followed by another after at most 10 s and two tries."""
