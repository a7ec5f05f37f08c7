"""`kubectl apply` of every object of the catalogue on a real API server that asks the validator:
the wrong ones are refused in our words, the right ones are stored."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from linkerd.local.cluster import LocalCluster
from tests.support.admission.cases import NAMESPACE, Case
from tests.support.admission.policies import POLICY_CASES
from tests.support.admission.profiles import PROFILE_CASES
from tests.support.admission.routes import ROUTE_CASES
from tests.support.eventually import until
from tests.support.validator.program import Validator, validating

pytestmark = pytest.mark.integration

CASES = [*POLICY_CASES, *ROUTE_CASES, *PROFILE_CASES]
KEEPS_ITS_NAME = {"v05"}


@dataclass(frozen=True)
class Applied:
    """What kubectl printed: what was stored, a line each, and what was said."""

    stored: str
    said: str


@pytest.fixture(scope="module")
def validator(
    mesh_api: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Validator]:
    folder = tmp_path_factory.mktemp("served") / "tls"
    with validating(mesh_api, NAMESPACE, folder) as (validator, _):
        until(lambda: asked(mesh_api), "both webhooks are asked")
        yield validator


@pytest.fixture(scope="module")
def applied(mesh_api: LocalCluster, validator: Validator) -> Applied:
    """All of them at once: kubectl goes on where one is refused."""
    return apply(mesh_api, [named(case) for case in CASES])


def named(case: Case, prefix: str = "") -> dict[str, Any]:
    """The object of the case, by a name of its own; a profile's is the name of a service."""
    body = dict(case.body)
    if case.ids in KEEPS_ITS_NAME:
        return body
    name = prefix + f"case-{CASES.index(case)}"
    if body["kind"] == "ServiceProfile":
        name += ".orchard.svc.cluster.local"
    return {**body, "metadata": {**body["metadata"], "name": name}}


def apply(cluster: LocalCluster, bodies: list[dict[str, Any]], *flags: str) -> Applied:
    command = cluster.kubectl_command(["apply", "--filename=-", *flags])
    text = yaml.safe_dump_all(bodies)
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=100, check=False
    )
    return Applied(done.stdout, done.stderr)


def case_of(ids: str) -> Case:
    (found,) = (case for case in CASES if case.ids == ids)
    return found


def asked(cluster: LocalCluster) -> bool:
    """Whether the API server asks about policy and about profiles yet."""
    bad = [named(case_of(ids), "asked-") for ids in ("a15-p09", "v08-10")]
    said = apply(cluster, bad, "--dry-run=server").said
    return said.count("denied the request") == len(bad)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.ids)
def test_catalogue(applied: Applied, case: Case) -> None:
    body = named(case)
    name = body["metadata"]["name"]
    lines = [line for line in applied.said.splitlines() if f'"{name}"' in line]
    assert (f"/{name} created" in applied.stored) == (case.refused is None), lines
    if case.refused is None:
        assert len(lines) == (case.warns is not None)
        assert all(line.startswith("Warning: ") for line in lines)
    elif case.schema is not None:
        assert any(case.schema in line for line in lines or applied.said.splitlines())
    else:
        (line,) = lines
        who = "sp" if body["kind"] == "ServiceProfile" else "policy"
        assert f'webhook "linkerd-{who}-validator.linkerd.io" denied the request: ' in line
        assert case.refused in line
