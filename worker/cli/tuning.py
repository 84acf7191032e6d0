"""What of a campaign may be tuned on the command line: NAME=VALUE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec.structs import replace

from worker.cli.options import WrongOption
from worker.model import Run
from worker.rules import parse_threshold

#: how a name ends whose value is asked for
ASKED = "=?"
#: edits that one request carries at most
MOST_BATCH = 50
#: calls a second
LEAST_RPS, MOST_RPS = 0.1, 10_000


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


def _share(text: str) -> float | None:
    if text == "none":
        return None
    number = text.removesuffix("%")
    try:
        share = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("expected more than 0% and up to 100%, such as 50%")
    return share


def _rps(text: str) -> float | None:
    if text == "none":
        return None
    try:
        calls = float(text)
    except ValueError:
        calls = 0.0
    if not LEAST_RPS <= calls <= MOST_RPS:
        raise ValueError(f"expected calls a second, {LEAST_RPS:g} to {MOST_RPS:,}")
    return calls


def _batch(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST_BATCH:
        raise ValueError(f"expected 1 to {MOST_BATCH} edits")
    return int(text)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "share": ("share", _share),
    "max-rps": ("max_rps", _rps),
    "batch": ("batch_size", _batch),
    "max-failures": ("max_failures", parse_threshold),
}
