"""Domain values into messages."""

from google.protobuf.timestamp_pb2 import Timestamp

from linkerd.stubs.proxy.identity_pb2 import CertifyResponse
from services.identity.model import Issuer, Leaf


def certify_response(leaf: Leaf, issuer: Issuer) -> CertifyResponse:
    """What a proxy gets: its leaf, what it must present with it, and when to come back by."""
    valid_until = Timestamp()
    valid_until.FromDatetime(leaf.not_after)
    return CertifyResponse(
        leaf_certificate=leaf.der,
        intermediate_certificates=issuer.intermediates,
        valid_until=valid_until,
    )
