"""What the schemas of the custom resources refuse: the examples, each with one thing wrong."""

from typing import Any, Final

GATEWAY: Final = "gateway.networking.k8s.io"
POLICY: Final = "policy.linkerd.io"
TWICE: Final = [{"name": "web", "kind": "Service", "group": ""}] * 2
SECTIONS: Final = [{"name": "web"}, {"name": "web", "port": 80}]
REDIRECT: Final = {"type": "RequestRedirect", "requestRedirect": {}}
REWRITE: Final = {"type": "URLRewrite", "urlRewrite": {"hostname": "a"}}
PREFIX: Final = {
    "type": "RequestRedirect",
    "requestRedirect": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
}
EXACT: Final = [{"path": {"type": "Exact", "value": "/a"}}]

FILTER: Final = "spec.rules.0.filters.0.type"
STATUS_CODE: Final = "spec.rules.1.filters.0.requestRedirect.statusCode"

REFUSED: Final[list[tuple[str, str, str, Any, str]]] = [
    # the example: its kind and name; what is changed in it; the new value; what the refusal names
    ("Server", "by-name", "spec.port", None, "spec.port"),
    ("Server", "by-name", "spec.externalWorkloadSelector", {}, "oneOf"),
    ("Server", "by-name", "spec.podSelector", None, "spec"),
    ("Server", "by-name", "spec.podSelector.matchExpressions.0.operator", "Like", "operator"),
    ("ServerAuthorization", "by-name", "spec.client", None, "spec.client"),
    ("ServerAuthorization", "by-name", "spec.server.selector", {}, "spec.server"),
    ("ServerAuthorization", "by-name", "spec.server.name", "Web", "spec.server.name"),
    ("ServerAuthorization", "by-name", "spec.client.networks.0.cidr", None, "cidr"),
    ("ServerAuthorization", "by-name", "spec.client.meshTLS.identities.0", "a.*", "identities"),
    ("AuthorizationPolicy", "shop", "spec.targetRef", None, "targetRef"),
    ("AuthorizationPolicy", "shop", "spec.requiredAuthenticationRefs", None, "required"),
    ("AuthorizationPolicy", "shop", "spec.targetRef.kind", None, "targetRef.kind"),
    ("MeshTLSAuthentication", "shop", "spec.identities", [], "identities"),
    ("MeshTLSAuthentication", "shop", "spec.identityRefs", [{"kind": "ServiceAccount"}], "oneOf"),
    ("MeshTLSAuthentication", "accounts", "spec.identityRefs.0.kind", None, "kind"),
    ("NetworkAuthentication", "office", "spec.networks", None, "networks"),
    ("NetworkAuthentication", "office", "spec.networks.0.cidr", None, "cidr"),
    ("HTTPLocalRateLimitPolicy", "web", "spec.targetRef.name", None, "targetRef.name"),
    ("HTTPLocalRateLimitPolicy", "web", "spec.total.requestsPerSecond", "7", "integer"),
    ("HTTPLocalRateLimitPolicy", "web", "spec.overrides.0.clientRefs", None, "clientRefs"),
    ("EgressNetwork", "all", "spec.trafficPolicy", "Maybe", "trafficPolicy"),
    ("EgressNetwork", "all", "spec.trafficPolicy", None, "trafficPolicy"),
    ("ExternalWorkload", "vm-1", "spec.workloadIPs", [{"ip": "192.0.2.1"}] * 3, "workloadIPs"),
    ("ExternalWorkload", "vm-1", "spec.ports.0.port", 65536, "port"),
    ("ExternalWorkload", "vm-1", "spec.meshTLS.serverName", None, "serverName"),
    ("ServiceProfile", "old.fin.svc.cluster.local", "spec.routes", None, "spec.routes"),
    (f"HTTPRoute.{POLICY}", "full", "spec.parentRefs", [{"name": "web"}] * 33, "parentRefs"),
    (f"HTTPRoute.{POLICY}", "full", "spec.parentRefs.0.port", 0, "port"),
    (f"HTTPRoute.{POLICY}", "full", "spec.hostnames", ["a.*"], "hostnames"),
    (f"HTTPRoute.{POLICY}", "full", "spec.hostnames", [f"h{n}" for n in range(17)], "hostnames"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules", [{}] * 17, "rules"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules.0.matches", [{}] * 9, "matches"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules.0.matches.0.method", "FETCH", "method"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules.0.matches.0.path.value", "/" * 1025, "path.value"),
    (f"HTTPRoute.{POLICY}", "full", FILTER, "URLRewrite", "type"),
    (f"HTTPRoute.{POLICY}", "full", FILTER, "ResponseHeaderModifier", "type"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules.0.backendRefs.0.weight", 1_000_001, "weight"),
    (f"HTTPRoute.{POLICY}", "full", "spec.rules.0.timeouts.request", "soon", "timeouts.request"),
    (f"HTTPRoute.{POLICY}", "full", STATUS_CODE, 307, "statusCode"),
    ("HTTPRoute", "full", "spec.parentRefs", TWICE, "differ in sectionName or port"),
    ("HTTPRoute", "full", "spec.parentRefs", SECTIONS, "or none"),
    ("HTTPRoute", "full", "spec.rules.0.matches.0.path.value", "books", "begin with /"),
    ("HTTPRoute", "full", "spec.rules.0.matches.0.path.value", "/a//b", "no //"),
    ("HTTPRoute", "full", "spec.rules.0.matches.0.path.value", "/a/..", "not end"),
    ("HTTPRoute", "full", "spec.rules.0.matches.0.path.value", "/ a", "characters of a path"),
    ("HTTPRoute", "full", "spec.rules.0.filters.1.requestRedirect", {}, "requestRedirect belongs"),
    ("HTTPRoute", "full", "spec.rules.0.filters.0.requestHeaderModifier", None, "which need it"),
    ("HTTPRoute", "full", "spec.rules.0.filters", [REWRITE, REWRITE], "at most one URLRewrite"),
    ("HTTPRoute", "full", "spec.rules.0.filters", [REWRITE, REDIRECT], "exclude each other"),
    ("HTTPRoute", "full", "spec.rules.0.filters", [REDIRECT], "excludes backendRefs"),
    ("HTTPRoute", "full", "spec.rules.1", {"filters": [PREFIX], "matches": EXACT}, "one match"),
    ("HTTPRoute", "full", "spec.rules.0.matches", EXACT, "of a PathPrefix"),
    ("HTTPRoute", "full", "spec.rules.0.backendRefs.0.port", None, "a Service needs a port"),
    ("HTTPRoute", "full", "spec.rules.0.timeouts.backendRequest", "2m", "must not exceed"),
    ("HTTPRoute", "full", "spec.rules.0.timeouts.request", "1d", "timeouts.request"),
    ("GRPCRoute", "full", "spec.rules.0.matches.0.method", {}, "service or method is missing"),
    ("GRPCRoute", "full", "spec.rules.0.matches.0.method.service", "a-b", "name with dots"),
    ("GRPCRoute", "full", "spec.rules.0.matches.0.method.method", "a.b", "must be a name"),
    ("GRPCRoute", "full", FILTER, "URLRewrite", "type"),
    ("TLSRoute", "web", "spec.rules", [], "rules"),
    ("TLSRoute", "web", "spec.rules.0.backendRefs", [], "backendRefs"),
    ("TLSRoute", "web", "spec.hostnames", ["*"], "hostnames"),
    ("TCPRoute", "database", "spec.rules", None, "rules"),
    ("TCPRoute", "database", "spec.rules.0.backendRefs.1.port", None, "a Service needs a port"),
    ("Link", "west", "spec.probeSpec.period", "often", "period"),
]  # fmt: skip
