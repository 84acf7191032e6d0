"""A cap that knows its job: so many times what the job's last runs have changed (features §5).

A night that wants to change far more than all nights before it is more likely a mistake upstream
than a busy day.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from statistics import median
from typing import Final, NamedTuple

#: Finished runs that are looked back at, and how many there must be.
JOB_RUNS: Final = 10
LEAST_RUNS: Final = 5

_TIMES = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)x-median", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)


class MedianCap(NamedTuple):
    """The most changes that a run may make, None for any number, and how that comes about."""

    cap: int | None
    basis: str


def parse_cap(text: str) -> int | Fraction:
    """Return a number of changes, or how many times the median of a job's runs are too many.

    Raises ValueError, whose message says what to write instead.
    """
    plain = text.strip().replace(",", "")
    if _COUNT.fullmatch(plain):
        return int(plain)
    found = _TIMES.fullmatch(plain)
    if found is None or not (times := Fraction(found[1])):
        raise ValueError("expected a number of changes such as 500, or 3x-median")
    return times


def median_cap(times: Fraction, changes: Sequence[int]) -> MedianCap:
    """Return what a job's last finished runs allow, by the changes that each of them has made."""
    name = f"{float(times):g}x-median"
    if len(changes) < LEAST_RUNS:
        return MedianCap(
            None,
            f"{name} does not apply yet: it needs {LEAST_RUNS} finished runs of the job,"
            f" and there are {len(changes)}",
        )
    usual = Fraction(median(map(Fraction, changes)))
    many = "change" if usual == 1 else "changes"
    said = f"the median of the last {len(changes)} runs is {float(usual):,.12g} {many}"
    if not usual:
        return MedianCap(None, f"{name} does not apply: {said}")
    cap = int(times * usual)
    return MedianCap(cap, f"{name} is {cap:,}: {said}")
