"""Whatever an object says, the validator has a verdict on it, and names what is wrong: objects of
the catalogue and objects made from the schemas, as they are and spoiled.

More of them: `HISTORIES=20000 pytest tests/services/validator/test_any_object.py`.
"""

import os
import re
from copy import deepcopy
from random import Random
from typing import Any, Final

import pytest

from linkerd.webhook.review import Denied
from services.validator.kinds import KINDS
from tests.support.admission.policies import POLICY_CASES
from tests.support.admission.profiles import PROFILE_CASES
from tests.support.admission.reviews import verdict_on
from tests.support.admission.routes import ROUTE_CASES
from tests.support.generated import CRDS, GATEWAY_CRDS, Maker, crd_schema
from tests.support.spoiling import spoil

EXAMPLES: Final = int(os.environ.get("HISTORIES", "200"))
LONGEST: Final = 2_000
BODIES: Final = [case.body for case in (*POLICY_CASES, *ROUTE_CASES, *PROFILE_CASES)]
WORDS: Final = [
    *("web", "Server", "ServiceAccount", "Namespace", "orchard", "policy.linkerd.io", "", "core"),
    *("10.0.0.0/8", "10.1.0.0/16", "fd00::/8", "ten", "*.a.b", "spiffe://td/x", "a..b", "audit"),
    *("MeshTLSAuthentication", "NetworkAuthentication", "HTTPRoute", "HTTP/1", "gRPC", "/a", "1s"),
]
NAMES_A_FIELD: Final = re.compile(r"spec|metadata|`\$|object|missing required|ServiceProfile")


def judge(kind: str, version: str, body: dict[str, Any]) -> None:
    group, _, number = version.rpartition("/")
    verdict = verdict_on(
        {"apiVersion": version, "kind": kind, "metadata": {}},
        kind={"group": group, "version": number, "kind": kind},
        name="pear", namespace="orchard", object=body,
    )  # fmt: skip
    if isinstance(verdict, Denied):
        assert len(verdict.message) < LONGEST
        assert NAMES_A_FIELD.search(verdict.message), verdict.message


@pytest.mark.parametrize("seed", range(4))
def test_spoiled_objects_of_the_catalogue(seed: int) -> None:
    random = Random(seed)
    for _ in range(EXAMPLES):
        original = dict(random.choice(BODIES))
        spoiled = spoil(deepcopy(original), random)
        judge(original["kind"], original["apiVersion"], spoiled)


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.resource.plural}.{kind.name.group}"
)
def test_objects_made_from_the_schemas(kind: Any) -> None:
    resource = kind.resource
    folder = CRDS if kind.is_ours else GATEWAY_CRDS
    version = resource.versions[0] if kind.is_ours or resource.kind[0] in "HG" else "v1alpha2"
    schema = crd_schema(resource.plural, version, folder)
    random = Random(resource.plural)
    for number in range(EXAMPLES // 2):
        made = Maker(random, WORDS).from_schema(schema)
        made["metadata"] = {"name": "pear", "namespace": "orchard"}
        body = spoil(made, random) if number % 2 else made
        judge(resource.kind, f"{resource.group}/{version}", body)
