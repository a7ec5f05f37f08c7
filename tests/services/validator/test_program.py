"""The program by itself: each Service's certificate under its name, and how it ends."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from linkerd.mesh.control_plane import POLICY_VALIDATOR, SP_VALIDATOR
from tests.support.program import Program
from tests.support.webhooks.served import Certificates

NAMES = {name: f"{name}.mesh.svc" for name in (SP_VALIDATOR, POLICY_VALIDATOR)}

Pairs = dict[str, Certificates]


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    """Each of a root of its own."""
    return {name: Certificates(tmp_path / name, host) for name, host in NAMES.items()}


def program(profiles: Certificates, policy: Certificates, *flags: str) -> Program:
    return Program(
        "services.validator", "--https-addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0",
        "--controller-namespace=mesh", "--log-format=json", "--tls-reload-interval=20ms",
        f"--tls-certificate={profiles.certificate}", f"--tls-key={profiles.key}",
        f"--policy-tls-certificate={policy.certificate}", f"--policy-tls-key={policy.key}", *flags,
    )  # fmt: skip


@pytest.fixture
def running(pairs: Pairs) -> Iterator[Program]:
    with program(pairs[SP_VALIDATOR], pairs[POLICY_VALIDATOR]) as running:
        running.event("ready")
        yield running


def served_by(program: Program, pairs: Pairs, name: str) -> int:
    """The serial of what a client of that Service gets, who trusts its root alone."""
    port = program.port_of("serving https")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        pairs[name].trusting().wrap_socket(raw, server_hostname=NAMES[name]) as connection,
    ):
        assert connection.version() == "TLSv1.3"
        certificate = connection.getpeercert()
        assert certificate is not None
        return int(str(certificate["serialNumber"]), 16)


def test_each_service_has_its_certificate_renewed_by_itself(running: Program, pairs: Pairs) -> None:
    old = {name: served_by(running, pairs, name) for name in NAMES}
    renewed = pairs[POLICY_VALIDATOR].renew().certificate.serial_number
    running.event("serving certificate updated")
    assert served_by(running, pairs, POLICY_VALIDATOR) == renewed != old[POLICY_VALIDATOR]
    assert served_by(running, pairs, SP_VALIDATOR) == old[SP_VALIDATOR]


def test_older_tls_is_refused(running: Program, pairs: Pairs) -> None:
    trust = pairs[SP_VALIDATOR].trusting()
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    port = running.port_of("serving https")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        pytest.raises(ssl.SSLError),
    ):
        trust.wrap_socket(raw, server_hostname=NAMES[SP_VALIDATOR])


def test_sigterm_ends_it_well(running: Program) -> None:
    assert running.terminate() == 0


def test_a_certificate_of_another_name_ends_the_start(pairs: Pairs) -> None:
    with program(pairs[POLICY_VALIDATOR], pairs[SP_VALIDATOR]) as wrong:
        assert wrong.wait() == 1
        error = wrong.event("a core task failed, so the process ends")["error"]
        assert f"is not for {NAMES[SP_VALIDATOR]}" in error
        assert "Traceback" not in wrong.log
