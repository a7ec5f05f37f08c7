"""A profile as a DestinationProfile."""

from google.protobuf.duration_pb2 import Duration

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import meta_pb2
from services.destination.model.profile import EMPTY_PROFILE, Profile, RetryBudget, ServicePort
from services.destination.wire.addresses import AddressEncoder


class ProfileDeltas:
    """The `delta` of topics of profiles: the whole profile whenever it differs."""

    def __init__(self, encoder: AddressEncoder) -> None:
        self._encoder = encoder

    def __call__(self, last: Profile | None, current: Profile) -> tuple[bytes, ...]:
        """The encoded profile, unless the reader has it."""
        if last == current:
            return ()
        return (self.message(current).SerializeToString(deterministic=True),)

    def message(self, profile: Profile) -> pb.DestinationProfile:
        """`profile` as a message."""
        if profile == EMPTY_PROFILE:
            return pb.DestinationProfile()
        message = pb.DestinationProfile(
            fully_qualified_name=profile.name,
            opaque_protocol=profile.opaque,
            retry_budget=_budget(profile.budget) if profile.budget else None,
        )
        if profile.service is not None:
            message.parent_ref.CopyFrom(_parent(profile.service))
            message.profile_ref.resource.group = "linkerd.io"
        if profile.endpoint is not None:
            message.endpoint.CopyFrom(self._encoder.message(profile.endpoint, None))
        return message


def _budget(budget: RetryBudget) -> pb.RetryBudget:
    ttl = Duration()
    ttl.FromTimedelta(budget.ttl)
    return pb.RetryBudget(retry_ratio=budget.ratio, min_retries_per_second=budget.minimum, ttl=ttl)


def _parent(service: ServicePort) -> meta_pb2.Metadata:
    resource = meta_pb2.Resource(
        group="core",
        kind="Service",
        name=service.name,
        namespace=service.namespace,
        port=service.port,
    )
    return meta_pb2.Metadata(resource=resource)
