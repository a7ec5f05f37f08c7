"""`linkerd dev`: an API server and the services, in one terminal, until ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from linkerd.delivery.errors import KubectlError
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from tests.support.admission.profiles import budget
from tests.support.updates import Updates

pytestmark = pytest.mark.integration

LINKERD = Path(sys.executable).with_name("linkerd")
BOOKS = "books.demo.svc.cluster.local:8080"
BAD_PROFILE = budget(ttl="soon") | {
    "metadata": {"name": "books.demo.svc.cluster.local", "namespace": "demo"}
}


def test_from_nothing_to_changing_answers_and_back(tmp_path: Path) -> None:
    state = tmp_path / "dev"
    with subprocess.Popen(
        [LINKERD, "dev", "--state", state],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ) | {"NO_COLOR": "1"},
    ) as dev:
        assert dev.stdout is not None
        said: list[str] = []
        try:
            waiting = {"identity", "destination", "policy", "validator"}
            for line in dev.stdout:
                said.append(line)
                waiting -= {name for name in waiting if line.startswith(name) and " ready " in line}
                if not waiting:
                    break
            assert not waiting, "".join(said)
            kubectl = Kubectl(state / "kubeconfig")
            with (
                grpc.insecure_channel("127.0.0.1:8086") as channel,
                Updates(channel, BOOKS) as updates,
            ):
                updates.wait(lambda addresses: len(addresses) == 2)
                example = (ROOT / "demo/without-pods/endpoints.yaml").read_text()
                more = example.replace("192.0.2.2", "192.0.2.3")
                kubectl.apply(more, doing="changing the example")
                updates.wait(lambda seen: seen == {"192.0.2.1:8080", "192.0.2.3:8080"})
            with pytest.raises(KubectlError, match="RetryBudget has an invalid TTL"):
                kubectl.apply(json.dumps(BAD_PROFILE), doing="storing a bad profile")
        finally:
            dev.send_signal(signal.SIGINT)
            rest, _ = dev.communicate(timeout=60)
    assert dev.returncode == 0, rest
    assert all(c.pid is None for c in LocalCluster(state).status())
