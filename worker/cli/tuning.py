"""What of a campaign may be tuned on the command line: NAME=VALUE, read and shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from msgspec.structs import replace

from worker.cli.options import WrongOption
from worker.model import Run
from worker.rules import format_threshold, parse_threshold

#: edits that one request carries at most
MOST_BATCH = 50
#: calls a second
LEAST_RPS, MOST_RPS = 0.1, 10_000


def read_tuning(changes: Sequence[str], run: Run) -> Run:
    """Return how a campaign is carried out with these changes. Raises WrongOption."""
    for change in changes:
        name, mark, value = change.partition("=")
        if not mark or name not in _READERS:
            near = get_close_matches(name, _READERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"give one of {', '.join(_READERS)}"
            raise WrongOption(f"tune {change[:60]!r}: no such thing to tune", next_step=hint)
        field, read = _READERS[name]
        try:
            found = read(value)
        except ValueError as wrong:
            raise WrongOption(f"tune {change[:60]!r}: {wrong}") from None
        run = replace(run, **{field: found})
    return run


def shown_tuning(run: Run) -> dict[str, str]:
    """Return what may be tuned as it would be written."""
    return {
        "share": "none" if run.share is None else f"{run.share:.0%}",
        "max-rps": "none" if run.max_rps is None else f"{run.max_rps:g}",
        "batch": "none" if run.batch_size is None else str(run.batch_size),
        "max-failures": format_threshold(run.max_failures),
    }


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
