"""Logs: structlog, one configuration for our code and for libraries.

Nobody waits for a line to be written (see `log_queue`). Lines are `plain` (for people; coloured on
a terminal) or `json` (one object a line). Every line has time, level, event and logger; further
keys come from KEYS, so that one thing has one name in all services. Nothing secret is written:
values under a secret key, JSON web tokens, bearer credentials and private keys are replaced
wherever they appear, tracebacks included.
"""

import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from linkerd.runtime.log_queue import LogQueue, writer_to
from linkerd.runtime.standard_streams import open_standard_streams
from linkerd.runtime.terminal import colours

KEYS: Final[Mapping[str, str]] = {
    "addr": "listen address, host:port",
    "age_seconds": "how old a state is",
    "attempt": "which try this is, from 1",
    "authority": "authority that a client asked for",
    "cluster": "name of a linked cluster",
    "code": "gRPC status code name or process exit code",
    "count": "how many",
    "delay_seconds": "how long until the next try",
    "detail": "free text from elsewhere",
    "engine": "what serves gRPC",
    "error": "what went wrong, one sentence",
    "error_id": "short id that the client was given too",
    "expires": "when a certificate or token ends, RFC 3339",
    "file": "path of a file",
    "identity": "workload identity",
    "key": "index or topic key",
    "kind": "Kubernetes kind",
    "limit": "how many there may be",
    "method": "gRPC method path",
    "name": "name of a Kubernetes object",
    "namespace": "namespace of a Kubernetes object",
    "operation": "what is done to an object under review",
    "parameter": "name of a value that is reported",
    "path": "HTTP path",
    "peer": "client address",
    "port": "port number",
    "reason": "why, in a word or two",
    "resource": "plural of a Kubernetes resource",
    "resource_version": "resourceVersion of an object or list",
    "seconds": "how long something took",
    "settings": "settings in force",
    "sha256": "digest of a certificate, hexadecimal",
    "signal": "signal name",
    "status": "HTTP status",
    "task": "name of a task",
    "uid": "uid of a review",
    "url": "address that is asked",
    "version": "version of this program",
    "waiting": "what readiness waits for",
}

_LEVELS: Final = {
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}
_FIRST: Final = ("time", "level", "logger", "event")  # the order of a JSON line
_OURS: Final = ("linkerd", "services", "dataplane", "__main__")
REDACTED: Final = "[redacted]"
_SECRET_KEY: Final = re.compile(
    r"token|secret|password|passwd|authorization|credential|private", re.IGNORECASE
)
_SECRET_TEXT: Final = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"  # a JSON web token
    r"|(?<=bearer )\s*\S+"
    r"|(?<=://)[^/\s@]*:[^/\s@]*(?=@)"  # user name and password of a URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def configure_logging(level: str, format: str, stream: TextIO | None = None) -> None:  # noqa: A002  # the flag's name
    """Sets up structlog and the standard logging module; may be called again.

    `level` is one of upstream's names; at `debug` libraries stay at info, at `trace` they do not.
    Writes to stderr unless `stream` is given, in a thread: what was logged is out when the
    interpreter ends, or after `flush_logs`.
    """
    open_standard_streams()
    stream = sys.stderr if stream is None else stream
    handler = LogQueue(writer_to(stream))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_stamps(),
            processors=[_drop_meta, *_renderers(format, colours=colours(stream))],
        )
    )
    root = logging.getLogger()
    for old in root.handlers:
        if isinstance(old, LogQueue):
            old.flush()
            old.close()
    root.handlers[:] = [handler]
    _set_levels(root, level)
    logging.captureWarnings(capture=True)
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # no line has it
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_stamps(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def flush_logs() -> None:
    """Returns when what was logged has been written, or cannot be for some seconds. For those who
    end the process otherwise than by returning."""
    for handler in logging.getLogger().handlers:
        handler.flush()


@contextmanager
def stray_errors_logged() -> Iterator[None]:
    """What Python itself would print, at once and blocking, goes to the log too: errors in
    finalisers, and those that end a thread."""
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook, threading.excepthook = _log_unraisable, _log_thread_error
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module, `get_logger(__name__)`."""
    return structlog.stdlib.get_logger(name)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: replaces secrets in place."""
    for key, value in event.items():
        event[key] = REDACTED if _SECRET_KEY.search(key) and value else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, Mapping):
        return redact(None, "", dict(value))
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    if isinstance(value, (int, float, type(None))):
        return value
    return _clean(str(value))


def _log_unraisable(stray: "sys.UnraisableHookArgs") -> None:
    where = f"{stray.err_msg or 'Exception ignored in'}: {stray.object!r}"
    _log_stray(where, stray.exc_type, stray.exc_value, stray.exc_traceback)


def _log_thread_error(stray: threading.ExceptHookArgs) -> None:
    where = f"thread {stray.thread.name}" if stray.thread else "a thread"
    _log_stray(where, stray.exc_type, stray.exc_value, stray.exc_traceback)


def _log_stray(
    where: str,
    kind: type[BaseException],
    error: BaseException | None,
    trace: TracebackType | None,
) -> None:
    if not issubclass(kind, SystemExit):  # a thread's own way to end
        found = (kind, error or kind(), trace)
        get_logger(__name__).error("an error that nobody caught", detail=where, exc_info=found)


def _set_levels(root: logging.Logger, level: str) -> None:
    ours = _LEVELS[level]
    theirs = ours if level != "debug" else logging.INFO
    root.setLevel(theirs)
    for name in _OURS:
        logging.getLogger(name).setLevel(ours)


def _stamps() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]


def _renderers(format: str, *, colours: bool) -> list[Processor]:  # noqa: A002  # as above
    last: Processor = (
        structlog.processors.JSONRenderer()
        if format == "json"
        else structlog.dev.ConsoleRenderer(colors=colours, timestamp_key="time", pad_event_to=0)
    )
    return [structlog.processors.format_exc_info, redact, _in_order, last]


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in _FIRST if key in event}
    return {**first, **event}


def _drop_meta(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _method, event)
