"""A kubectl whose caller is killed at a call: what the cluster has by then is what others find."""

from pathlib import Path

from linkerd.delivery.kubectl import Kubectl


class Killed(BaseException):
    """The process is gone: nothing of ours handles it."""


class DyingKubectl(Kubectl):
    """Dies at a call, counted from 0, before the cluster hears of it."""

    def __init__(self, kubeconfig: Path, at: int) -> None:
        super().__init__(kubeconfig)
        self._left = at

    def __call__(self, *arguments: str, stdin: str | None = None, doing: str = "") -> str:
        """As in Kubectl, while it lives."""
        if self._left == 0:
            raise Killed
        self._left -= 1
        return super().__call__(*arguments, stdin=stdin, doing=doing)
