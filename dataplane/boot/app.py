"""From an environment to a running proxy.

The entry point of a proxy's container. Everything is checked, then the two files are written, then
the proxy takes this process over: it keeps the process id, so signals and exit code are its own.
"""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from dataplane.boot.errors import BootError
from dataplane.boot.files import write_key_and_request
from dataplane.boot.model import Workload
from linkerd.mesh.proxy import (
    IDENTITY_DIR,
    IDENTITY_LOCAL_NAME,
    IDENTITY_TRUST_ANCHORS,
)
from linkerd.runtime.logs import configure_logging, flush_logs, get_logger
from linkerd.runtime.standard_streams import open_standard_streams
from linkerd.version import VERSION

PROGRAM: Final = "linkerd2-proxy-identity"
PROXY: Final = "/usr/lib/linkerd/linkerd2-proxy"
LOG_FORMAT: Final = "LINKERD2_PROXY_LOG_FORMAT"

_FAILED: Final = 1
_USAGE: Final = 2
_HELP: Final = f"""\
Usage of {PROGRAM}: {PROGRAM} [COMMAND [ARGUMENT...]]

Makes the key and the signing request that a proxy starts from, then becomes COMMAND
(default: {PROXY}).

Environment:
  {IDENTITY_DIR}            directory for key.p8 and csr.der; must exist
  {IDENTITY_LOCAL_NAME}     identity of the workload
  {IDENTITY_TRUST_ANCHORS}  PEM bundle of the roots
  {LOG_FORMAT}              plain (default) or json
"""

_log = get_logger(__name__)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Becomes the proxy, and returns only when it could not: the exit code, 2 for an unknown flag.

    `--help` and `--version` print, and return 0.
    """
    open_standard_streams()
    command = list(argv)
    if command and command[0] == "--":
        command.pop(0)
    elif command and command[0].startswith("-"):
        return _answer(command[0].lstrip("-"))
    json_asked = environ.get(LOG_FORMAT, "").lower() == "json"
    configure_logging("info", "json" if json_asked else "plain")
    try:
        _prepare(environ)
        _become(command or [PROXY], environ)
    except BootError as error:
        _log.error("the proxy is not started", error=str(error))
    return _FAILED


def _answer(flag: str) -> int:
    if flag in ("help", "h"):
        sys.stdout.write(_HELP)
    elif flag == "version":
        sys.stdout.write(f"{VERSION}\n")
    else:
        sys.stderr.write(f"{PROGRAM}: unknown flag {flag!r}; its settings are variables: --help\n")
        return _USAGE
    return 0


def _prepare(environ: Mapping[str, str]) -> None:
    workload = Workload.of(environ)
    write_key_and_request(workload.directory, workload.name)
    _log.info("key and request written", identity=workload.name, path=str(workload.directory))


def _become(command: Sequence[str], environ: Mapping[str, str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    flush_logs()
    try:
        os.execvpe(command[0], tuple(command), environ)  # noqa: S606  # the caller's words, no shell
    except (OSError, ValueError) as error:
        shown, why = shlex.join(command), getattr(error, "strerror", None) or str(error)
        raise BootError(f"{shown} cannot be run: {why}") from None
