"""Logging: structlog, one dotted event per line, ids and codes only.

Only the keys listed here are ever printed (deny by default): a token or event text that somebody
passes by mistake does not reach a log (law 9). Tracebacks show places and types, not values.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from worker.settings import Settings

#: Keys that may appear in a log line. Everything else is dropped and its name is told instead.
ALLOWED = frozenset(
    {
        "event", "level", "timestamp", "logger", "campaign", "chunk", "account", "route", "method",
        "status", "took_ms", "why", "count", "seconds", "attempt", "code", "worker", "exception",
        "task", "queue", "version", "edits", "data_center",
    }
)  # fmt: skip

#: Of those, what names something. Messages from Redis are among their sources, and whoever can
#: write there may not write into our logs as well.
NAMES = ("campaign", "chunk", "account", "worker", "task", "queue")
#: characters; the longest name that the database takes has fewer
LONGEST_NAME = 300

#: characters of a library's message template that are shown
LONGEST_TEMPLATE = 80


def deny_by_default(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep allowed keys; name the others without their values."""
    dropped = sorted(key for key in line if key not in ALLOWED and not key.startswith("_"))
    for key in dropped:
        del line[key]
    if dropped:
        line["code"] = "dropped:" + ",".join(dropped)
    return line


def words_only(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Show names that are single words; what is longer, or none, is no name of ours."""
    for key in NAMES:
        if key in line and not _is_word(line[key]):
            line[key] = "(not a name)"
    return line


def _is_word(name: object) -> bool:
    text = str(name)
    return 0 < len(text) <= LONGEST_NAME and text.isprintable() and " " not in text


def places_only(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Turn an exception into its type and the places it passed, without messages or values."""
    found = line.pop("exc_info", None)
    if not found:
        return line
    error = found if isinstance(found, BaseException) else sys.exc_info()[1]
    if error is not None:
        line["exception"] = _told(error)
    return line


def _told(error: BaseException) -> str:
    places = [
        f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    return f"{type(error).__name__} at " + " < ".join(reversed(places))


class NamesOnly(logging.Formatter):
    """Shows who said something, and an exception's places: never the values in what was said."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a library's record: its template at most, before values go in."""
        line = f"{record.levelname} {record.name}"
        # Without arguments it may have been put together already.
        if record.args and isinstance(record.msg, str):
            line += f" {record.msg.strip().splitlines()[0][:LONGEST_TEMPLATE]!r}"
        error = record.exc_info[1] if record.exc_info else None
        return f"{line} {_told(error)}" if error is not None else line


class Unfailing:
    """Writes lines to stderr. A full disk or a closed pipe loses lines, never work (row 27)."""

    def msg(self, line: str) -> None:
        """Write one line."""
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = exception = log = msg


def configure(settings: Settings, *, is_watched: bool = False) -> None:
    """Set up logging for this process: to stderr, so that stdout stays data.

    A command that somebody watches tells in words of its own what it does; what is logged for
    information (a token was refreshed, for each account) would bury them, and is left out.
    """
    level = getattr(logging, settings.log_level)
    if is_watched and level == logging.INFO:
        level = logging.WARNING
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            places_only,
            deny_by_default,
            words_only,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Unfailing(),
        cache_logger_on_first_use=False,
    )
    # Libraries log what they like, URLs, payloads and texts of exceptions included: of theirs, only
    # names pass, and only for warnings. Celery sets levels of its own, so they are set here.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(NamesOnly())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in ("celery", "kombu", "alembic", "aiohttp", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
