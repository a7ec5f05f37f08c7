"""An API-only cluster, with the real programs: up, down, killed, broken and misused."""

import os
import signal
import socket
import ssl
import stat
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest
import yaml

from linkerd.local.cluster import LocalCluster
from linkerd.local.errors import AddressError, LocalError, StateError
from linkerd.local.files import write_private
from linkerd.local.processes import Identity, find_marked, is_alive, wait_ended
from linkerd.local.runner import MARK, Condition
from tests.support.namespaces import fresh_namespace

pytestmark = pytest.mark.integration


def conditions(cluster: LocalCluster) -> dict[str, Condition]:
    return {component.name: component.condition for component in cluster.status()}


def processes(cluster: LocalCluster) -> list[Identity]:
    return find_marked(MARK, str(cluster.state))


def kill_all(cluster: LocalCluster) -> None:
    killed = processes(cluster)
    for process in killed:
        os.kill(process.pid, signal.SIGKILL)
    assert all(wait_ended(process, seconds=10) for process in killed)


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster for the tests here that break one: each finds it up, or up again."""
    cluster = LocalCluster(tmp_path_factory.mktemp("breakable") / "state", api_only=True)
    yield cluster
    cluster.down(delete=True)


@pytest.fixture
def own(breakable: LocalCluster) -> LocalCluster:
    try:
        breakable.up()
    except LocalError:  # the test before broke it for good
        breakable.down(delete=True)
        breakable.up()
    return breakable


@pytest.fixture
def other_api_cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    cluster = LocalCluster(tmp_path / "other", api_only=True)
    yield cluster
    cluster.down(delete=True)


def test_shared_cluster_serves_a_namespace(api_cluster: LocalCluster, namespace: str) -> None:
    assert namespace in api_cluster.kubectl("get", "namespaces", "-o", "name")


def test_pods_and_tokens_work_without_controllers(
    api_cluster: LocalCluster, namespace: str
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    with api_cluster.api() as api:
        api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)
    api_cluster.kubectl("create", "serviceaccount", "s", "-n", namespace)
    token = api_cluster.kubectl("create", "token", "s", "-n", namespace, "--audience=a").strip()

    def review(audience: str) -> dict[str, object]:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        with api_cluster.api() as api:
            answer = api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body)
        return dict(answer["status"])

    assert review("a").get("authenticated") is True
    assert not review("b").get("authenticated")


def test_namespaces_of_tests_are_empty_when_they_end(own: LocalCluster) -> None:
    with own.api() as api, fresh_namespace(api) as name:
        own.kubectl("create", "configmap", "c", "-n", name)
        own.kubectl("create", "service", "clusterip", "s", "--tcp=80", "-n", name)

    everything = own.kubectl("get", "namespaces,configmaps,services", "-A")
    assert name not in everything


def test_credentials_are_for_the_owner_alone(api_cluster: LocalCluster) -> None:
    state = api_cluster.state
    files = [api_cluster.kubeconfig, *state.glob("pki/*"), *state.glob("config/*")]

    assert len(files) > 20
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_all_listeners_are_on_loopback(api_cluster: LocalCluster) -> None:
    running = [psutil.Process(process.pid) for process in processes(api_cluster)]
    connections = [c for process in running for c in process.net_connections("inet")]
    listening = {c.laddr[0] for c in connections if c.status == psutil.CONN_LISTEN}

    assert listening == {"127.0.0.1"}


def test_nobody_gets_in_without_credentials(api_cluster: LocalCluster) -> None:
    document = yaml.safe_load(api_cluster.kubeconfig.read_text())
    context = ssl.create_default_context(cafile=api_cluster.state / "pki" / "ca.crt")
    url = document["clusters"][0]["cluster"]["server"]

    with pytest.raises(HTTPError) as refused:
        urlopen(f"{url}/api/v1/secrets", context=context)

    with refused.value:
        assert refused.value.code == HTTPStatus.FORBIDDEN


def test_data_outlives_down_and_goes_with_delete(own: LocalCluster) -> None:
    cluster = own
    cluster.kubectl("create", "namespace", "kept")

    cluster.down()
    assert processes(cluster) == []
    assert set(conditions(cluster).values()) == {Condition.STOPPED}
    cluster.up()
    assert "kept" in cluster.kubectl("get", "namespaces")

    cluster.down(delete=True)
    assert not cluster.state.exists()
    assert list(cluster.state.parent.iterdir()) == []
    assert cluster.status() == []


def test_second_up_changes_nothing(own: LocalCluster) -> None:
    before = [component.pid for component in own.status()]
    kubeconfig = own.kubeconfig.read_bytes()

    own.up()

    assert [component.pid for component in own.status()] == before
    assert own.kubeconfig.read_bytes() == kubeconfig


def test_killed_cluster_comes_up_again(own: LocalCluster) -> None:
    own.kubectl("create", "namespace", "kept")
    kill_all(own)
    assert set(conditions(own).values()) == {Condition.CRASHED}

    own.up()

    assert "kept" in own.kubectl("get", "namespaces")
    assert set(conditions(own).values()) == {Condition.READY}


def test_killed_starter_leaves_nothing_that_up_cannot_find(own: LocalCluster) -> None:
    """As if `up` had been killed between starting a process and writing it down."""
    before = processes(own)
    for file in (own.state / "run").glob("*.json"):
        file.unlink()

    own.up()

    assert not any(is_alive(process) for process in before)
    assert set(conditions(own).values()) == {Condition.READY}


def test_one_component_stops_and_starts(own: LocalCluster) -> None:
    own.stop("kube-apiserver")
    assert conditions(own)["kube-apiserver"] is Condition.STOPPED
    assert conditions(own)["etcd"] is Condition.READY

    own.start("kube-apiserver")

    assert own.kubectl("get", "--raw=/readyz") == "ok"
    with pytest.raises(LocalError, match="no component 'kubelet'"):
        own.start("kubelet")


def test_two_clusters_live_side_by_side(own: LocalCluster, other_api_cluster: LocalCluster) -> None:
    other_api_cluster.up()
    own.kubectl("create", "namespace", "mine")

    assert "mine" not in other_api_cluster.kubectl("get", "namespaces")
    other_api_cluster.down(delete=True)
    assert set(conditions(own).values()) == {Condition.READY}


def test_clusters_do_not_trust_each_others_credentials(
    api_cluster: LocalCluster, own: LocalCluster, tmp_path: Path
) -> None:
    mixed = yaml.safe_load(api_cluster.kubeconfig.read_text())
    other = yaml.safe_load(own.kubeconfig.read_text())
    mixed["users"] = other["users"]
    file = write_private(tmp_path / "mixed", yaml.safe_dump(mixed))

    with pytest.raises(LocalError, match=r"must be logged in|Unauthorized|unknown authority"):
        api_cluster.kubectl(f"--kubeconfig={file}", "get", "secrets", "-A")


def test_chosen_port_is_kept_unless_somebody_takes_it(own: LocalCluster) -> None:
    def port() -> int:
        text = own.kubeconfig.read_text()
        return int(text.partition("https://127.0.0.1:")[2].split()[0])

    first = port()
    own.down()
    own.up()
    assert port() == first

    own.down()
    with socket.create_server(("127.0.0.1", first)):
        own.up()
        assert port() != first
        assert own.kubectl("get", "--raw=/readyz") == "ok"


def test_busy_port_is_one_sentence(other_api_cluster: LocalCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        cluster = LocalCluster(other_api_cluster.state, api_only=True, port=port)
        with pytest.raises(AddressError, match=f"port {port} on 127.0.0.1 is taken"):
            cluster.up()
    assert processes(cluster) == []


def test_component_that_cannot_start_says_why(own: LocalCluster) -> None:
    own.down()
    wal = next((own.state / "etcd" / "member" / "wal").glob("*.wal"))
    wal.write_bytes(b"damaged")

    with pytest.raises(LocalError, match=r"etcd ended; its last words: .*\(all of it: .*etcd\.log"):
        own.up()


def test_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    cluster = LocalCluster(tmp_path, api_only=True)

    with pytest.raises(StateError):
        cluster.up()
    with pytest.raises(StateError):
        cluster.down(delete=True)

    assert (tmp_path / "letter").read_text() == "dear"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("action", ["up", "down", "status"])
def test_cluster_of_another_user_is_one_sentence(own: LocalCluster, action: str) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(StateError, match=r"Permission denied.*must be yours.*--state"):
            getattr(own, action)()
    finally:
        os.seteuid(0)


def test_unreadable_state_can_be_deleted(own: LocalCluster) -> None:
    (own.state / "cluster.json").write_text("{")
    with pytest.raises(StateError, match="down --delete"):
        own.up()

    own.down(delete=True)

    assert processes(own) == []
    assert not own.state.exists()


def test_directory_of_the_other_kind_is_refused(api_cluster: LocalCluster) -> None:
    with pytest.raises(StateError, match=r"a cluster of the API alone.*down --delete"):
        LocalCluster(api_cluster.state).up()


def test_cluster_that_never_was(tmp_path: Path) -> None:
    cluster = LocalCluster(tmp_path / "none")
    cluster.down()
    cluster.down(delete=True)

    assert cluster.status() == []
    for action in (cluster.existing_kubeconfig, lambda: cluster.kubectl("get", "ns")):
        with pytest.raises(LocalError, match="start one with"):
            action()
    assert list(tmp_path.iterdir()) == []


def test_cluster_without_a_node_takes_no_images(api_cluster: LocalCluster) -> None:
    with pytest.raises(LocalError, match="has no node"):
        api_cluster.images()


def test_components_are_out_of_reach_of_the_starters_terminal(api_cluster: LocalCluster) -> None:
    sessions = {os.getsid(process.pid) for process in processes(api_cluster)}

    assert os.getsid(0) not in sessions
    assert len(sessions) == 2
