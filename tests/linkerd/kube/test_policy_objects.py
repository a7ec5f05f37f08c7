"""Objects of policy decode from whatever their schemas admit, and say when they were made."""

import msgspec
import pytest
import yaml

from linkerd.kube import resource
from linkerd.kube.decode import Malformed, ObjectDecoder
from linkerd.kube.objects import (
    Block,
    Condition,
    EgressNetwork,
    HTTPRoute,
    MeshTLSAuthentication,
    ParentReference,
    Reference,
    RouteParentStatus,
    Server,
    ServerAuthorization,
)
from tests.support.generated import CRDS, GATEWAY_CRDS

READ = (
    resource.SERVERS,
    resource.SERVER_AUTHORIZATIONS,
    resource.AUTHORIZATION_POLICIES,
    resource.MESH_TLS_AUTHENTICATIONS,
    resource.NETWORK_AUTHENTICATIONS,
    resource.RATE_LIMITS,
    resource.EGRESS_NETWORKS,
    resource.LINKERD_HTTP_ROUTES,
    resource.HTTP_ROUTES,
    resource.GRPC_ROUTES,
    resource.TLS_ROUTES,
    resource.TCP_ROUTES,
)
META = b'"metadata":{"name":"a","namespace":"b","creationTimestamp":"2026-01-31T00:00:00Z"}'
LEAST = {
    "Server": b'{"port":"x"}',
    "ServerAuthorization": b'{"server":{},"client":{}}',
    "AuthorizationPolicy": (
        b'{"targetRef":{"kind":"Server","name":"a"},"requiredAuthenticationRefs":[]}'
    ),
    "HTTPLocalRateLimitPolicy": b'{"targetRef":{"kind":"Server","name":"a"}}',
    "EgressNetwork": b'{"trafficPolicy":"Maybe"}',
}


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.path())
def test_the_least_that_a_schema_asks_for_decodes(kind: resource.Resource[Server]) -> None:
    spec = LEAST.get(kind.kind, b"{}")
    item = ObjectDecoder(kind.struct).decode(b'{%s,"spec":%s,"status":{}}' % (META, spec))
    assert not isinstance(item, Malformed), item
    assert item.metadata.creation_timestamp == "2026-01-31T00:00:00Z"


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.path())
def test_a_kind_whose_definition_is_missing_is_waited_for(
    kind: resource.Resource[Server],
) -> None:
    assert kind.may_be_missing


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.path())
def test_our_definition_of_a_kind_serves_a_version_that_we_read(
    kind: resource.Resource[Server],
) -> None:
    folder = CRDS if kind.group == "policy.linkerd.io" else GATEWAY_CRDS
    spec = yaml.load((folder / f"{kind.plural}.yaml").read_text(), yaml.CSafeLoader)["spec"]
    served = [version["name"] for version in spec["versions"] if version["served"]]
    stored = next(version["name"] for version in spec["versions"] if version["storage"])
    assert (spec["group"], spec["names"]["kind"]) == (kind.group, kind.kind)
    assert next(version for version in kind.versions if version in served) == stored


def test_nulls_are_as_absent() -> None:
    raw = b'{%s,"spec":{"parentRefs":null,"rules":[{"matches":null,"timeouts":null}]}}' % META
    item = ObjectDecoder(HTTPRoute).decode(raw)
    assert isinstance(item, HTTPRoute)
    assert item.spec.rules[0].timeouts is None


def test_absent_is_told_from_empty() -> None:
    def networks(spec: bytes) -> tuple[Block, ...] | None:
        return msgspec.json.decode(b"{%s,%s}" % (META, spec), type=EgressNetwork).spec.networks

    assert networks(b'"spec":{"trafficPolicy":"Deny"}') is None
    assert networks(b'"spec":{"trafficPolicy":"Deny","networks":[]}') == ()
    authentication = msgspec.json.decode(
        b'{%s,"spec":{"identityRefs":[{"kind":"ServiceAccount"}]}}' % META,
        type=MeshTLSAuthentication,
    )
    assert authentication.spec.identities is None
    assert authentication.spec.identity_refs == (Reference("ServiceAccount"),)


def test_fields_have_the_names_of_the_schema() -> None:
    raw = (
        b'{%s,"spec":{"server":{"selector":{"matchLabels":{"a":"b"}}},"client":{'
        b'"networks":[{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}],"unauthenticated":true,'
        b'"meshTLS":{"unauthenticatedTLS":true,"identities":["*"],'
        b'"serviceAccounts":[{"name":"jam"}]}}}}'
    ) % META
    client = msgspec.json.decode(raw, type=ServerAuthorization).spec.client
    assert client.networks == (Block("10.0.0.0/8", ("10.1.0.0/16",)),)
    assert client.mesh_tls is not None
    assert client.mesh_tls.unauthenticated_tls
    assert client.mesh_tls.service_accounts[0].name == "jam"


def test_a_status_is_written_back_as_it_was() -> None:
    entry = {
        "parentRef": {"group": "", "kind": "Service", "name": "a", "sectionName": "s", "port": 1},
        "controllerName": "some.one/else",
        "conditions": [
            {
                "type": "Accepted",
                "status": "True",
                "reason": "Accepted",
                "message": "so be it",
                "lastTransitionTime": "2026-01-31T00:00:00Z",
                "observedGeneration": 3,
            }
        ],
    }
    written = msgspec.json.encode(msgspec.convert(entry, RouteParentStatus))
    assert msgspec.json.decode(written) == entry


def test_what_the_schema_asks_for_is_written_even_if_it_is_empty() -> None:
    assert msgspec.to_builtins(ParentReference("a")) == {"name": "a"}
    condition = {
        "type": "Accepted",
        "status": "Unknown",
        "reason": "Pending",
        "message": "",
        "lastTransitionTime": "2026-01-31T00:00:00Z",
    }
    assert msgspec.to_builtins(msgspec.convert(condition, Condition)) == condition
