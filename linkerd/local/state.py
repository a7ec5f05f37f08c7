"""The state directory of one cluster: where everything is, and what must be the same next time.

`cluster.json` marks a directory as ours. It holds what is chosen once and then kept: the cluster's
id, its ports and its networks. A directory with other content is refused rather than mixed with it.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from linkerd.local.errors import StateError
from linkerd.local.files import private_folder, write_private

STATE_VARIABLE: Final = "LINKERD_LOCAL_STATE"
FORMAT: Final = 1


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The address ranges of a node, in CIDR notation, and the two ends of its link to the host."""

    cluster: str
    pods: str
    services: str
    host_address: str
    node_address: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What `cluster.json` holds."""

    format: int = FORMAT
    id: str
    api_only: bool
    ports: dict[str, int] = {}
    network: Network | None = None


class State:
    """Paths below one state directory, and its record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.pki = self.folder / "pki"
        self.config = self.folder / "config"
        self.run = self.folder / "run"
        self.logs = self.folder / "logs"
        self.lock = self.folder.parent / f".{self.folder.name}.lock"
        self.kubeconfig = self.folder / "kubeconfig"

    def log(self, component: str) -> Path:
        """Where the component's output goes."""
        return self.logs / f"{component}.log"

    def load(self) -> Record | None:
        """The record; None when the directory is new. Raises StateError when it is not ours."""
        file = self.folder / "cluster.json"
        try:
            record = msgspec.json.decode(file.read_bytes(), type=Record)
        except FileNotFoundError:
            self._require_unused()
            return None
        except (msgspec.DecodeError, OSError) as error:
            raise StateError(
                f"{file} cannot be read ({error}); end the cluster with "
                f"`linkerd local down --delete --state {self.folder}` and start again"
            ) from error
        if record.format != FORMAT:
            raise StateError(
                f"{self.folder} was made by another version of linkerd (format {record.format}, "
                f"this one writes {FORMAT}); delete it with "
                f"`linkerd local down --delete --state {self.folder}` and start again"
            )
        return record

    def save(self, record: Record) -> Record:
        """Write the record."""
        write_private(self.folder / "cluster.json", msgspec.json.encode(record))
        return record

    def create(self, *, api_only: bool) -> Record:
        """Make the directory and its first record. Raises StateError when it cannot be written."""
        try:
            private_folder(self.folder)
            return self.save(Record(id=secrets.token_hex(3), api_only=api_only))
        except OSError as error:
            raise StateError(
                f"the state directory {self.folder} cannot be written ({error.strerror}); "
                f"name another with --state"
            ) from error

    def _require_unused(self) -> None:
        if self.folder.is_dir() and any(self.folder.iterdir()):
            raise StateError(
                f"{self.folder} holds files but no cluster of ours (cluster.json is missing); "
                f"name an empty or new directory with --state"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise StateError(f"{self.folder} is not a directory; name another with --state")


def default_state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """$LINKERD_LOCAL_STATE, else below the user's state folder."""
    if chosen := environ.get(STATE_VARIABLE):
        return Path(chosen)
    base = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "linkerd-py" / "local"
