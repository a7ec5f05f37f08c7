"""The common beginning of every service: settings, logs, admin server, then its own set-up.

`services/<name>/__main__.py` is `sys.exit(launch(Settings, start, name="<name>"))`.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from linkerd.runtime.admin import AdminServer
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.logs import configure_logging, get_logger
from linkerd.runtime.process import Process, run
from linkerd.runtime.settings import CommonSettings, describe, load
from linkerd.version import VERSION

S = TypeVar("S", bound=CommonSettings)

_USAGE: Final = 2
_log = get_logger(__name__)


def launch(
    settings_type: type[S],
    start: Callable[[S, Process], Awaitable[object]],
    *,
    name: str,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Runs a service to its end; the exit code, 2 for wrong settings.

    `start(settings, process)` sets the service up and returns; meanwhile the admin server answers
    already. Flags come from the command line and the environment unless they are given.
    """
    try:
        settings = load(
            settings_type,
            sys.argv[1:] if argv is None else argv,
            os.environ if environ is None else environ,
            prog=name,
            version=VERSION,
        )
    except SettingsError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return _USAGE
    configure_logging(settings.log_level, settings.log_format)
    _log.info("starting", version=VERSION, settings=describe(settings))

    async def main(process: Process) -> None:
        await _start_admin(settings, process)
        await start(settings, process)

    return run(main, name=name)


async def _start_admin(settings: CommonSettings, process: Process) -> None:
    admin = AdminServer(
        settings.admin_addr,
        readiness=process.readiness,
        registry=process.registry,
        profiling=settings.enable_pprof,
    )
    await admin.start()
    process.defer(admin.stop)
