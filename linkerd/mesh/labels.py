"""Every label and annotation of the protocol, once.

These strings are what tools, proxies and clusters already know; none of them is ours to change.
"""

from typing import Final

# Labels on pods and control-plane objects.
CONTROL_PLANE_NS: Final = "linkerd.io/control-plane-ns"
CONTROL_PLANE_COMPONENT: Final = "linkerd.io/control-plane-component"
WORKLOAD_NS: Final = "linkerd.io/workload-ns"
PROXY_DEPLOYMENT: Final = "linkerd.io/proxy-deployment"
TRUST_ROOT_SHA256: Final = "linkerd.io/trust-root-sha256"
EXTENSION: Final = "linkerd.io/extension"
POD_TEMPLATE_HASH: Final = "pod-template-hash"

# Annotations.
CREATED_BY: Final = "linkerd.io/created-by"

# Annotations that the data plane obeys.
OPAQUE_PORTS: Final = "config.linkerd.io/opaque-ports"
SKIP_INBOUND_PORTS: Final = "config.linkerd.io/skip-inbound-ports"
DEFAULT_INBOUND_POLICY: Final = "config.linkerd.io/default-inbound-policy"
REQUIRE_IDENTITY_PORTS: Final = "config.linkerd.io/proxy-require-identity-inbound-ports"

# Annotations of what clients call, and of routes to it.
TIMEOUT_REQUEST: Final = "timeout.linkerd.io/request"
TIMEOUT_RESPONSE: Final = "timeout.linkerd.io/response"
TIMEOUT_IDLE: Final = "timeout.linkerd.io/idle"
RETRY_HTTP: Final = "retry.linkerd.io/http"
RETRY_GRPC: Final = "retry.linkerd.io/grpc"
RETRY_LIMIT: Final = "retry.linkerd.io/limit"
RETRY_TIMEOUT: Final = "retry.linkerd.io/timeout"
FAILURE_ACCRUAL: Final = "balancer.linkerd.io/failure-accrual"
ACCRUAL_MAX_FAILURES: Final = "balancer.linkerd.io/failure-accrual-consecutive-max-failures"
ACCRUAL_MIN_PENALTY: Final = "balancer.linkerd.io/failure-accrual-consecutive-min-penalty"
ACCRUAL_MAX_PENALTY: Final = "balancer.linkerd.io/failure-accrual-consecutive-max-penalty"
ACCRUAL_JITTER_RATIO: Final = "balancer.linkerd.io/failure-accrual-consecutive-jitter-ratio"
ACCRUAL_SUCCESS_THRESHOLD: Final = (
    "balancer.alpha.linkerd.io/failure-accrual-success-rate-threshold"
)
ACCRUAL_SUCCESS_WINDOW: Final = "balancer.alpha.linkerd.io/failure-accrual-success-rate-window"
ACCRUAL_MIN_REQUESTS: Final = "balancer.alpha.linkerd.io/failure-accrual-success-rate-min-requests"
ACCRUAL_HONOR_RETRY_AFTER: Final = "balancer.alpha.linkerd.io/failure-accrual-honor-retry-after"
PENALIZE_FAILURES: Final = "balancer.alpha.linkerd.io/penalize-failures"
LOAD_BIASER_PENALTY: Final = "balancer.alpha.linkerd.io/load-biaser-penalty"
LOAD_BIASER_MAX_RETRY_AFTER: Final = "balancer.alpha.linkerd.io/load-biaser-max-retry-after"

# Kubernetes' own names.
APP_VERSION: Final = "app.kubernetes.io/version"
SERVICE_NAME: Final = "kubernetes.io/service-name"
SLICE_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
HEADLESS_SERVICE: Final = "service.kubernetes.io/headless"
TOPOLOGY_ZONE: Final = "topology.kubernetes.io/zone"

# Mirrored services.
REMOTE_CLUSTER_NAME: Final = "mirror.linkerd.io/cluster-name"
REMOTE_GATEWAY_IDENTITY: Final = "mirror.linkerd.io/remote-gateway-identity"
REMOTE_SERVICE_FQ_NAME: Final = "mirror.linkerd.io/remote-svc-fq-name"

# Services whose endpoints are in other clusters, and the Secrets that lead there. As a label of a
# service REMOTE_DISCOVERY names a cluster; as an annotation it lists `service@cluster`.
REMOTE_DISCOVERY: Final = "multicluster.linkerd.io/remote-discovery"
REMOTE_SERVICE: Final = "multicluster.linkerd.io/remote-service"
LOCAL_DISCOVERY: Final = "multicluster.linkerd.io/local-discovery"
LINKED_CLUSTER_NAME: Final = "multicluster.linkerd.io/cluster-name"
LINKED_TRUST_DOMAIN: Final = "multicluster.linkerd.io/trust-domain"
LINKED_CLUSTER_DOMAIN: Final = "multicluster.linkerd.io/cluster-domain"
REMOTE_KUBECONFIG: Final = "mirror.linkerd.io/remote-kubeconfig"  # a type of Secret
