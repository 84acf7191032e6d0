"""What of a campaign may be tuned on the command line: NAME=VALUE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from msgspec.structs import replace

from worker.cli.options import WrongOption
from worker.intake.terms import calls_a_second
from worker.model import Run
from worker.rules import parse_threshold
from worker.settings import share

#: how a name ends whose value is asked for
ASKED = "=?"
#: edits that one request carries at most
MOST_BATCH = 50

T = TypeVar("T")


def read_tuning(changes: Sequence[str], run: Run) -> Run:
    """Return how a campaign is carried out with these changes. Raises WrongOption."""
    for change in changes:
        name, mark, value = change.partition("=")
        _require_known(name, change)
        if not mark:
            raise WrongOption(
                f"tune {change[:60]!r}: no value", next_step=f"Such as {name}=…, or {name}=? to see"
            )
        field, read = _READERS[name]
        try:
            found = read(value)
        except ValueError as wrong:
            raise WrongOption(f"tune {change[:60]!r}: {wrong}") from None
        run = replace(run, **{field: found})
    return run


def asked_for(changes: Sequence[str]) -> list[str]:
    """Return the names that are asked for as NAME=?; none when something is to be changed.

    Raises WrongOption for both at once, and for a name that cannot be tuned.
    """
    names = [change.removesuffix(ASKED) for change in changes if change.endswith(ASKED)]
    if names and len(names) < len(changes):
        raise WrongOption("tune either shows or changes", next_step="Ask for one after the other")
    for name in names:
        _require_known(name, f"{name}{ASKED}")
    return names


def _require_known(name: str, change: str) -> None:
    if name not in _READERS:
        near = get_close_matches(name, _READERS, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Give one of {', '.join(_READERS)}"
        raise WrongOption(f"tune {change[:60]!r}: no such thing to tune", next_step=hint)


def _batch(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_BATCH:
        raise ValueError(f"expected 1 to {MOST_BATCH} edits")
    return int(text)


def _unless_none(read: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: None if text == "none" else read(text)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "share": ("share", _unless_none(share)),
    "max-rps": ("max_rps", _unless_none(calls_a_second)),
    "batch": ("batch_size", _unless_none(_batch)),
    "max-failures": ("max_failures", parse_threshold),
}
