"""The debug pages of the program: there when they are asked for, and true to a real API server."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from linkerd.local.cluster import LocalCluster
from tests.support.eventually import eventually
from tests.support.program import Program

pytestmark = pytest.mark.integration


def start(kubeconfig: Path, *flags: str) -> Program:
    return Program(
        "services.destination",
        f"--kubeconfig={kubeconfig}",
        "--addr=127.0.0.1:0",
        "--admin-addr=127.0.0.1:0",
        "--log-format=json",
        *flags,
    )


@pytest.fixture
def program(api_cluster: LocalCluster) -> Iterator[Program]:
    with start(api_cluster.kubeconfig, "--enable-debug-pages") as running:
        running.event("ready")
        yield running


def read(program: Program, page: str, **query: str) -> Any:
    """The page, or its status."""
    address = program.event("admin server listens")["addr"]
    try:
        with urlopen(f"http://{address}/{page}?{urlencode(query)}") as response:
            return json.load(response)
    except HTTPError as error:
        with error:
            return error.code


async def test_why_an_endpoint_is_out(
    program: Program, api_cluster: LocalCluster, namespace: str
) -> None:
    group = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    spec = {"ports": [{"name": "http", "port": 80}]}
    endpoints = [
        {"addresses": ["192.0.2.7"]},
        {"addresses": ["192.0.2.8"], "conditions": {"ready": False}},
    ]
    with api_cluster.api() as api:
        api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/services",
            {"metadata": {"name": "ledger"}, "spec": spec},
        )
        api.request(
            "POST",
            group,
            {
                "metadata": {
                    "name": "ledger-1",
                    "labels": {"kubernetes.io/service-name": "ledger"},
                },
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [{"name": "http", "port": 8080}],
            },
        )
        version = api.request("GET", f"{group}/ledger-1")["metadata"]["resourceVersion"]
    authority = f"ledger.{namespace}.svc.cluster.local:80"

    def page() -> Any:
        return read(program, "debug/endpoints", authority=authority)

    await eventually(lambda: (page()["in"], page()["out"]) == (1, 1), "both endpoints", 10)
    (found,) = page()["origins"][0]["slices"]
    assert (found["name"], found["resource_version"]) == ("ledger-1", version)
    assert [item["outcomes"][0].get("why") for item in found["endpoints"]] == [
        None,
        "it is not ready",
    ]
    assert read(program, "debug/topics")["topics"] == []
    slices = read(program, "debug/objects", kind="EndpointSlice")
    assert {"namespace": namespace, "name": "ledger-1"} in slices["names"]
    assert 0 <= slices["age_seconds"] < 200


def test_they_are_off_unless_asked_for(api_cluster: LocalCluster) -> None:
    with start(api_cluster.kubeconfig) as program:
        program.event("ready")
        assert read(program, "debug/") == 404
        assert read(program, "debug/topics") == 404
