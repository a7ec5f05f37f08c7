"""Log lines: both formats, levels, libraries, and that no secret gets out."""

import ast
import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import structlog
from hypothesis import given

from linkerd.runtime.logs import (
    KEYS,
    REDACTED,
    configure_logging,
    flush_logs,
    get_logger,
    redact,
    stray_errors_logged,
)

ROOT = Path(__file__).parents[3]
TOKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJhdWQiOlsiaWRlbnRpdHkiXX0.c2lnbmF0dXJl"  # made up
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIG\n-----END EC PRIVATE KEY-----"


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leaves logging as the other tests expect it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("linkerd", "services", "dataplane", "__main__")
    levels = [logging.getLogger(name).level for name in names]
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    for name, before in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def text(stream: io.StringIO) -> str:
    """All that was logged so far."""
    flush_logs()
    return stream.getvalue()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The JSON lines logged so far."""
    return [json.loads(line) for line in text(stream).splitlines()]


def test_json_lines_have_time_level_logger_and_event_first() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    get_logger("linkerd.test").warning("it happened", count=3)
    (line,) = lines(stream)
    assert list(line) == ["time", "level", "logger", "event", "count"]
    assert line["level"] == "warning"
    assert line["logger"] == "linkerd.test"
    assert line["event"] == "it happened"
    assert line["count"] == 3
    assert line["time"].endswith("Z")


def test_plain_lines_are_for_people() -> None:
    stream = io.StringIO()
    configure_logging("info", "plain", stream)
    get_logger("linkerd.test").info("it happened", count=3)
    assert "[info     ] it happened [linkerd.test] count=3" in text(stream)
    assert "\x1b" not in text(stream)


def test_colour_is_for_terminals() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure_logging("info", "plain", stream)
    get_logger("linkerd.test").info("it happened")
    assert "\x1b" in text(stream)


def test_libraries_and_warnings_come_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("aiohttp.access").warning("served %s", "x")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old thing", stacklevel=1)
    served, warned = lines(stream)
    assert (served["event"], served["logger"]) == ("served x", "aiohttp.access")
    assert "old thing" in warned["event"]


def test_errors_that_nobody_caught_come_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    class Careless:
        def __del__(self) -> None:
            raise ValueError("too late")

    def fail() -> None:
        raise OSError("no luck")

    stream = io.StringIO()
    configure_logging("info", "json", stream)
    with stray_errors_logged():
        Careless()
        thread = threading.Thread(target=fail, name="luckless")
        thread.start()
        thread.join()
    finaliser, ended = lines(stream)
    assert "Careless.__del__" in finaliser["detail"]
    assert "ValueError: too late" in finaliser["exception"]
    assert ended["detail"] == "thread luckless"
    assert "OSError: no luck" in ended["exception"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("error", "error", "error"),
        ("warn", "warning", "warning"),
        ("info", "info", "info"),
        ("debug", "debug", "info"),
        ("trace", "debug", "debug"),
    ],
)
def test_levels(level: str, ours: str, theirs: str) -> None:
    stream = io.StringIO()
    configure_logging(level, "json", stream)
    for name, least in (("linkerd.test", ours), ("aiohttp", theirs)):
        stream.seek(0)
        stream.truncate()
        for method in ("debug", "info", "warning", "error", "critical"):
            getattr(logging.getLogger(name), method)("said")
        assert lines(stream)[0]["level"] == least


@pytest.mark.parametrize("form", ["json", "plain"])
def test_no_secret_gets_out(form: str) -> None:
    stream = io.StringIO()
    configure_logging("info", form, stream)
    log = get_logger("linkerd.test")
    log.info("got %s", TOKEN, token="abc-abc", detail=f"Authorization: Bearer {TOKEN[::-1]}")
    log.info("nested", settings={"deep": [{"password": "hunter2"}, KEY]}, error=ValueError(TOKEN))
    logging.getLogger("aiohttp").info("header %s", f"bearer {TOKEN}")
    try:
        int(KEY)
    except ValueError:
        log.exception("failed")
    written = text(stream)
    for secret in (TOKEN, TOKEN[::-1], "abc-abc", "hunter2", "MHcCAQEEIG"):
        assert secret not in written
    assert written.count(REDACTED) >= 7
    assert "ValueError" in written


NAMES = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(NAMES, JSON))
def test_what_is_no_secret_stays(event: dict[str, Any]) -> None:
    assert redact(None, "", dict(event)) == event


def test_every_key_that_we_log_is_in_the_table() -> None:
    methods = {"debug", "info", "warning", "error", "exception", "critical", "bind"}
    unknown = []
    for path in sorted([*ROOT.glob("linkerd/**/*.py"), *ROOT.glob("services/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if node.func.attr in methods and isinstance(owner, ast.Name) and "log" in owner.id:
                keys = {keyword.arg for keyword in node.keywords} - {"exc_info", None}
                unknown += [f"{path.name}:{node.lineno} {key}" for key in keys - KEYS.keys()]
    assert not unknown, "name these keys in linkerd.runtime.logs.KEYS, or use one that is there"
