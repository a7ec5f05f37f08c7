"""What the identity program needs of a real API server, and what it writes there."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import services.identity
from linkerd.certificates import make_issuer
from linkerd.local.cluster import LocalCluster
from tests.support.certificates import Credentials
from tests.support.identity.program import (
    DOMAIN,
    OURS,
    Mesh,
    free_port,
    kubectl,
    start,
)
from tests.support.namespaces import fresh_namespace

pytestmark = pytest.mark.integration


class TestEvents:
    def events(self, mesh: Mesh, kind: str, name: str) -> list[dict[str, str]]:
        """Those about an object of the mesh's namespace, once there is one. Other namespaces are
        those of other runs, whose objects have the same names."""
        field = f"involvedObject.kind={kind},involvedObject.name={name}"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            listed = mesh.cluster.kubectl(
                "get", "events", f"--namespace={mesh.namespace}", f"--field-selector={field}",
                "--output=json",
            )  # fmt: skip
            if found := json.loads(listed)["items"]:
                return list(found)
        raise AssertionError(f"no Event about {kind} {name}")

    def test_i49_on_the_service_account(self, mesh: Mesh) -> None:
        web = mesh.account()
        answer = mesh.call(web, mesh.token(web, "--audience", OURS))
        leaf = base64.b64decode(json.loads(answer.output)["leaf_certificate"])
        (event,) = self.events(mesh, "ServiceAccount", web)
        assert (event["type"], event["reason"]) == ("Normal", "IssuedLeafCertificate")
        assert hashlib.sha256(leaf).hexdigest() in event["message"]
        assert mesh.name_of(web) in event["message"]

    def test_i40_i42_on_the_deployment(self, api_cluster: LocalCluster, tmp_path: Path) -> None:
        """The program follows its files: a broken pair, then a good one. Its Events go to the
        control plane's namespace."""
        credentials = Credentials.make(DOMAIN)
        with (
            api_cluster.api() as api,
            fresh_namespace(api, prefix="control") as control,
            start(
                api_cluster.kubeconfig, tmp_path, credentials,
                "--reload-interval=20ms", f"--controller-namespace={control}",
            ) as program,
        ):  # fmt: skip
            program.event("ready")
            issuer, key = tmp_path / "issuer" / "crt.pem", tmp_path / "issuer" / "key.pem"
            new = Credentials(credentials.anchor, make_issuer(DOMAIN, credentials.anchor))
            key.write_bytes(new.issuer.key_pem)
            program.event("issuer update skipped: the issuer that was loaded before signs on")
            issuer.write_bytes(new.issuer.certificate_pem)
            program.event("issuer updated")
            field = f"--namespace={control}"
            deadline = time.monotonic() + 20
            reasons: set[str] = set()
            while len(reasons) < 2 and time.monotonic() < deadline:
                listed = api_cluster.kubectl("get", "events", field, "-o", "json")
                reasons = {
                    each["reason"]
                    for each in json.loads(listed)["items"]
                    if each["involvedObject"]["name"] == "linkerd-identity"
                }
        assert reasons == {"IssuerUpdateSkipped", "IssuerUpdated"}


class TestPermissions:
    @pytest.fixture
    def limited(self, api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> Path:
        """A kubeconfig of an account that may do nothing."""
        api_cluster.kubectl("create", "serviceaccount", "identity", "--namespace", namespace)
        token = api_cluster.kubectl("create", "token", "identity", "--namespace", namespace)
        kubeconfig = tmp_path / "limited"
        shutil.copy(api_cluster.kubeconfig, kubeconfig)
        for command in (
            ("set-credentials", "limited", f"--token={token.strip()}"),
            ("set-context", "--current", "--user=limited"),
        ):
            subprocess.run(
                [kubectl(), "--kubeconfig", kubeconfig, "config", *command],
                check=True,
                capture_output=True,
            )
        return kubeconfig

    def test_i46_not_allowed(self, limited: Path, tmp_path: Path) -> None:
        with start(limited, tmp_path, Credentials.make(DOMAIN)) as program:
            assert program.wait() == 1
        assert "not allowed to create tokenreviews.authentication.k8s.io" in program.log
        assert "Traceback" not in program.log

    def test_token_reviews_are_enough(
        self, api_cluster: LocalCluster, namespace: str, limited: Path, tmp_path: Path
    ) -> None:
        role = f"{namespace}-identity"
        account = f"--serviceaccount={namespace}:identity"
        api_cluster.kubectl(
            "create", "clusterrole", role, "--verb=create",
            "--resource=tokenreviews.authentication.k8s.io",
        )  # fmt: skip
        api_cluster.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", account)
        try:
            credentials = Credentials.make(DOMAIN)
            with start(limited, tmp_path, credentials) as program:
                program.event("ready")
                mesh = Mesh(api_cluster, namespace, tmp_path, program, credentials)
                assert mesh.call("identity", mesh.token("identity", "--audience", OURS)).code == 0
        finally:
            api_cluster.kubectl("delete", "clusterrolebinding,clusterrole", role)


def test_i23_api_server_away(own_api_cluster: LocalCluster, tmp_path: Path) -> None:
    """Refused fast while it is away, served at once when it is back."""
    credentials = Credentials.make(DOMAIN)
    with start(own_api_cluster.kubeconfig, tmp_path, credentials) as program:
        program.event("ready")
        mesh = Mesh(own_api_cluster, "default", tmp_path, program, credentials)
        web = mesh.account()
        token = mesh.token(web, "--audience", OURS)
        assert mesh.call(web, token).code == 0
        own_api_cluster.stop("kube-apiserver")
        began = time.monotonic()
        for _ in range(3):
            answer = mesh.call(web, token)
            assert answer.refused("Unavailable", "API server does not answer: try again")
        assert time.monotonic() - began < 10  # a review that waited for an answer takes 5 s
        own_api_cluster.start("kube-apiserver")
        assert mesh.call(web, token).code == 0


def test_the_manuals_example(api_cluster: LocalCluster, namespace: str, tmp_path: Path) -> None:
    """Runs every command of README.md, in another namespace and on other ports."""
    manual = Path(services.identity.__file__).with_name("README.md").read_text()
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", manual, re.MULTILINE | re.DOTALL))
    for shown, used in {
        "127.0.0.1:8080": f"127.0.0.1:{free_port()}",
        "127.0.0.1:9990": f"127.0.0.1:{free_port()}",
        "--namespace=shop": f"--namespace={namespace}",
        "web.shop.": f"web.{namespace}.",
    }.items():
        assert shown in script
        script = script.replace(shown, used)
    programs = ":".join(map(str, (Path(sys.executable).parent, kubectl().parent, "/usr/bin:/bin")))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p)' EXIT\n{script}"],
        cwd=tmp_path,
        env={
            "PATH": programs,
            "KUBECONFIG": str(api_cluster.kubeconfig),
            "PYTHONPATH": str(Path(services.identity.__file__).parents[2]),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.endswith("leaf.pem: OK\n"), done.stdout + done.stderr
