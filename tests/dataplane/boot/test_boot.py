"""The program before the proxy: its files, what it refuses, and what it becomes."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import NameOID

from dataplane.boot.errors import BootError
from dataplane.boot.files import KEY, REQUEST, write_key_and_request
from dataplane.boot.model import Workload
from linkerd.delivery.tree import ROOT
from linkerd.mesh.proxy import (
    IDENTITY_DIR,
    IDENTITY_LOCAL_NAME,
    IDENTITY_TRUST_ANCHORS,
)
from tests.support.certificates import DOMAIN, IDENTITY, Credentials

ANCHORS = Credentials.make().anchor.certificate_pem.decode()
LONG = DOMAIN.workload("a-service-account-with-a-name-of-forty-letters", "shop")


def environment(directory: Path, **other: str | None) -> dict[str, str]:
    """A good one, with changes by the ends of names; None takes a variable away."""
    names = {
        "DIR": IDENTITY_DIR,
        "NAME": IDENTITY_LOCAL_NAME,
        "ANCHORS": IDENTITY_TRUST_ANCHORS,
    }
    values = {"DIR": str(directory), "NAME": IDENTITY, "ANCHORS": ANCHORS} | other
    return {names.get(key, key): value for key, value in values.items() if value is not None}


def boot(directory: Path, *command: str, **other: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dataplane.boot", *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment(directory, **other)},
        capture_output=True,
        text=True,
        check=False,
    )


def key_of(directory: Path) -> ec.EllipticCurvePrivateKey:
    key = load_der_private_key((directory / KEY).read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def request_of(directory: Path) -> x509.CertificateSigningRequest:
    return x509.load_der_x509_csr((directory / REQUEST).read_bytes())


@pytest.mark.parametrize("name", [IDENTITY, LONG])
def test_key_and_request_are_what_proxies_start_from(tmp_path: Path, name: str) -> None:
    write_key_and_request(tmp_path, name)

    key, request = key_of(tmp_path), request_of(tmp_path)
    assert isinstance(key.curve, ec.SECP256R1)
    assert request.public_key() == key.public_key()
    assert request.is_signature_valid
    assert isinstance(request.signature_hash_algorithm, SHA256)
    (names,) = [extension.value for extension in request.extensions]
    assert names == x509.SubjectAlternativeName([x509.DNSName(name)])
    shown = [a.value for a in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    assert shown == ([name] if len(name) <= 64 else [])


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on PATH")
def test_openssl_reads_both(tmp_path: Path) -> None:
    write_key_and_request(tmp_path, IDENTITY)

    def openssl(verb: str, file: str, *flags: str) -> subprocess.CompletedProcess[str]:
        command = ["openssl", verb, "-inform", "DER", "-in", str(tmp_path / file), *flags]
        return subprocess.run(command, capture_output=True, text=True, check=True)

    request = openssl("req", REQUEST, "-verify", "-pubkey")
    assert openssl("pkey", KEY, "-pubout").stdout in request.stdout
    assert "OK" in request.stdout + request.stderr


def test_both_files_are_private_whatever_the_mask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_key_and_request(tmp_path, IDENTITY)
    finally:
        os.umask(before)

    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()} == {
        KEY: 0o600,
        REQUEST: 0o600,
    }


def test_a_second_start_replaces_both(tmp_path: Path) -> None:
    """I52, with files that somebody left readable."""
    write_key_and_request(tmp_path, IDENTITY)
    first = key_of(tmp_path).public_key()
    for name in (KEY, REQUEST):
        (tmp_path / name).chmod(0o644)
    write_key_and_request(tmp_path, IDENTITY)

    assert key_of(tmp_path).public_key() != first
    assert request_of(tmp_path).public_key() == key_of(tmp_path).public_key()
    assert {stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()} == {0o600}


def test_it_becomes_the_command(tmp_path: Path) -> None:
    """With the arguments and the whole environment; its exit code is the proxy's."""
    source = "import os, sys; print(sys.argv[1:], os.environ['EXTRA']); sys.exit(7)"
    done = boot(tmp_path, sys.executable, "-c", source, "--flag", "a b", EXTRA="kept")

    assert (done.returncode, done.stdout) == (7, "['--flag', 'a b'] kept\n")
    assert request_of(tmp_path).public_key() == key_of(tmp_path).public_key()


def test_it_leaves_no_parent_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dataplane.boot", "--", "sh", "-c", "echo $$"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said, _ = process.communicate(timeout=30)

    assert int(said) == process.pid


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"DIR": None}, IDENTITY_DIR),
        ({"DIR": "/no/such/folder"}, "is not a directory"),
        ({"DIR": __file__}, "is not a directory"),
        ({"ANCHORS": None}, IDENTITY_TRUST_ANCHORS),
        ({"ANCHORS": " \n"}, IDENTITY_TRUST_ANCHORS),
        ({"ANCHORS": "certificate"}, "not a bundle"),
        ({"ANCHORS": ANCHORS[:100]}, "not a bundle"),
        ({"NAME": None}, IDENTITY_LOCAL_NAME),
        ({"NAME": "short"}, "not a full DNS name"),  # I53
        ({"NAME": IDENTITY + "."}, "not a full DNS name"),
        ({"NAME": IDENTITY.upper()}, "not a full DNS name"),
        ({"NAME": "a..b"}, "not a full DNS name"),
        ({"NAME": ".".join(["a" * 63] * 4)}, "not a full DNS name"),
    ],
)
def test_a_bad_environment_is_refused(
    tmp_path: Path, other: dict[str, str | None], said: str
) -> None:
    with pytest.raises(BootError, match=re.escape(said)):
        Workload.of(environment(tmp_path, **other))


def test_nothing_runs_after_a_refusal(tmp_path: Path) -> None:
    done = boot(tmp_path, "echo", "started", NAME="short", LINKERD2_PROXY_LOG_FORMAT="json")

    assert (done.returncode, done.stdout) == (1, "")
    (line,) = map(json.loads, done.stderr.splitlines())
    assert IDENTITY_LOCAL_NAME in line["error"]
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_several_roots_is_fine(tmp_path: Path) -> None:
    other = Credentials.make().anchor.certificate_pem.decode()
    assert Workload.of(environment(tmp_path, ANCHORS=ANCHORS + other)).name == IDENTITY


def test_a_directory_that_takes_no_files(tmp_path: Path) -> None:
    (tmp_path / KEY).mkdir()  # a mode would not hold root back
    with pytest.raises(BootError, match=re.escape(str(tmp_path / KEY))):
        write_key_and_request(tmp_path, IDENTITY)
    assert [f.name for f in tmp_path.iterdir()] == [KEY]


def test_a_proxy_that_is_not_there(tmp_path: Path) -> None:
    done = boot(tmp_path)

    assert done.returncode == 1
    assert "/usr/lib/linkerd/linkerd2-proxy cannot be run: No such file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("flag", "code"), [("--help", 0), ("-version", 0), ("--dir=/x", 2)])
def test_flags(tmp_path: Path, flag: str, code: int) -> None:
    done = boot(tmp_path, flag)

    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl on PATH")
def test_the_example_of_the_manual_page_runs(tmp_path: Path) -> None:
    text = (ROOT / "dataplane" / "boot" / "README.md").read_text()
    (example,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example],
        cwd=tmp_path,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "web.shop.serviceaccount.identity.linkerd.cluster.local" in done.stdout


def test_closed_standard_streams_are_opened_onto_nothing(tmp_path: Path) -> None:
    """Else the first file that is opened would become the proxy's standard error."""
    report = tmp_path / "report"
    script = f"for n in 0 1 2; do readlink /proc/$$/fd/$n; done > {report}; exit 7"
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    done = subprocess.run(
        [*closing, sys.executable, "-m", "dataplane.boot", "sh", "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment(tmp_path)},
        check=False,
    )
    assert done.returncode == 7
    assert report.read_text().split() == ["/dev/null", str(report), "/dev/null"]
