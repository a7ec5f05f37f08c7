"""A profile as a DestinationProfile."""

from linkerd.stubs.proxy import destination_pb2 as pb
from linkerd.stubs.proxy import meta_pb2
from services.destination.model.profile import EMPTY_PROFILE, Profile, ServicePort
from services.destination.model.routes import Traffic
from services.destination.wire.addresses import AddressEncoder
from services.destination.wire.routes import budget_message, route_message, target_message


class ProfileDeltas:
    """The `delta` of topics of profiles: the whole profile whenever it differs."""

    def __init__(self, encoder: AddressEncoder) -> None:
        self._encoder = encoder

    def __call__(self, last: Profile | None, current: Profile) -> tuple[bytes, ...]:
        """The encoded profile, unless the reader has it. Profiles may differ in what is not told,
        such as the node of an endpoint, so their messages are compared."""
        message = self._encode(current)
        if last is not None and self._encode(last) == message:
            return ()
        return (message,)

    def _encode(self, profile: Profile) -> bytes:
        return self.message(profile).SerializeToString(deterministic=True)

    def message(self, profile: Profile) -> pb.DestinationProfile:
        """`profile` as a message."""
        if profile == EMPTY_PROFILE:
            return pb.DestinationProfile()
        message = pb.DestinationProfile(
            fully_qualified_name=profile.name, opaque_protocol=profile.opaque
        )
        if profile.traffic.budget is not None:
            message.retry_budget.CopyFrom(budget_message(profile.traffic.budget))
        if profile.service is not None:
            _add_service(message, profile.service, profile.traffic)
        if profile.endpoint is not None:
            message.endpoint.CopyFrom(self._encoder.message(profile.endpoint, None))
        return message


def _add_service(message: pb.DestinationProfile, service: ServicePort, traffic: Traffic) -> None:
    message.routes.extend(map(route_message, traffic.routes))
    message.dst_overrides.extend(
        target_message(target.authority, target.weight, service.port) for target in traffic.targets
    )
    message.parent_ref.resource.CopyFrom(
        meta_pb2.Resource(
            group="core",
            kind="Service",
            name=service.name,
            namespace=service.namespace,
            port=service.port,
        )
    )
    reference = message.profile_ref.resource
    reference.group = "linkerd.io"
    if traffic.profile is not None:
        reference.kind = "ServiceProfile"
        reference.namespace, reference.name = traffic.profile
