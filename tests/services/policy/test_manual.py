"""The manual: every flag and metric is in it, and its example does what it says."""

import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Final

import pytest

from linkerd.delivery.tree import ROOT
from linkerd.local.cluster import LocalCluster
from linkerd.local.programs import find_program
from services.policy.metrics import IndexCollector
from services.policy.settings import Settings
from tests.support.policy.inbound import make_index

MANUAL: Final = (ROOT / "services/policy/README.md").read_text()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_it_lists_every_flag() -> None:
    flags = ["--" + each.name.replace("_", "-") for each in fields(Settings)]
    assert [flag for flag in flags if f"`{flag}`" not in MANUAL] == []


def test_it_lists_every_metric_of_the_index() -> None:
    families = IndexCollector(make_index()).collect()
    assert [f.name for f in families if f"`{f.name}" not in MANUAL] == []


@pytest.mark.integration
def test_its_example(policy_cluster: LocalCluster, policy_namespace: str, tmp_path: Path) -> None:
    """Every command, in another namespace and on other ports."""
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL))
    for shown, used in {
        "127.0.0.1:8090": f"127.0.0.1:{free_port()}",
        "127.0.0.1:9990": f"127.0.0.1:{free_port()}",
        "--namespace=shop": f"--namespace={policy_namespace}",
        "books.shop.": f"books.{policy_namespace}.",
    }.items():
        assert shown in script
        script = script.replace(shown, used)
    kubectl = find_program("kubectl")
    assert kubectl is not None
    programs = ":".join(map(str, (Path(sys.executable).parent, kubectl.parent, "/usr/bin:/bin")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
        cwd=tmp_path,
        env={
            "PATH": programs,
            "KUBECONFIG": str(policy_cluster.kubeconfig),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"path: web.{policy_namespace}.svc.cluster.local:80" in done.stdout
    assert "max_request_bytes: 65536" in done.stdout
    assert re.search(
        r"^ROUTE +SERVER +AUTHORIZATION_POLICY +SERVER_AUTHORIZATION$", done.stdout, re.MULTILINE
    )
    assert re.search(r"^\* +web +books *$", done.stdout, re.MULTILINE)
