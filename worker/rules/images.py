"""Comparing images: by value, after taking away what providers change by themselves.

Two comparisons, because "unknown" cuts both ways: `differences` is lenient and asks whether
anything speaks against two images being the same; `missing` is strict and asks whether a target is
proven.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime
from typing import Final

from msgspec.structs import replace

from worker.model import AllDay, Image, Timed, When

#: The names by which fields are reported, in this order.
FIELDS: Final = ("start", "end", "summary", "description", "location", "transparency")
#: The fields that hold text.
TEXTS: Final = ("summary", "description", "location")
#: Both are sent with each edit, so both always decide whether an event is where it shall be.
ENDS: Final = ("start", "end")

#: The zones that times are shown in: alone they move nothing, and not every provider tells them, so
#: that they are looked at only where an edit changes them.
ZONE: Final = "zone"

_ALL: Final = (*FIELDS[:2], ZONE, *FIELDS[2:])
_UNKNOWN: Final = "unknown"
#: What is shown where a provider does not tell its zones (cronofy-api §3.3).
_NO_ZONES: Final = ("Etc/UTC", "Etc/UTC")


def normalised(image: Image) -> Image:
    """Return an image in which only what people mean is left.

    Times become UTC instants without zone names, line ends LF, and texts lose outer white space
    (cronofy-api §9).
    """
    when = image.when
    if isinstance(when, Timed):
        when = Timed(start=when.start.astimezone(UTC), end=when.end.astimezone(UTC))
    return replace(
        image,
        when=when,
        summary=plain(image.summary),
        description=plain(image.description),
        location=plain(image.location),
    )


def same_when(a: When, b: When) -> bool:
    """Tell whether two times are the same days or the same instants, whatever zones they show."""
    return all(_end_of(a, name) == _end_of(b, name) for name in ENDS)


def same_text(a: str, b: str) -> bool:
    """Tell whether two texts are the same but for line ends and outer white space."""
    return a == b or plain(a) == plain(b)


def differences(a: Image, b: Image, *, fields: Collection[str] = FIELDS) -> tuple[str, ...]:
    """Return in which of `fields`, which may have ZONE, two images surely differ.

    An unknown transparency equals any, since nothing speaks against it.
    """
    return tuple(name for name in _ALL if name in fields and not _matches(name, a, b))


def missing(target: Image, seen: Image, *, fields: Collection[str] = FIELDS) -> tuple[str, ...]:
    """Return which of `fields`, which may have ZONE, do not show the target's value.

    An unknown transparency shows no other value than itself.
    """
    return tuple(name for name in _ALL if name in fields and not _shows(name, target, seen))


def changed(before: Image, target: Image) -> tuple[str, ...]:
    """Return the fields, ZONE among them, that an edit with these two images changes."""
    return missing(target, before, fields=_ALL)


def untold(before: Image, seen: Image) -> frozenset[str]:
    """Return the fields of which a provider tells nothing, by what it showed then and shows now.

    Zones may as well be meant to be UTC: then nothing is known either.
    """
    fields = {"transparency"} if seen.transparency == _UNKNOWN else set()
    if zones(before.when) == zones(seen.when) == _NO_ZONES:
        fields.add(ZONE)
    return frozenset(fields)


def _matches(name: str, a: Image, b: Image) -> bool:
    if name == "transparency" and _UNKNOWN in {a.transparency, b.transparency}:
        return True
    return _shows(name, a, b)


def _shows(name: str, target: Image, seen: Image) -> bool:
    if name in ENDS:
        return _end_of(target.when, name) == _end_of(seen.when, name)
    if name == ZONE:
        return zones(target.when) == zones(seen.when)
    return same_text(getattr(target, name), getattr(seen, name))


def zones(when: When) -> tuple[str, ...]:
    """Return the zones that both ends are shown in; () for whole days, which have none."""
    return (when.start_tzid, when.end_tzid) if isinstance(when, Timed) else ()


def with_fields(current: Image, source: Image, *, fields: Collection[str]) -> Image:
    """Return `current` with these fields of `source`; of the ends both or none.

    The zones go by ZONE alone: who shows a moved event in another zone has not moved it.
    """
    when = source.when if not {*ENDS}.isdisjoint(fields) else current.when
    shown = source.when if ZONE in fields else current.when
    if isinstance(when, Timed) and isinstance(shown, Timed):
        when = replace(when, start_tzid=shown.start_tzid, end_tzid=shown.end_tzid)
    texts = {name: getattr(source, name) for name in fields if name not in {*ENDS, ZONE}}
    return replace(current, when=when, **texts)


def both_ends(fields: Collection[str]) -> tuple[str, ...]:
    """Return fields with the times as one: both are sent whenever one of them changes."""
    if {*ENDS}.isdisjoint(fields):
        return tuple(fields)
    return (*ENDS, *(name for name in fields if name not in ENDS))


def _end_of(when: When, name: str) -> tuple[bool, date | datetime]:
    """Return one end with its kind: midnight and the day it begins are not the same thing."""
    return isinstance(when, AllDay), when.start if name == "start" else when.end


def plain(text: str) -> str:
    """Return a text without outer white space, its line ends LF."""
    return with_lf(text).strip()


def with_lf(text: str) -> str:
    """Return a text whose line ends are LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
