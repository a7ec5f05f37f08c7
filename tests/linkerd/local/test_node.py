"""A node, with everything real: pods, logs, exec, Services, DNS; and nothing of it left after."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import yaml

from linkerd.local.cluster import LocalCluster
from linkerd.local.errors import StateError
from linkerd.local.processes import Identity, find_marked, is_alive, wait_ended
from linkerd.local.requirements import node_obstacle
from linkerd.local.runner import MARK, Condition
from linkerd.local.system import run
from tests.support.images import write_busybox_archive

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.skipif(bool(node_obstacle()), reason=node_obstacle() or ""),
]

SERVE = """
/bin/busybox hostname > /web/index.html
echo serving
exec /bin/busybox httpd -f -p 8080 -h /web
"""


def eventually(check: Callable[[], bool], *, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@dataclass
class Web:
    """A Deployment of a small web server that says its pod's name, and a Service before it."""

    cluster: LocalCluster
    namespace: str
    image: str

    def create(self, *, replicas: int) -> None:
        container = {
            "name": "web",
            "image": self.image,
            "command": ["/bin/busybox", "sh", "-c", SERVE],
            "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
            "volumeMounts": [{"name": "web", "mountPath": "/web"}],
        }
        labels = {"app": "web"}
        pod = {
            "containers": [container],
            "volumes": [{"name": "web", "emptyDir": {}}],
            "terminationGracePeriodSeconds": 0,
        }
        deployment = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        service = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
        objects = [("apps/v1", "Deployment", deployment), ("v1", "Service", service)]
        manifests = [
            {"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec}
            for version, kind, spec in objects
        ]
        self.kubectl("apply", "-f-", stdin=yaml.safe_dump_all(manifests))
        self.kubectl("rollout", "status", "deployment/web", "--timeout=60s")

    def get(self, kind: str, path: str) -> list[str]:
        return self.kubectl("get", kind, "-o", f"jsonpath={{{path}}}").split()

    def pods(self) -> set[str]:
        return set(self.get("pods", ".items[*].metadata.name"))

    def ask(self, address: str) -> str:
        """What a pod behind the address says, once kube-proxy knows the way."""
        answers: list[str] = []

        def answered() -> bool:
            with suppress(OSError), urlopen(f"http://{address}/", timeout=5) as answer:
                answers.append(answer.read().decode().strip())
            return bool(answers)

        eventually(answered)
        return answers[0]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, stdin=stdin, timeout=90)


@pytest.fixture
def web(node_cluster: LocalCluster, node_namespace: str, busybox: str) -> Web:
    web = Web(node_cluster, node_namespace, busybox)
    web.create(replicas=2)
    return web


def test_every_component_is_ready(node_cluster: LocalCluster) -> None:
    status = node_cluster.status()

    assert {component.condition for component in status} == {Condition.READY}
    assert len(status) == 8


def test_logs_and_exec(web: Web) -> None:
    pod = min(web.pods())

    assert web.kubectl("logs", pod) == "serving\n"
    assert web.kubectl("exec", pod, "--", "/bin/busybox", "hostname").strip() == pod


def test_service_reaches_every_pod_from_the_host(web: Web) -> None:
    (address,) = web.get("service/web", ".spec.clusterIP")
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.add(web.ask(address))
        return seen == web.pods()

    eventually(all_seen)


def test_unknown_service_address_is_refused_at_once(web: Web) -> None:
    (address,) = web.get("service/web", ".spec.clusterIP")
    network = address.rpartition(".")[0]
    taken = web.cluster.kubectl("get", "services", "-A", "-o=jsonpath={..clusterIP}").split()
    unknown = next(a for a in (f"{network}.{i}" for i in range(1, 255)) if a not in taken)

    began = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((unknown, 80), timeout=10)
    assert time.monotonic() - began < 5


def test_pod_ip_is_reached_from_the_host(web: Web) -> None:
    names, addresses = (
        web.get("pods", ".items[*].metadata.name"),
        web.get("pods", ".items[*].status.podIP"),
    )

    assert [web.ask(f"{address}:8080") for address in addresses] == names


def test_service_name_is_reached_from_a_pod(web: Web) -> None:
    pod = min(web.pods())

    def ask(name: str) -> str:
        fetch = ("/bin/busybox", "wget", "-q", "-O-", f"http://{name}/")
        return web.kubectl("exec", pod, "--", *fetch).strip()

    assert ask("web") in web.pods()
    assert ask(f"web.{web.namespace}.svc.cluster.local") in web.pods()


def test_pod_reaches_the_api_and_holds_a_token_for_it(web: Web) -> None:
    pod = min(web.pods())
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"

    def execute(script: str) -> str:
        return web.kubectl("exec", pod, "--", "/bin/busybox", "sh", "-c", script)

    assert execute("/bin/busybox nc -w5 kubernetes.default.svc 443 </dev/null && echo open") == (
        "open\n"
    )
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": execute(f"/bin/busybox cat {token}")},
    }
    with web.cluster.api() as api:
        answer = api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert answer["status"]["user"]["username"] == f"system:serviceaccount:{web.namespace}:default"


def test_scaled_down_pods_leave_the_service(web: Web) -> None:
    web.kubectl("scale", "deployment/web", "--replicas=1")

    eventually(lambda: len(web.get("endpointslices", ".items[*].endpoints[*].addresses[0]")) == 1)
    eventually(lambda: len(web.pods()) == 1)
    (address,) = web.get("service/web", ".spec.clusterIP")
    assert {web.ask(address) for _ in range(5)} == web.pods()


def test_loaded_image_is_there_and_not_loaded_twice(
    node_cluster: LocalCluster, busybox: str, tmp_path: Path
) -> None:
    name, archive = write_busybox_archive(tmp_path)

    assert name == busybox
    assert node_cluster.has_image(name)
    assert node_cluster.load_image(archive) == [name]
    assert not node_cluster.has_image("localhost/other:1")


def test_nothing_listens_on_the_host(node_cluster: LocalCluster) -> None:
    ours = {process.pid for process in find_marked(MARK, str(node_cluster.state))}
    listening = [c for c in psutil.net_connections("inet") if c.status == psutil.CONN_LISTEN]

    assert len(ours) > 8
    assert not [connection for connection in listening if connection.pid in ours]


def test_second_up_changes_nothing(node_cluster: LocalCluster) -> None:
    before = [component.pid for component in node_cluster.status()]

    node_cluster.up()

    assert [component.pid for component in node_cluster.status()] == before


# What a node may leave on the host, and must not. Other nodes may come and go meanwhile, so only
# what carries this one's id or path counts; test_host.py has what they share.


def traces(cluster: LocalCluster) -> set[str]:
    """What there is of this node on the host outside its state directory."""
    identity = json.loads((cluster.state / "cluster.json").read_text())["id"]
    lines = [
        *Path("/proc/self/mountinfo").read_text().splitlines(),
        *(f"interface {file.name}" for file in Path("/sys/class/net").iterdir()),
        *run("ip", "route", "show", "table", "all").splitlines(),
        *run("iptables-save").splitlines(),
        *map(str, Path("/sys/fs/cgroup").glob("**/linkerd-local-*")),
        *(f"process {process.pid} of {identity}" for process in marked(cluster)),
    ]
    return {line for line in lines if identity in line or str(cluster.state) in line}


def marked(cluster: LocalCluster) -> list[Identity]:
    return find_marked(MARK, str(cluster.state))


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[LocalCluster]:
    """In a directory whose path is longer than a socket's may be, and needs quoting."""
    cluster = LocalCluster(tmp_path / ("long isn't short " * 6) / "node")
    yield cluster
    cluster.down(delete=True)


def run_a_pod(cluster: LocalCluster, folder: Path) -> Web:
    name, archive = write_busybox_archive(folder)
    cluster.load_image(archive)
    web = Web(cluster, "default", name)
    web.create(replicas=1)
    return web


def test_node_ends_without_a_trace_and_starts_again(own_node: LocalCluster, tmp_path: Path) -> None:
    own_node.up()
    web = run_a_pod(own_node, tmp_path)
    (pod,) = web.pods()
    kinds = {line.split()[0].rpartition("/")[0] for line in traces(own_node)}
    assert len(kinds) > 3  # it looks where there is something to see

    own_node.down()
    assert traces(own_node) == set()
    assert {component.condition for component in own_node.status()} == {Condition.STOPPED}

    own_node.up()  # with data and images of the first time
    web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert web.pods() == {pod}
    (address,) = web.get("service/web", ".spec.clusterIP")
    eventually(lambda: web.ask(address) == pod)

    own_node.down()
    assert traces(own_node) == set()
    own_node.down(delete=True)
    assert not own_node.state.exists()


def test_killed_node_is_cleared_and_comes_up_again(own_node: LocalCluster, tmp_path: Path) -> None:
    own_node.up()
    web = run_a_pod(own_node, tmp_path)
    killed = marked(own_node)
    for process in killed:
        with suppress(ProcessLookupError):  # it went with its namespace
            os.kill(process.pid, signal.SIGKILL)
    assert all(wait_ended(process, seconds=10) for process in killed)
    assert traces(own_node)
    assert Condition.READY not in {component.condition for component in own_node.status()}

    orphan = ("FORWARD", "-s", "192.0.2.1", "-m", "comment", "--comment", "linkerd-local-gone")
    run("iptables", "-w", "-A", *orphan, "-j", "ACCEPT")
    own_node.up()
    web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert len([line for line in traces(own_node) if "MASQUERADE" in line]) == 1
    assert "linkerd-local-gone" not in run("iptables-save")  # of a cluster without a link

    own_node.down()
    assert traces(own_node) == set()


def test_node_whose_starter_was_killed_is_found(own_node: LocalCluster) -> None:
    """As if `up` had been killed before it wrote down what holds the namespaces."""
    own_node.up()
    before = marked(own_node)
    for file in (own_node.state / "run").glob("*.json"):
        file.unlink()

    own_node.down()

    assert not any(is_alive(process) for process in before)
    assert traces(own_node) == set()


def test_node_whose_starter_was_killed_half_way_is_opened_anew(own_node: LocalCluster) -> None:
    """As if `up` had been killed before the namespaces were set up to the end."""
    own_node.up()
    file = own_node.state / "run" / "node.json"
    before = json.loads(file.read_text())
    file.write_text(json.dumps(before | {"fingerprint": ""}))

    own_node.up()

    assert json.loads(file.read_text())["process"] != before["process"]
    assert {component.condition for component in own_node.status()} == {Condition.READY}


def test_crashed_component_shows_and_up_repairs_it(own_node: LocalCluster, tmp_path: Path) -> None:
    own_node.up()
    web = run_a_pod(own_node, tmp_path)
    pids = {component.name: component.pid for component in own_node.status()}
    (killed,) = [process for process in marked(own_node) if process.pid == pids["kubelet"]]
    os.kill(killed.pid, signal.SIGKILL)
    assert wait_ended(killed, seconds=10)
    conditions = {component.name: component.condition for component in own_node.status()}
    assert conditions.pop("kubelet") is Condition.CRASHED
    assert set(conditions.values()) == {Condition.READY}

    own_node.up()

    now = {component.name: component.pid for component in own_node.status()}
    assert [name for name in pids if pids[name] != now[name]] == ["kubelet"]
    web.kubectl("rollout", "status", "deployment/web", "--timeout=60s")


def test_state_that_the_node_could_not_see_is_refused() -> None:
    cluster = LocalCluster(Path(f"/run/linkerd-local-test-{os.getpid()}"))
    try:
        with pytest.raises(StateError, match=r"choose another place with --state"):
            cluster.up()
    finally:
        cluster.down(delete=True)
    assert not cluster.state.exists()
