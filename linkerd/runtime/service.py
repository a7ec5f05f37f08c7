"""The common beginning of every service: settings, logs, admin server, then its own set-up.

`services/<name>/__main__.py` is `sys.exit(launch(Settings, start, name="<name>"))`, or
`launch_job` for a program that ends by itself.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

from linkerd.runtime.admin import AdminServer
from linkerd.runtime.errors import SettingsError
from linkerd.runtime.logs import configure_logging, get_logger
from linkerd.runtime.process import Process, run
from linkerd.runtime.settings import JobSettings, ServiceSettings, describe, load
from linkerd.runtime.standard_streams import open_standard_streams
from linkerd.version import VERSION

J = TypeVar("J", bound=JobSettings)
S = TypeVar("S", bound=ServiceSettings)

_UNFINISHED: Final = 1
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
        settings = _begin(settings_type, name, argv, environ)
    except SettingsError as error:
        return _refuse(name, error)

    async def main(process: Process) -> None:
        await _start_admin(settings, process)
        await start(settings, process)

    return run(main, name=name)


def launch_job(
    settings_type: type[J],
    work: Callable[[J, Process], Awaitable[int]],
    *,
    name: str,
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Runs a program that does its work and ends; the exit code that `work` returns.

    2 for wrong settings, 1 when `work` raises or a signal ends it early. There is no admin server.
    """
    try:
        settings = _begin(settings_type, name, argv, environ)
    except SettingsError as error:
        return _refuse(name, error)

    async def main(process: Process) -> None:
        process.exit_code = _UNFINISHED
        process.exit_code = await work(settings, process)
        process.stop()

    return run(main, name=name)


def _begin(
    settings_type: type[J],
    name: str,
    argv: Sequence[str] | None,
    environ: Mapping[str, str] | None,
) -> J:
    open_standard_streams()
    settings = load(
        settings_type,
        sys.argv[1:] if argv is None else argv,
        os.environ if environ is None else environ,
        prog=name,
        version=VERSION,
    )
    configure_logging(settings.log_level, settings.log_format)
    _log.info("starting", version=VERSION, settings=describe(settings))
    return settings


def _refuse(name: str, error: SettingsError) -> int:
    sys.stderr.write(f"{name}: {error}\n")
    return _USAGE


async def _start_admin(settings: ServiceSettings, process: Process) -> None:
    admin = AdminServer(
        settings.admin_addr,
        readiness=process.readiness,
        registry=process.registry,
        profiling=settings.enable_pprof,
        pages=process.pages,
    )
    port = await admin.start()
    process.defer(admin.stop)
    _log.info("admin server listens", addr=str(settings.admin_addr._replace(port=port)))
