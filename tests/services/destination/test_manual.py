"""The manual's example, command by command."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from linkerd.local.cluster import LocalCluster
from linkerd.local.programs import find_program
from tests.support.destination.program import ROOT

pytestmark = pytest.mark.integration


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_the_manuals_example(api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> None:
    """Runs every command of README.md, in another namespace and on other ports."""
    manual = (ROOT / "services/destination/README.md").read_text()
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", manual, re.MULTILINE | re.DOTALL))
    for shown, used in {
        "127.0.0.1:8086": f"127.0.0.1:{free_port()}",
        "127.0.0.1:9996": f"127.0.0.1:{free_port()}",
        "--namespace=shop": f"--namespace={namespace}",
        "ledger.shop.": f"ledger.{namespace}.",
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
            "KUBECONFIG": str(api_cluster.kubeconfig),
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = f"{namespace}   192.0.2.7   8080         ledger.{namespace}"
    assert table in done.stdout, done.stdout + done.stderr
    assert '"ipv4": 3221225991' in done.stdout
    assert f'"fully_qualified_name": "ledger.{namespace}.svc.cluster.local"' in done.stdout
