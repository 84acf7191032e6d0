"""Wall clocks: which instant a local time means in a zone, and when that has no single answer.

`shift` and `schedule` resolve every local time here. Nothing is guessed: an unknown zone, a time
that a daylight saving change skips and one that it repeats are `Ambiguous` unless a policy chooses.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from worker.model import Policy

#: Names that load but mean the host's own setting, or nothing at all.
_NOT_ZONES = frozenset({"localtime", "posixrules", "Factory"})
#: `right/` counts leap seconds, which no calendar does; `posix/` only repeats the plain names.
_NOT_PREFIXES = ("right/", "posix/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """No single instant can be named.

    `why`: "gap" (skipped by a clock change), "fold" (repeated by one), "order" (a clock change
    would turn the ends round, or give or take the whole length), "zone" (unknown), "range" (beyond
    the years 1 to 9999).
    `readings` are the two candidate instants of a gap or a fold in UTC, the earlier one first.
    """

    why: Literal["gap", "fold", "order", "zone", "range"]
    readings: tuple[datetime, ...] = ()

    def __str__(self) -> str:
        times = " or ".join(f"{reading:%Y-%m-%dT%H:%M:%SZ}" for reading in self.readings)
        return f"{self.why}: {times}" if times else self.why


def find_zone(name: str) -> ZoneInfo | None:
    """Return the IANA zone of that name; None for anything else, such as an offset."""
    if name in _NOT_ZONES or name.startswith(_NOT_PREFIXES):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # Not found, malformed, or (OSError) the name of a folder such as "America".
        return None


def local_time(instant: datetime, tzid: str) -> datetime | Ambiguous:
    """Return what a wall clock in `tzid` shows at an instant, as a naive time without fold."""
    zone = find_zone(tzid)
    if zone is None:
        return Ambiguous(why="zone")
    try:
        return instant.astimezone(zone).replace(tzinfo=None, fold=0)
    except OverflowError:
        return Ambiguous(why="range")


def resolved(local: datetime, tzid: str, *, policy: Policy) -> datetime | Ambiguous:
    """Return the instant (aware UTC) that a naive local time means in `tzid`.

    A time in a gap or a fold has two readings, by the offset before the change and by the one after
    it (PEP 495); the policy's `earlier` and `later` choose between the instants themselves. So in a
    gap `later` takes the offset before the change, and in a fold `earlier` the first occurrence:
    these two are what RFC 5545 §3.3.5 prescribes.
    """
    zone = find_zone(tzid)
    if zone is None:
        return Ambiguous(why="zone")
    try:
        before = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        after = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    except OverflowError:
        return Ambiguous(why="range")
    if before == after:
        return before
    # Clocks that go forward make the offset before the change the smaller one, its instant the
    # later.
    if before > after:
        return _chosen("gap", (after, before), policy.dst_gap)
    return _chosen("fold", (before, after), policy.dst_fold)


def _chosen(
    why: Literal["gap", "fold"], readings: tuple[datetime, datetime], choice: str
) -> datetime | Ambiguous:
    match choice:
        case "earlier":
            return readings[0]
        case "later":
            return readings[1]
        case _:
            return Ambiguous(why=why, readings=readings)
