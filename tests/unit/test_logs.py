"""Logs tell places and names: no token, no event text, whoever writes them."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from worker import logs
from worker.logs import NamesOnly, Unfailing
from worker.settings import Settings

SECRET = "Dinner with Ann"


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What a process that is configured for JSON has written to stderr."""
    levels = {name: logging.getLogger(name).level for name in ("celery", "kombu", "asyncio")}
    logs.configure(Settings.model_validate({"log_json": True, "log_level": "INFO"}))
    yield lambda: capsys.readouterr().err
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def fail() -> None:
    """Fail with somebody's data in the message, and in its cause's."""
    try:
        raise KeyError(SECRET)
    except KeyError as inner:
        raise ValueError(SECRET) from inner


def test_keys_that_are_not_known_are_named_and_dropped(printed: Callable[[], str]) -> None:
    """Deny by default: what somebody passes by mistake does not get out."""
    structlog.get_logger().info("edit.sent", chunk="c_1.1", summary=SECRET, token=SECRET)

    text = printed()
    line = json.loads(text)
    assert (line["chunk"], line["code"]) == ("c_1.1", "dropped:summary,token")
    assert SECRET not in text


def test_an_exception_is_its_type_and_places(printed: Callable[[], str]) -> None:
    """Messages quote values, tracebacks quote source lines; neither is needed to find the place."""
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("chunk.crashed", chunk="c_1.1")

    text = printed()
    line = json.loads(text)
    assert line["exception"].startswith("ValueError at test_logs.py:")
    assert SECRET not in text


def test_of_a_library_only_names_get_out() -> None:
    """Celery logs a failed task with its arguments and with the exception's text."""
    try:
        fail()
    except ValueError as error:
        record = logging.LogRecord(
            "celery.app.trace", logging.ERROR, "trace.py", 1, "Task %s raised", (SECRET,),
            (type(error), error, error.__traceback__),
        )  # fmt: skip
    line = NamesOnly().format(record)

    assert line.startswith("ERROR celery.app.trace 'Task %s raised' ValueError at test_logs.py:")
    assert SECRET not in line


def test_what_a_library_says_without_an_exception_is_its_name() -> None:
    """URLs and payloads stand in such messages."""
    record = logging.LogRecord("asyncio", logging.WARNING, "x.py", 1, SECRET, (), None)

    assert NamesOnly().format(record) == "WARNING asyncio"


def test_lines_below_the_level_are_not_written(printed: Callable[[], str]) -> None:
    """DEBUG is for those who ask for it."""
    structlog.get_logger().debug("call.ended")

    assert not printed()


def test_a_log_that_cannot_be_written_stops_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a closed pipe loses lines (row 27)."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stderr", Full())
    Unfailing().msg("lost")
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    Unfailing().info("lost as well")


@pytest.mark.parametrize(
    "forged", ["c_1\n{'event': 'all.well'}", "{'a': ['b']}", "x" * 100_000, "c_1\x1b[31m", ""]
)
def test_a_forged_name_writes_nothing_into_a_log(printed: Callable[[], str], forged: str) -> None:
    """Chunk ids come from Redis: who can write there cannot write, or flood, our logs as well."""
    structlog.get_logger().info("chunk.left", chunk=forged)

    (line,) = printed().splitlines()
    assert json.loads(line)["chunk"] == "(not a name)"


@pytest.mark.parametrize("name", ["c_1ee4938ccc.12", "acc_5f3b0c2a9d1e", "Büro:ann@example.com"])
def test_a_name_is_told_as_it_is(printed: Callable[[], str], name: str) -> None:
    """Operators search for it."""
    structlog.get_logger().info("chunk.left", chunk=name)

    assert json.loads(printed())["chunk"] == name


@pytest.mark.parametrize(
    ("level", "told"),
    [("DEBUG", ["debug", "info", "warning"]), ("INFO", ["warning"]), ("ERROR", [])],
)
def test_what_is_watched_tells_nothing_for_information_unless_it_is_debugged(
    capsys: pytest.CaptureFixture[str], level: str, told: list[str]
) -> None:
    settings = Settings.model_validate({"log_json": True, "log_level": level})
    logs.configure(settings, is_watched=True)
    log = structlog.get_logger()
    for each in ("debug", "info", "warning"):
        getattr(log, each)("token.refreshed")
    lines = capsys.readouterr().err.splitlines()
    assert [json.loads(line)["level"] for line in lines] == told
