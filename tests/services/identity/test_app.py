"""The program: its flags, and how it starts or says why it does not."""

import inspect
import socket
import subprocess
import sys
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from structlog.testing import capture_logs

from linkerd.runtime.errors import SettingsError
from linkerd.runtime.settings import load
from services.identity.issuer.expiry import Thresholds
from services.identity.settings import (
    Settings,
    cache_seconds,
    identity_domain,
    leaf_policy,
    reload_interval,
    review_limits,
    thresholds,
)
from services.identity.tokens.reviews import Limits
from tests.support.certificates import (
    Credentials,
    certificate_pem,
    key_pem,
    make_ca,
    rsa_key,
    write_issuer,
)
from tests.support.program import Program

MODULE = "services.identity"
NOBODY = "http://127.0.0.1:1"


def settings(*flags: str) -> Settings:
    return load(Settings, flags, {}, prog="identity")


class TestFlags:
    def test_upstreams_manifest(self) -> None:
        """The arguments of upstream's own Deployment, dash for dash."""
        given = settings(
            "-log-level=info", "-log-format=plain", "-controller-namespace=mesh-sys",
            "-identity-trust-domain=corp.example", "-identity-issuance-lifetime=24h0m0s",
            "-identity-clock-skew-allowance=20s", "-identity-scheme=linkerd.io/tls",
            "-enable-pprof=false", "-kube-apiclient-qps=100", "-kube-apiclient-burst=200",
        )  # fmt: skip
        assert identity_domain(given).workload("a", "b").endswith("mesh-sys.corp.example")
        assert leaf_policy(given).lifetime == timedelta(days=1)
        assert leaf_policy(given).clock_skew == timedelta(seconds=20)

    def test_defaults(self) -> None:
        given = settings()
        assert str(given.addr) == ":8080"
        assert str(given.admin_addr) == ":9990"
        assert given.issuer == Path("/var/run/linkerd/identity/issuer")
        assert str(given.trust_anchors).endswith("/identity/trust-roots/ca-bundle.crt")
        assert leaf_policy(given).lifetime == timedelta(days=1)
        assert leaf_policy(given).clock_skew == timedelta(seconds=10)

    @pytest.mark.parametrize("text", ["soon", "24", "-1h"])
    def test_i34_malformed_durations(self, text: str) -> None:
        given = settings(f"-identity-issuance-lifetime={text}")
        with capture_logs() as logs:
            assert leaf_policy(given).lifetime == timedelta(days=1)
        (entry,) = logs
        assert entry["log_level"] == "warning"
        assert entry["event"] == "--identity-issuance-lifetime is ignored, 24h0m0s holds"
        assert text in entry["error"]

    def test_zero_durations(self) -> None:
        given = settings("-identity-issuance-lifetime=0", "-identity-clock-skew-allowance=0s")
        assert leaf_policy(given).lifetime == timedelta(hours=8760)
        assert leaf_policy(given).clock_skew == timedelta(seconds=10)

    def test_reviews_and_reloads(self) -> None:
        given = settings()
        assert review_limits(given) == Limits(concurrency=64, queue=4096)
        assert cache_seconds(given) == 0
        assert reload_interval(given) == timedelta(seconds=5)
        assert thresholds(given) == Thresholds(anchor=timedelta(days=60), issuer=None)
        assert cache_seconds(settings("-token-review-cache=10s")) == 10
        assert thresholds(settings("-issuer-expiry-warning=24h")).issuer == timedelta(days=1)

    @pytest.mark.parametrize(
        "flag",
        [
            "-token-review-cache=61s",
            "-token-review-cache=-1s",
            "-token-review-queue=0",
            "-token-review-concurrency=0",
            "-reload-interval=0s",
        ],
    )
    def test_out_of_bounds(self, flag: str) -> None:
        def check(given: Settings) -> object:
            return review_limits(given), cache_seconds(given), reload_interval(given)

        with pytest.raises(SettingsError, match=flag.split("=")[0]):
            check(settings(flag))

    @pytest.mark.parametrize(
        ("namespace", "domain", "names"),
        [
            ("", "corp.example", "--controller-namespace"),
            ("mesh.sys", "corp.example", "--controller-namespace"),
            ("mesh-sys", "Corp.Example", "--identity-trust-domain"),
            ("mesh-sys", "corp.example.", "--identity-trust-domain"),
        ],
        ids=["empty", "dotted", "i37", "trailing dot"],
    )
    def test_names(self, namespace: str, domain: str, names: str) -> None:
        given = settings(f"-controller-namespace={namespace}", f"-identity-trust-domain={domain}")
        with pytest.raises(SettingsError, match=names):
            identity_domain(given)

    def test_the_manual_lists_every_flag(self) -> None:
        manual = Path(inspect.getfile(Settings)).with_name("README.md")
        text = manual.read_text()
        flags = ["--" + each.name.replace("_", "-") for each in fields(Settings)]
        assert [flag for flag in flags if f"`{flag}`" not in text] == []

    @pytest.mark.parametrize(("flag", "says"), [("--help", "--issuer"), ("--version", ".")])
    def test_help_and_version(self, flag: str, says: str) -> None:
        command = [sys.executable, "-m", MODULE, flag]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert says in done.stdout

    def test_unknown_flag(self) -> None:
        command = [sys.executable, "-m", MODULE, "--isuer=/tmp"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "unknown flag --isuer; did you mean --issuer?" in done.stderr


class Installation:
    """Credentials on disk, and the flags of a program that uses them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.credentials = Credentials.make()
        self.issuer, self.bundle = self.credentials.write(directory)
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig.write_text(KUBECONFIG)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.admin_port = free.getsockname()[1]

    def start(self, *flags: str) -> Program:
        """Runs the program; later flags win over these."""
        return Program(
            MODULE,
            f"--kubeconfig={self.kubeconfig}", "--addr=127.0.0.1:0",
            f"--admin-addr=127.0.0.1:{self.admin_port}", "--controller-namespace=mesh-sys",
            "--identity-trust-domain=corp.example", "--identity-scheme=linkerd.io/tls",
            f"--issuer={self.issuer}", f"--trust-anchors={self.bundle}", "--log-format=json",
            *flags,
        )  # fmt: skip

    def admin(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the admin server."""
        try:
            with urlopen(f"http://127.0.0.1:{self.admin_port}{path}") as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()


KUBECONFIG = f"""
apiVersion: v1
kind: Config
current-context: here
clusters: [{{name: here, cluster: {{server: "{NOBODY}"}}}}]
users: [{{name: me, user: {{token: mine}}}}]
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
"""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


class TestStart:
    def fails(self, installation: Installation, says: str, *flags: str) -> None:
        """One error line, no stack trace, a non-zero exit."""
        with installation.start(*flags) as program:
            assert program.wait() == 1
            (error,) = (each for each in program.entries if each["level"] == "error")
        assert says in error["error"]
        assert "Traceback" not in program.log

    @pytest.mark.parametrize("flag", ["--identity-scheme", "--identity-trust-domain"])
    def test_i35_left_out(self, installation: Installation, flag: str) -> None:
        self.fails(installation, f"{flag} is empty", f"{flag}=")

    @pytest.mark.parametrize("flag", ["--identity-scheme", "--identity-trust-domain"])
    def test_i35_disabled_on_purpose(self, installation: Installation, flag: str) -> None:
        with installation.start(f"{flag}=", "--allow-disabled") as program:
            assert program.wait() == 0
        assert f"identity is disabled: {flag} is empty" in program.log

    def test_trust_roots_are_read_even_if_disabled(self, installation: Installation) -> None:
        installation.bundle.unlink()
        self.fails(
            installation, "ca-bundle.crt: cannot be read", "--identity-scheme=", "--allow-disabled"
        )

    def test_i36_files_of_the_other_form(self, installation: Installation) -> None:
        scheme = "--identity-scheme=kubernetes.io/tls"
        self.fails(installation, "tls.crt: cannot be read", scheme)

    def test_i37_trust_domain(self, installation: Installation) -> None:
        flag = "--identity-trust-domain=Corp.Example"
        self.fails(installation, "--identity-trust-domain: 'Corp.Example'", flag)

    def test_i38_comment_in_the_bundle(self, installation: Installation) -> None:
        with installation.bundle.open("ab") as file:
            file.write(b"# new root\n")
        self.fails(installation, "is not a PEM certificate")

    def test_i51_rsa_issuer(self, installation: Installation) -> None:
        key = rsa_key(2048)
        anchor = installation.credentials.anchor
        issuer = make_ca("rsa", key, (anchor.certificate, anchor.key))
        write_issuer(installation.issuer, certificate_pem(issuer), key_pem(key))
        self.fails(installation, "key.pem: the key is RSA, and issuers must be ECDSA")

    def test_no_kubeconfig(self, installation: Installation) -> None:
        installation.kubeconfig.unlink()
        self.fails(installation, "kubeconfig")

    def test_busy_port(self, installation: Installation) -> None:
        with socket.create_server(("127.0.0.1", installation.admin_port)):
            self.fails(installation, f"cannot listen on 127.0.0.1:{installation.admin_port}")

    def test_unknown_scheme_is_said(self, installation: Installation) -> None:
        with installation.start("--identity-scheme=custom") as program:
            program.wait()
        assert "taken for kubernetes.io/tls" in program.log

    def test_i47_waits_for_the_api_server(self, installation: Installation) -> None:
        """Unready but alive; no crash loop while a cluster comes up."""
        with installation.start() as program:
            program.event("the API server does not answer yet")
            assert installation.admin("/ping") == (200, "pong\n")
            status, text = installation.admin("/ready")
            assert status == 500
            assert text.startswith("not ready: ")
            assert "kubernetes" in text
            assert "issuer" not in text
            assert "Traceback" not in program.log
            assert program.terminate() == 0
