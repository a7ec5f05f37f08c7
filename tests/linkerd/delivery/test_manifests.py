"""The overlay of one delivery changes what it should and nothing else."""

from pathlib import Path

import pytest

from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.manifests import (
    Workload,
    control_plane_overlay,
    demo_overlay,
    render,
    workloads,
)
from linkerd.delivery.tree import ROOT
from tests.support.manifests import Manifest, of_kind, parse


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the real manifests and a build folder of its own."""
    for name in ("deploy", "demo"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def delivered(tree: Path, image: str, *, on_node: bool) -> list[Manifest]:
    overlay = control_plane_overlay(tree, image=image, anchors="PEM", on_node=on_node)
    return parse(render(Kubectl(), overlay))


@pytest.mark.parametrize(
    "image",
    [
        "registry.example:5000/team/linkerd-py:1.2",
        "registry.example:5000/team/linkerd-py@sha256:" + "0" * 64,
        "localhost/linkerd-py:0123456789ab",
    ],
)
@pytest.mark.parametrize("on_node", [True, False])
def test_every_container_gets_the_image(tree: Path, image: str, on_node: bool) -> None:
    for deployment in of_kind(delivered(tree, image, on_node=on_node), "Deployment"):
        assert [c["image"] for c in deployment.containers] == [image]


def test_image_without_a_tag_is_the_latest(tree: Path) -> None:
    objects = delivered(tree, "registry.example:5000/linkerd-py", on_node=False)
    for deployment in of_kind(objects, "Deployment"):
        assert deployment.containers[0]["image"] == "registry.example:5000/linkerd-py:latest"


def test_pods_restart_with_new_anchors(tree: Path) -> None:
    def annotations(anchors: str) -> list[dict[str, str]]:
        overlay = control_plane_overlay(tree, image="a:b", anchors=anchors, on_node=True)
        deployments = of_kind(parse(render(Kubectl(), overlay)), "Deployment")
        return [d.pod["metadata"]["annotations"] for d in deployments]

    before = annotations("one")
    assert before == annotations("one")
    for one, two in zip(before, annotations("two"), strict=True):
        assert one.pop("linkerd.io/trust-root-sha256") != two.pop("linkerd.io/trust-root-sha256")
        assert one == two


def test_workloads_are_the_deployments(tree: Path) -> None:
    overlay = control_plane_overlay(tree, image="a:b", anchors="PEM", on_node=True)
    found = workloads(render(Kubectl(), overlay))
    names = ("destination", "identity", "policy", "sp-validator")
    assert sorted(w.name for w in found) == [f"linkerd-{name}" for name in names]
    assert {w.namespace for w in found} == {"linkerd"}


def test_demo_runs_in_the_image_it_is_given(tree: Path) -> None:
    objects = parse(render(Kubectl(), demo_overlay(tree, image="localhost/base:1")))
    images = {c["image"] for d in of_kind(objects, "Deployment") for c in d.containers}
    assert images == {"localhost/base:1"}
    assert Workload("demo", "web") in workloads(render(Kubectl(), demo_overlay(tree, image=None)))


@pytest.mark.parametrize("on_node", [True, False])
def test_a_heartbeat_only_where_it_is_asked_for(tree: Path, on_node: bool) -> None:
    def jobs(heartbeat: bool) -> list[Manifest]:
        overlay = control_plane_overlay(
            tree, image="a:b", anchors="PEM", on_node=on_node, heartbeat=heartbeat
        )
        return [o for o in parse(render(Kubectl(), overlay)) if o.kind == "CronJob"]

    assert jobs(False) == []
    (job,) = jobs(True)
    pod = job.body["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "a:b"
