"""What is told of the index on /metrics."""

from prometheus_client import CollectorRegistry

from linkerd.mesh.workload_token import WorkloadToken
from linkerd.runtime.metrics import exposition
from services.policy.index.kinds import Kind
from services.policy.metrics import IndexCollector
from tests.support.policy.inbound import World

TLS = {"identity": "vm.test", "serverName": "vm.test"}
PARENTS = [
    {"group": "core", "kind": "Service", "name": "web"},
    {"group": "core", "kind": "Service", "name": "web", "port": 80},
    {"group": "core", "kind": "Service", "name": "api", "namespace": "ops", "port": 80},
]


def lines(world: World) -> set[str]:
    source = CollectorRegistry()
    source.register(IndexCollector(world.index))
    return set(exposition(source).decode().splitlines())


def test_sizes_by_namespace() -> None:
    world = World()
    world.pod("web-0")
    world.pod("web-1")
    world.pod("api-0", namespace="ops")
    world.put(Kind.EXTERNAL_WORKLOAD, "vm", {"meshTLS": TLS, "ports": []})
    world.server("web")
    world.server("api", namespace="ops")
    everyone = {"server": {"name": "web"}, "client": {"unauthenticated": True}}
    world.put(Kind.SERVER_AUTHORIZATION, "all", everyone)
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": "web"}
    spec = {"targetRef": target, "requiredAuthenticationRefs": []}
    world.put(Kind.AUTHORIZATION_POLICY, "all", spec)
    world.put(Kind.MESH_TLS_AUTHENTICATION, "all", {"identities": ["*"]})
    world.put(Kind.NETWORK_AUTHENTICATION, "all", {"networks": [{"cidr": "10.0.0.0/8"}]})
    world.put(Kind.SERVICE, "web", {"clusterIPs": ["10.0.0.9", "fd00::9"], "ports": []})
    for kind in (Kind.HTTP_ROUTE, Kind.GATEWAY_HTTP_ROUTE):
        world.put(kind, "books", {"parentRefs": PARENTS, "rules": []})
    assert lines(world) >= {
        'inbound_index_pod_index_size{namespace="fin"} 2.0',
        'inbound_index_pod_index_size{namespace="ops"} 1.0',
        'inbound_index_external_workload_index_size{namespace="fin"} 1.0',
        'inbound_index_server_index_size{namespace="fin"} 1.0',
        'inbound_index_server_index_size{namespace="ops"} 1.0',
        'inbound_index_server_authorization_index_size{namespace="fin"} 1.0',
        'inbound_index_authorization_policy_index_size{namespace="fin"} 1.0',
        'inbound_index_meshtls_authentication_index_size{namespace="fin"} 1.0',
        'inbound_index_network_authentication_index_size{namespace="fin"} 1.0',
        'inbound_index_http_route_index_size{namespace="fin"} 2.0',
        "outbound_index_service_index_size 2.0",
        "outbound_index_service_info_index_size 1.0",
        'outbound_index_service_route_index_size{namespace="fin"} 1.0',
        'outbound_index_service_port_route_index_size{namespace="fin"} 1.0',
        'outbound_index_service_port_route_index_size{namespace="ops"} 1.0',
    }


def test_streams_and_complaints() -> None:
    world = World()
    world.pod("web-0")
    ports = [world.index.watch_port(WorkloadToken("fin", "web-0"), 8080) for _ in range(3)]
    address = world.index.watch_address("fin", "203.0.113.7", 443)
    world.put(Kind.NETWORK_AUTHENTICATION, "odd", {"networks": [{"cidr": "everywhere"}]})
    assert lines(world) >= {
        'policy_streams{direction="inbound"} 3.0',
        'policy_streams{direction="outbound"} 1.0',
        "policy_malformed_objects_total 1.0",
        "policy_index_failures_total 0.0",
    }
    for each in (*ports, address):
        each.close()
    assert 'policy_streams{direction="inbound"} 0.0' in lines(world)
    assert "policy_views 0.0" in lines(world)
