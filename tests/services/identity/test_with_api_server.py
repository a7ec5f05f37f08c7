"""The program against a real API server: tokens that it issued, and what else calls itself one."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.certificates import Credentials, p256
from tests.support.identity.program import (
    DOMAIN,
    GRPCURL,
    OURS,
    Mesh,
    cluster_key,
    openssl_csr,
    signed,
    start,
    verify,
)

pytestmark = pytest.mark.integration


class TestCertificates:
    def test_i1_openssl_from_end_to_end(self, mesh: Mesh) -> None:
        """Token from kubectl, request from openssl, answer to `openssl verify`."""
        web = mesh.account()
        csr = openssl_csr(mesh.directory, mesh.name_of(web))
        answer = mesh.call(web, mesh.token(web, "--audience", OURS), csr)
        assert answer.code == 0, answer.errors
        verify(mesh.directory, answer, mesh.name_of(web))

    def test_name_over_64_characters(self, mesh: Mesh) -> None:
        account = mesh.account("w" * 60)
        csr = openssl_csr(mesh.directory, mesh.name_of(account), subject="/")
        answer = mesh.call(account, mesh.token(account, "--audience", OURS), csr)
        assert answer.code == 0, answer.errors
        verify(mesh.directory, answer, mesh.name_of(account))

    def test_reflection_and_health(self, mesh: Mesh) -> None:
        address = f"127.0.0.1:{mesh.program.port_of('serving')}"
        shown = subprocess.run(
            [GRPCURL, "-plaintext", address, "list"], capture_output=True, text=True, check=True
        ).stdout.split()
        assert "io.linkerd.proxy.identity.Identity" in shown
        health = subprocess.run(
            [GRPCURL, "-plaintext", address, "grpc.health.v1.Health/Check"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert json.loads(health) == {"status": "SERVING"}

    def test_ends_cleanly(self, api_cluster: LocalCluster, tmp_path: Path) -> None:
        credentials = Credentials.make(DOMAIN)
        with start(api_cluster.kubeconfig, tmp_path, credentials) as program:
            program.event("ready")
            assert program.terminate() == 0
        assert "Traceback" not in program.log


class TestTokens:
    def test_audiences(self, mesh: Mesh) -> None:
        web = mesh.account()
        assert mesh.call(web, mesh.token(web)).code == 0  # the API server's own
        assert mesh.call(web, mesh.token(web, "--audience", OURS)).code == 0
        vault = mesh.call(web, mesh.token(web, "--audience", "vault"))
        assert vault.refused("InvalidArgument", 'token audiences ["vault"]')
        assert vault.refused("InvalidArgument", "another audience than identity.l5d.io: mount a")

    def test_i28_another_workloads_token(self, mesh: Mesh) -> None:
        web = mesh.account()
        cart = mesh.account("cart")
        answer = mesh.call(web, mesh.token(cart, "--audience", OURS))
        assert answer.refused("FailedPrecondition", f"found='{mesh.name_of(cart)}'")

    def test_i26_account_with_a_dot(self, mesh: Mesh) -> None:
        dotted = mesh.account("check.out")
        answer = mesh.call(dotted, mesh.token(dotted, "--audience", OURS))
        assert answer.refused("InvalidArgument", f"'{dotted}' is not a label")

    def test_i20_expired(self, mesh: Mesh) -> None:
        web = mesh.account()
        token = mesh.token(web, "--audience", OURS)
        assert mesh.call(web, signed(token, cluster_key(mesh.cluster))).code == 0
        expired = signed(token, cluster_key(mesh.cluster), exp=int(time.time()) - 3600)
        assert mesh.call(web, expired).refused("InvalidArgument", "expired")

    def test_signed_by_somebody_else(self, mesh: Mesh) -> None:
        web = mesh.account()
        foreign = signed(mesh.token(web, "--audience", OURS), p256())
        assert mesh.call(web, foreign).refused("InvalidArgument", "token is not valid")

    def test_of_an_account_that_is_gone(self, mesh: Mesh) -> None:
        web = mesh.account()
        token = mesh.token(web, "--audience", OURS)
        command = ("delete", "serviceaccount", web, "--namespace", mesh.namespace)
        mesh.cluster.kubectl(*command)
        assert mesh.call(web, token).refused("InvalidArgument", "token is not valid")

    @pytest.mark.parametrize(
        "token",
        [b"se-cret", b"se.cr.et", b"\xff\xfe", b"se\ncret", b"secret\x00", b"x" * 16_000],
        ids=["text", "like a jwt", "bytes", "newline", "nul", "16 kB"],
    )
    def test_garbage(self, mesh: Mesh, token: bytes) -> None:
        web = mesh.account()
        answer = mesh.call(web, token)
        assert answer.refused("InvalidArgument", "token is not")
        assert token.decode(errors="replace") not in answer.errors
        assert token.decode(errors="replace") not in mesh.program.log

    def test_a_token_file_that_ends_with_a_newline(self, mesh: Mesh) -> None:
        """Proxies send the file as it is; the API server does not mind."""
        web = mesh.account()
        assert mesh.call(web, mesh.token(web, "--audience", OURS) + "\n").code == 0

    def test_good_tokens_stay_out_of_the_log(self, mesh: Mesh) -> None:
        web = mesh.account()
        token = mesh.token(web, "--audience", OURS)
        assert mesh.call(web, token).code == 0
        assert token not in mesh.program.log
