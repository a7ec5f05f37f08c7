"""The heartbeat as a Job of a real node: image, account and token are those of the component.

It runs dry, so that nothing leaves this machine, and beside the control plane, in a namespace of
its own, so that tests that look at the control plane do not see it.
"""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from linkerd.delivery.install import Images
from linkerd.delivery.kubectl import Kubectl
from linkerd.delivery.tree import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def overlay(folder: Path, namespace: str, image: str) -> dict[str, object]:
    """The component for that namespace, its CronJob told to send nothing and to keep its job."""
    name, _, tag = image.rpartition(":")
    argument = "/spec/jobTemplate/spec/template/spec/containers/0/args/-"
    flags = ("-dry-run", f"-controller-namespace={namespace}", "-query-timeout=3s")
    patch = [
        {"op": "replace", "path": "/spec/successfulJobsHistoryLimit", "value": 1},
        *({"op": "add", "path": argument, "value": flag} for flag in flags),
    ]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "nameSuffix": f"-{namespace}",
        "components": [os.path.relpath(ROOT / "deploy/components/heartbeat", folder.resolve())],
        "images": [{"name": "linkerd-py", "newName": name, "newTag": tag}],
        "patches": [{"target": {"kind": "CronJob"}, "patch": yaml.safe_dump(patch)}],
    }


def test_h2_a_job_of_the_cron_job_says_what_it_would_send(
    delivered: Kubectl, images: Images, node_namespace: str, tmp_path: Path
) -> None:
    content = overlay(tmp_path, node_namespace, images.control_plane)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content))
    manifests = delivered.render(tmp_path)
    here = f"--namespace={node_namespace}"
    delivered.apply(manifests, doing="applying the component")
    try:
        delivered("create", "configmap", "linkerd-config", here)
        cron_job = f"cronjob/linkerd-heartbeat-{node_namespace}"
        delivered("create", "job", "heartbeat", f"--from={cron_job}", here)
        delivered("wait", "job/heartbeat", "--for=condition=Complete", "--timeout=120s", here)
        said = delivered("logs", "job/heartbeat", here)
    finally:
        delivered("delete", "--filename=-", "--wait=false", stdin=manifests)

    (url,) = re.findall(r"^GET (\S+)$", said, re.MULTILINE)
    parameters = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
    assert {name for name in parameters if not name.startswith("ext-")} == {
        "arch",
        "install-time",
        "k8s-version",
        "service-profile-count",
        "source",
        "uuid",
        "version",
    }
    assert "Prometheus" in said
    assert "Traceback" not in said
