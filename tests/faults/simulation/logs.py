"""The engine's log lines: not shown, but those that tell of a bug are noted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog

#: What the engine logs when it met something that it does not know.
CRASHES = frozenset({"chunk.crashed", "verify.crashed"})


@contextmanager
def kept_from_view(note: Callable[[str], None]) -> Iterator[None]:
    """Drop all lines while the block runs, and note crashes."""

    def drop(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> NoReturn:
        if line["event"] in CRASHES:
            note(f"{line['event']} by {sys.exc_info()[1]!r}")
        raise structlog.DropEvent

    was = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(processors=[drop], cache_logger_on_first_use=False)
    try:
        yield
    finally:
        if was is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**was)
