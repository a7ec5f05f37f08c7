"""A Prometheus with the metrics of a mesh, and a control plane's objects on a real API server."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from linkerd.delivery.kubectl import Kubectl
from linkerd.local.api import AdminApi
from linkerd.local.cluster import LocalCluster
from tests.support.prometheus import PAST, Series, Target, running_prometheus

ROOT = Path(__file__).resolve().parents[3]
_BUSY_SECONDS = 3 * 3600  # of the last day; more than 5 % of it


def _steady(rate: float) -> Callable[[float], float]:
    """A counter that grows by `rate` a second."""
    return lambda seconds: rate * seconds


def _value(number: float) -> Callable[[float], float]:
    return lambda _seconds: number


def _busy_lately(idle: float, busy: float) -> Callable[[float], float]:
    """A counter that grew by `idle` a second, and by `busy` for the last hours."""
    start = PAST - _BUSY_SECONDS
    return lambda seconds: idle * min(seconds, start) + busy * max(0.0, seconds - start)


def _proxy(pod: str) -> Target:
    latencies = (("1000", 98.0), ("2000", 100.0), ("+Inf", 100.0))
    series = [
        Series('request_total{direction="inbound"}', _steady(4.2)),
        Series('request_total{direction="outbound"}', _steady(100.0)),
        *(
            Series(f'request_handle_us_bucket{{le="{bound}"}}', _steady(rate), long=True)
            for bound, rate in latencies
        ),
    ]
    return Target("linkerd-proxy", {"pod": pod}, series)


def _injector() -> Target:
    metric = "proxy_inject_admission_responses_total"
    series = [
        Series(f'{metric}{{owner_kind="deployment",skip="false"}}', _value(41)),
        Series(f'{metric}{{owner_kind="job",skip="false"}}', _value(1)),
        Series(f'{metric}{{owner_kind="job",skip="true"}}', _value(7)),
    ]
    return Target("linkerd-controller", {"pod": "linkerd-proxy-injector"}, series)


def _cadvisor() -> Target:
    memory, cpu = "container_memory_working_set_bytes", "container_cpu_usage_seconds_total"
    series = [
        Series(f'{memory}{{container="linkerd-proxy",namespace="shop"}}', _value(30_000_000)),
        Series(f'{memory}{{container_name="linkerd-proxy",namespace="old"}}', _value(40_000_000)),
        Series(f'{memory}{{container="destination",namespace="linkerd"}}', _value(90_000_000.4)),
        Series(f'{memory}{{container="destination",namespace="shop"}}', _value(500_000_000)),
        Series(f'{memory}{{container="prometheus",namespace="linkerd"}}', _value(700_000_000)),
        Series(
            f'{cpu}{{container="linkerd-proxy",namespace="shop"}}',
            _busy_lately(0.01, 0.12345),
            long=True,
        ),
        Series(
            f'{cpu}{{container_name="linkerd-proxy",namespace="old"}}', _steady(0.05), long=True
        ),
        Series(f'{cpu}{{container="destination",namespace="linkerd"}}', _steady(0.0456), long=True),
        Series(f'{cpu}{{container="destination",namespace="shop"}}', _steady(9.0), long=True),
        Series(f'{cpu}{{container="prometheus",namespace="linkerd"}}', _steady(0.2), long=True),
    ]
    return Target("kubernetes-nodes-cadvisor", {}, series)


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus that has scraped three proxies, an injector and a cAdvisor of ours."""
    proxies = [_proxy(pod) for pod in ("web-1", "web-2", "cart-1")]
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, [*proxies, _injector(), _cadvisor()]) as url:
        yield url


@pytest.fixture
def control_plane(api_cluster: LocalCluster, namespace: str) -> str:
    """A namespace with ConfigMap linkerd-config, as installations have it; the CRD is there."""
    api_cluster.kubectl("apply", "-f", str(ROOT / "deploy/base/crds/serviceprofiles.yaml"))
    api_cluster.kubectl(
        "wait", "--for=condition=Established", "crd/serviceprofiles.linkerd.io", "--timeout=30s"
    )
    api_cluster.kubectl("create", "configmap", "linkerd-config", "-n", namespace)
    return namespace


@pytest.fixture
def account(api_cluster: LocalCluster, control_plane: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig of the job's own account, which has the rights of the component, no others."""
    kubectl = Kubectl(api_cluster.kubeconfig)
    folder = tmp_path / "overlay"
    folder.mkdir()
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": control_plane,
        "nameSuffix": f"-{control_plane}",
        "components": [os.path.relpath(ROOT / "deploy/components/heartbeat", folder.resolve())],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    kubectl.apply(kubectl.render(folder), doing="applying the component")
    name = f"linkerd-heartbeat-{control_plane}"
    with api_cluster.api() as api:
        _await_right(api, control_plane, name, {"resource": "configmaps", "verb": "get"})
        _await_right(api, "", name, {"resource": "namespaces", "verb": "list"}, control_plane)
    file = tmp_path / "kubeconfig"
    token = api_cluster.kubectl("create", "token", name, "-n", control_plane).strip()
    file.write_text(_with_token(api_cluster.kubeconfig, token))
    yield file
    for kind in ("clusterrole", "clusterrolebinding"):
        api_cluster.kubectl("delete", kind, name)


def _await_right(
    api: AdminApi, namespace: str, account: str, attributes: dict[str, str], home: str = ""
) -> None:
    """The authoriser learns of new roles through watches, a moment later."""
    user = f"system:serviceaccount:{home or namespace}:{account}"
    attributes = {**attributes, "namespace": namespace}
    if attributes["resource"] == "configmaps":
        attributes["name"] = "linkerd-config"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    deadline = time.monotonic() + 10
    while not api.request("POST", path, review)["status"]["allowed"]:
        assert time.monotonic() < deadline, f"{user} may not {attributes}"
        time.sleep(0.02)


def _with_token(kubeconfig: Path, token: str) -> str:
    config = yaml.safe_load(kubeconfig.read_text())
    cluster = config["clusters"][0]
    context = {"cluster": cluster["name"], "user": "job"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [cluster],
            "users": [{"name": "job", "user": {"token": token}}],
            "contexts": [{"name": "job", "context": context}],
            "current-context": "job",
        }
    )
