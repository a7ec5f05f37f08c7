"""Profiles as messages."""

from datetime import timedelta

from services.destination.model.address import Address
from services.destination.model.profile import EMPTY_PROFILE, Profile, ServicePort
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.profiles import ProfileDeltas
from tests.support.proxy_rules import ProfileReader

DELTAS = ProfileDeltas(AddressEncoder())


def test_a_service() -> None:
    profile = Profile(
        name="ledger.fin.svc.mesh.test", service=ServicePort("fin", "ledger", 8080), opaque=True
    )
    (raw,) = DELTAS(None, profile)
    message = ProfileReader().take(raw)
    assert message.fully_qualified_name == "ledger.fin.svc.mesh.test"
    assert message.opaque_protocol
    assert not message.HasField("endpoint")
    parent = message.parent_ref.resource
    assert (parent.group, parent.kind, parent.namespace, parent.name, parent.port) == (
        "core", "Service", "fin", "ledger", 8080,
    )  # fmt: skip
    assert message.profile_ref.resource.group == "linkerd.io"
    assert not message.profile_ref.resource.name


def test_t31_nobody() -> None:
    (raw,) = DELTAS(None, Profile())
    message = ProfileReader().take(raw)
    assert round(message.retry_budget.retry_ratio, 6) == 0.2
    assert message.retry_budget.min_retries_per_second == 10
    assert message.retry_budget.ttl.ToTimedelta() == timedelta(seconds=10)
    assert not message.HasField("endpoint")
    assert not message.HasField("parent_ref")
    assert not message.HasField("profile_ref")


def test_an_endpoint_has_no_locality() -> None:
    (raw,) = DELTAS(None, Profile(endpoint=Address("10.4.0.1", 80, labels=(("pod", "a"),))))
    endpoint = ProfileReader().take(raw).endpoint
    assert dict(endpoint.metric_labels) == {"pod": "a"}
    assert endpoint.weight == 10_000


def test_the_empty_profile_is_no_bytes_at_all() -> None:
    assert DELTAS(None, EMPTY_PROFILE) == (b"",)


def test_t74_the_first_state_is_one_message() -> None:
    assert len(DELTAS(None, Profile(endpoint=Address("10.4.0.1", 80)))) == 1


def test_t75_an_equal_profile_is_not_told_again() -> None:
    assert DELTAS(Profile(), Profile()) == ()
    assert DELTAS(Profile(), Profile(opaque=True)) != ()


def test_t75_what_is_not_told_makes_no_difference() -> None:
    here, there = (Profile(endpoint=Address("10.4.0.1", 80, node=node)) for node in ("n1", "n2"))
    assert DELTAS(here, there) == ()
