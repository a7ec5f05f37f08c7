"""A service of webhooks from its flags to its end; how it ends when they are wrong."""

from pathlib import Path

import pytest

from tests.support.program import Program
from tests.support.webhooks.served import Certificates


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--tls-reload-interval=1ms"], "--tls-reload-interval: must be at least 10ms"),
        (["--host=another.svc"], "tls.crt: CN=toy.test.svc "),
        (["--tls-key=/no/such/key"], "cannot read /no/such/key: No such file or directory"),
    ],
)
def test_what_is_wrong_at_the_start_is_said(tmp_path: Path, flags: list[str], says: str) -> None:
    certificates = Certificates(tmp_path / "tls")
    program = Program(
        "tests.support.webhooks.toys", "--https-addr=127.0.0.1:0", "--log-format=json",
        f"--tls-certificate={certificates.certificate}", f"--tls-key={certificates.key}", *flags,
    )  # fmt: skip
    with program:
        assert program.wait() == 1
        assert says in program.event("a core task failed, so the process ends")["error"]
        assert "Traceback" not in program.log
