"""The job as a process: what is missing is left out, and what the exit code says."""

import asyncio
import ssl
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from aiohttp import web
from cryptography import x509

from linkerd.local.cluster import LocalCluster
from linkerd.runtime.service import launch_job
from linkerd.version import VERSION
from services.heartbeat.app import NAME, Settings, beat
from services.heartbeat.fetch import LIMIT
from tests.support.certificates import certificate_pem, key_pem, make_ca, p256
from tests.support.jobs import Finished, run_job
from tests.support.namespaces import fresh_namespace
from tests.support.recorder import Recorder, answer

NOBODY = "http://127.0.0.1:1"
LOCAL = {"arch", "source", "version"}
FROM_KUBERNETES = {"uuid", "install-time", "k8s-version", "service-profile-count"}


async def run(endpoint: str, *flags: str, fork: bool = True, **environ: str) -> Finished:
    """The job without Prometheus; without an API server too, unless `flags` name one."""
    return await run_job(
        "services.heartbeat",
        f"-endpoint-url={endpoint}",
        f"-prometheus-url={NOBODY}",
        "-log-format=json",
        *flags,
        environ=environ,
        fork=fork,
    )


def sent(recorder: Recorder) -> dict[str, str]:
    (request,) = recorder.requests
    return dict(parse_qsl(urlsplit(request.target).query, strict_parsing=True))


def known(parameters: dict[str, str]) -> set[str]:
    """Names without extensions: the API server is shared with other tests."""
    return {name for name in parameters if not name.startswith("ext-")}


def last_error(job: Finished) -> str:
    """What the log says before the process ends; no stack trace anywhere."""
    assert "Traceback" not in job.err
    entry = job.complaints[-1]
    assert (entry["level"], entry["event"]) == ("error", "the heartbeat was not sent")
    return str(entry["error"])


@pytest.mark.integration
async def test_h2_prometheus_down_sends_the_rest(control_plane: str, account: Path) -> None:
    async with Recorder() as endpoint:
        job = await run(
            endpoint.url, f"-kubeconfig={account}", f"-controller-namespace={control_plane}"
        )
    assert job.code == 0
    assert known(sent(endpoint)) == LOCAL | FROM_KUBERNETES
    (complaint,) = job.complaints
    assert "Prometheus cannot be reached" in complaint["event"]


@pytest.mark.integration
async def test_h3_config_map_forbidden_leaves_out_what_it_says(
    api_cluster: LocalCluster, control_plane: str, account: Path
) -> None:
    """The account's role is for another namespace's ConfigMap."""
    with api_cluster.api() as api, fresh_namespace(api) as other:
        api_cluster.kubectl("create", "configmap", "linkerd-config", "-n", other)
        async with Recorder() as endpoint:
            job = await run(
                endpoint.url, f"-kubeconfig={account}", f"-controller-namespace={other}"
            )
    assert job.code == 0
    assert known(sent(endpoint)) == LOCAL | FROM_KUBERNETES - {"uuid", "install-time"}
    (complaint,) = (entry for entry in job.complaints if "parameter" in entry)
    assert complaint["parameter"] == "uuid, install-time"
    assert "403" in complaint["error"]


@pytest.mark.integration
async def test_h6_each_extension_is_named(
    api_cluster: LocalCluster, control_plane: str, account: Path
) -> None:
    with (
        api_cluster.api() as api,
        fresh_namespace(api) as viz,
        fresh_namespace(api) as jaeger,
        fresh_namespace(api) as unnamed,
    ):
        for name, label in ((viz, "viz"), (jaeger, "jaeger"), (unnamed, "")):
            api_cluster.kubectl("label", "ns", name, f"linkerd.io/extension={label}")
        async with Recorder() as endpoint:
            await run(
                endpoint.url, f"-kubeconfig={account}", f"-controller-namespace={control_plane}"
            )
    parameters = sent(endpoint)
    assert (parameters["ext-viz"], parameters["ext-jaeger"]) == ("1", "1")
    assert "ext-" not in parameters


async def test_h7_endpoint_503_fails_the_job() -> None:
    async with Recorder(answer(503, b"come back later")) as endpoint:
        job = await run(endpoint.url)
    assert (job.code, len(endpoint.requests)) == (1, 1)
    assert "503" in last_error(job)


async def test_h8_answer_over_1_mib_fails_the_job() -> None:
    async with Recorder(answer(200, b"x" * (LIMIT + 1))) as endpoint:
        job = await run(endpoint.url)
    assert job.code == 1
    assert "larger" in last_error(job)


async def test_endpoint_down_fails_the_job_with_a_line() -> None:
    job = await run(NOBODY)
    assert job.code == 1
    assert "127.0.0.1:1" in last_error(job)


async def test_a_signal_before_the_end_is_a_failure() -> None:
    async with Recorder(_hang) as endpoint:
        job = await run_job(
            "services.heartbeat",
            f"-endpoint-url={endpoint.url}",
            f"-prometheus-url={NOBODY}",
            interrupt_after=endpoint.arrival,
        )
    assert job.code == 1
    assert "Traceback" not in job.err


async def test_dry_run_prints_the_request_and_sends_nothing() -> None:
    async with Recorder() as endpoint:
        real = await run(f"{endpoint.url}/version.json")
        dry = await run(f"{endpoint.url}/version.json", "-dry-run")
    (request,) = endpoint.requests
    assert (real.code, dry.code, real.out) == (0, 0, "")
    assert dry.out == f"GET {endpoint.url}{request.target}\n"
    assert request.target.endswith(f"&source=heartbeat&version={VERSION}")


async def test_tls_is_verified_and_takes_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority, tls = _authority(tmp_path)
    async with Recorder(tls=tls) as endpoint:
        strangers = await run(endpoint.url)
        friends = await run(endpoint.url, fork=False, SSL_CERT_FILE=str(authority))
    assert (strangers.code, friends.code, len(endpoint.requests)) == (1, 0, 1)
    assert "certificate verify failed" in last_error(strangers)


@pytest.mark.parametrize(
    "flag",
    [
        "-endpoint-url=ftp://checks.example/",
        "-endpoint-url=https://me:secret@checks.example/",
        "-endpoint-url=https://checks.example/?key=1",
        "-endpoint-url=https://",
        "-prometheus-url=prometheus:9090",
        "-send-timeout=0s",
        "-query-timeout=-1s",
        "-disable-heartbeat",
    ],
)
def test_wrong_settings_exit_with_2(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch_job(Settings, beat, name=NAME, argv=[flag], environ={}) == 2
    assert flag.strip("-").partition("=")[0] in capsys.readouterr().err


async def test_passwords_in_addresses_stay_out_of_the_log() -> None:
    job = await run_job(
        "services.heartbeat", "-prometheus-url=http://me:hunter2@127.0.0.1:1/x", "-dry-run"
    )
    assert job.code == 0
    assert "hunter2" not in job.err
    assert "127.0.0.1:1/x" in job.err


async def _hang(_request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def _authority(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """The certificate of an authority, and a server's context with a leaf of it."""
    root_key, leaf_key = p256(), p256()
    root = make_ca("root", root_key)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    leaf = make_ca("leaf", leaf_key, (root, root_key), ca=False, extensions=[names])
    authority, pair = folder / "ca.crt", folder / "pair.pem"
    authority.write_bytes(certificate_pem(root))
    pair.write_bytes(certificate_pem(leaf) + key_pem(leaf_key))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair)
    return authority, context
