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
