"""`linkerd run` where it cannot do its work: one sentence and a way out. What it does where it can
is in tests/scenarios."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from linkerd.cli.main import cli
from linkerd.cli.run import _foreign
from linkerd.local.cluster import LocalCluster

LINKERD = Path(sys.executable).with_name("linkerd")
# Another user who may still read our files: the interpreter may be in root's home.
AS_NOBODY = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip


def test_another_cluster_needs_an_image(tmp_path: Path) -> None:
    environ = {"KUBECONFIG": str(tmp_path / "kubeconfig"), "IMAGE": None}
    done = CliRunner().invoke(cli, ["run"], env=environ)
    assert done.exit_code == 1
    assert "set IMAGE" in done.stderr
    assert "docs/deploying.md" in done.stderr


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "kubeconfig"
    done = CliRunner().invoke(cli, ["run", "--kubeconfig", str(absent), "--image", "a:b"])
    assert done.exit_code == 1
    assert str(absent) in done.stderr


def test_our_own_kubeconfig_is_no_other_cluster(tmp_path: Path) -> None:
    own = LocalCluster(tmp_path).kubeconfig
    assert _foreign(str(own), tmp_path) is None
    assert _foreign("", tmp_path) is None
    assert _foreign(str(own), tmp_path / "other") == own


def test_without_root_it_offers_what_needs_none(tmp_path: Path) -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("this is root and there is no setpriv to be somebody else with")
    somebody = AS_NOBODY if os.geteuid() == 0 else ()
    if somebody:
        os.chown(tmp_path, 65534, 65534)
    environ = {k: v for k, v in os.environ.items() if k != "KUBECONFIG"}
    done = subprocess.run(
        [*somebody, LINKERD, "run", "--state", tmp_path / "state"],
        capture_output=True,
        text=True,
        check=False,
        env=environ | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "root" in done.stderr
    assert "make dev" in done.stderr
