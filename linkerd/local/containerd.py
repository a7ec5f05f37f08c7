"""containerd: its settings for a node in namespaces of its own."""

import json
from pathlib import Path
from typing import IO, Final

from linkerd.local.component import Component
from linkerd.local.errors import LocalError
from linkerd.local.files import keep_private, private_folder
from linkerd.local.space import Space
from linkerd.local.state import State
from linkerd.local.system import run

SOCKET: Final = "/run/containerd/containerd.sock"

# `restrict_oom_score_adj`: without CAP_SYS_RESOURCE no process may be made less likely to be
# killed, and every sandbox would fail for trying.
_CONFIG: Final = """\
version = 2
root = {root}
state = "/run/containerd"

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  max_concurrent_downloads = 8

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def containerd(
    program: Path, state: State, space: Space, *, pause: str, overlay: bool
) -> Component:
    """The runtime of the node; `pause` names the image of every pod's first container."""
    root = private_folder(state.folder / "containerd")
    content = _CONFIG.format(
        root=json.dumps(str(root)),
        socket=SOCKET,
        pause=pause,
        snapshotter="overlayfs" if overlay else "native",
    )
    config = keep_private(state.config / "containerd.toml", content)

    def ready() -> bool:
        try:
            ctr(space, "version")
        except LocalError:
            return False
        return True

    return Component("containerd", (str(program), "--config", str(config)), ready, settings=content)


def ctr(space: Space, *arguments: str, stdin: IO[bytes] | None = None) -> str:
    """Run containerd's client inside the node, in the namespace that kubelet uses."""
    command = ("ctr", f"--address={SOCKET}", "--namespace=k8s.io", *arguments)
    return run(*space.enter(), *command, stdin=stdin)


def supports_overlay(folder: Path) -> bool:
    """Whether layers below `folder` can be stacked by the kernel, as they cannot on an overlay."""
    kind = run(
        "findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(folder), check=False
    )
    return kind.strip() not in {"overlay", "aufs", "nfs", "fuse", "9p"}
