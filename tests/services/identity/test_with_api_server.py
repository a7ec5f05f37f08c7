"""The program against a real API server: tokens that it issued, and what else calls itself one."""

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import services.identity
from linkerd.certificates import make_issuer
from linkerd.local.cluster import LocalCluster
from linkerd.local.programs import find_program
from linkerd.names import IdentityDomain
from linkerd.testing.certificates import Credentials, make_csr, p256
from linkerd.testing.namespaces import fresh_namespace
from linkerd.testing.program import Program

pytestmark = pytest.mark.integration

OURS = "identity.l5d.io"
METHOD = "io.linkerd.proxy.identity.Identity/Certify"
DOMAIN = IdentityDomain("linkerd", "cluster.local")
GRPCURL = Path(sys.executable).with_name("grpcurl")


@dataclass
class Answer:
    """What grpcurl printed."""

    code: int
    output: str
    errors: str

    def refused(self, code: str, says: str) -> bool:
        return self.code != 0 and f"Code: {code}" in self.errors and says in self.errors


@dataclass
class Mesh:
    """A running identity service and the means to be its client."""

    cluster: LocalCluster
    namespace: str
    directory: Path
    program: Program
    credentials: Credentials
    numbers: Iterator[int] = field(default_factory=count)

    def name_of(self, account: str) -> str:
        return DOMAIN.workload(account, self.namespace)

    def account(self, name: str = "web") -> str:
        """A new ServiceAccount; its name, made unique, as all tests share a namespace."""
        unique = f"{name}{next(self.numbers)}"
        self.cluster.kubectl("create", "serviceaccount", unique, "--namespace", self.namespace)
        return unique

    def token(self, account: str, *flags: str) -> str:
        command = ("create", "token", account, "--namespace", self.namespace, *flags)
        return self.cluster.kubectl(*command).strip()

    def call(self, account: str, token: str | bytes, csr: bytes | None = None) -> Answer:
        """Certify, by grpcurl through reflection."""
        name = self.name_of(account)
        request = {
            "identity": name,
            "token": encoded(token.encode() if isinstance(token, str) else token),
            "certificate_signing_request": encoded(make_csr(name) if csr is None else csr),
        }
        address = f"127.0.0.1:{self.program.port_of('serving')}"
        done = subprocess.run(
            [GRPCURL, "-plaintext", "-d", "@", address, METHOD],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)


def start(kubeconfig: Path, directory: Path, credentials: Credentials, *flags: str) -> Program:
    issuer, bundle = credentials.write(directory)
    return Program(
        "services.identity",
        f"--kubeconfig={kubeconfig}", "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0",
        f"--controller-namespace={DOMAIN.controller_namespace}",
        f"--identity-trust-domain={DOMAIN.trust_domain}", "--identity-scheme=linkerd.io/tls",
        f"--issuer={issuer}", f"--trust-anchors={bundle}", "--enable-reflection",
        "--log-format=json", *flags,
    )  # fmt: skip


@pytest.fixture(scope="module")
def mesh(api_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """One program for all tests of this module that do it no harm."""
    directory, credentials = tmp_path_factory.mktemp("mesh"), Credentials.make(DOMAIN)
    with (
        api_cluster.api() as api,
        fresh_namespace(api, prefix="t") as namespace,
        start(api_cluster.kubeconfig, directory, credentials) as program,
    ):
        program.event("ready")
        yield Mesh(api_cluster, namespace, directory, program, credentials)


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
        assert vault.refused("InvalidArgument", "token audiences")

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
        [b"se-cret", b"se.cr.et", b"\xff\xfe", b"se\ncret", b"secret\x00", b"x" * 60_000],
        ids=["text", "like a jwt", "bytes", "newline", "nul", "60 kB"],
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


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def kubectl() -> Path:
    program = find_program("kubectl")
    assert program is not None
    return program


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def openssl_csr(directory: Path, name: str, *, subject: str | None = None) -> bytes:
    """What people make by hand."""
    key = directory / "workload.key"
    openssl(directory, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    return openssl(
        directory, "req", "-new", "-key", str(key), "-subj", subject or f"/CN={name}",
        "-addext", f"subjectAltName=DNS:{name}", "-outform", "DER",
    )  # fmt: skip


def verify(directory: Path, answer: Answer, name: str) -> None:
    """Whether strict openssl takes the answer for that name, as server and as client."""
    response = json.loads(answer.output)
    leaf = base64.b64decode(response["leaf_certificate"])
    (directory / "leaf.pem").write_bytes(to_pem(directory, leaf))
    (directory / "chain.pem").write_bytes(
        b"".join(
            to_pem(directory, base64.b64decode(each))
            for each in response["intermediate_certificates"]
        )
    )
    for purpose in ("sslserver", "sslclient"):
        said = openssl(
            directory, "verify", "-x509_strict", "-purpose", purpose, "-verify_hostname", name,
            "-CAfile", "trust-roots/ca-bundle.crt", "-untrusted", "chain.pem", "leaf.pem",
        )  # fmt: skip
        assert said == b"leaf.pem: OK\n"


def to_pem(directory: Path, der: bytes) -> bytes:
    (directory / "one.der").write_bytes(der)
    return openssl(directory, "x509", "-inform", "DER", "-in", "one.der")


def openssl(directory: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["openssl", *arguments], cwd=directory, capture_output=True, check=True
    ).stdout


def cluster_key(cluster: LocalCluster) -> ec.EllipticCurvePrivateKey:
    """What the API server signs tokens with."""
    key = load_pem_private_key((cluster.state / "pki" / "service-accounts.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def signed(token: str, key: ec.EllipticCurvePrivateKey, **claims: object) -> str:
    """The token with other claims, signed (ES256) by `key`."""
    header, payload, _ = token.split(".")
    content = {**json.loads(base64.urlsafe_b64decode(payload + "==")), **claims}
    body = f"{header}.{jwt_encoded(json.dumps(content).encode())}"
    r, s = utils.decode_dss_signature(key.sign(body.encode(), ec.ECDSA(SHA256())))
    return f"{body}.{jwt_encoded(r.to_bytes(32) + s.to_bytes(32))}"


def jwt_encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
