"""Transforms: a campaign's list of changes, applied one after the other to an event's image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from worker.model import (
    AddText,
    AllDay,
    Image,
    InZone,
    Lasting,
    Op,
    Patch,
    Policy,
    Replace,
    SetText,
    Shift,
    Timed,
    ToTime,
    When,
)
from worker.rules.images import TEXTS, plain, same_text, with_lf
from worker.rules.patterns import replaced
from worker.rules.shift import NotForAllDay, moved, with_ends
from worker.rules.zones import Ambiguous, find_zone, local_time, resolved


@dataclass(frozen=True, slots=True, kw_only=True)
class TooLong:
    """A replacement would make a text far longer than any field takes."""


Unplaced: TypeAlias = Ambiguous | NotForAllDay


def transformed(image: Image, ops: Sequence[Op], *, policy: Policy) -> Image | Unplaced | TooLong:
    """Return what the transforms make of an image, or why one of them has no answer for it.

    Raises ValueError for patterns and times of day that intake would have refused.
    """
    now = image
    for op in _joined(ops):
        match op:
            case Shift() | ToTime() | Lasting() | InZone():
                when = _moved(now.when, op, policy=policy)
                if isinstance(when, Ambiguous | NotForAllDay):
                    return when
                now = replace(now, when=when)
            case SetText() | Replace() | AddText():
                text = _written(getattr(now, op.field), op)
                if text is None:
                    return TooLong()
                now = replace(now, **{op.field: text})
            case _:
                assert_never(op)
    return _in_its_spelling(image, now)


def is_relative(patch: Patch) -> bool:
    """Tell whether a patch may change an event once more that already is as it made it.

    Where an equal earlier one has left the event is noted for such patches, and `decide` finds out.
    More are meant than do: two transforms of the times may depend on each other.
    """
    times = sum(isinstance(op, ToTime | Lasting | InZone) for op in patch.ops)
    return shifts(patch) or times > 1 or any(map(_is_relative, patch.ops))


def shifts(patch: Patch) -> bool:
    """Tell whether a patch moves an event from wherever it is."""
    return any(isinstance(step, Shift) for step in (patch.move, *patch.ops))


def _is_relative(op: Op) -> bool:
    return isinstance(op, Replace) or (isinstance(op, InZone) and op.keep == "wall_clock")


def _in_its_spelling(before: Image, now: Image) -> Image:
    """Keep a text as it was if it means the same: another spelling must not ride along."""
    kept = {
        name: getattr(before, name)
        for name in TEXTS
        if same_text(getattr(before, name), getattr(now, name))
    }
    return replace(now, **kept)


# ---------------------------------------------------------------- times


def _moved(when: When, op: Shift | ToTime | Lasting | InZone, *, policy: Policy) -> When | Unplaced:
    try:
        match op:
            case Shift():
                return moved(when, op, tzid=None, policy=policy)
            case ToTime():
                return _to_time(when, op, policy=policy)
            case Lasting():
                return _lasting(when, op)
            case InZone():
                return _in_zone(when, op, policy=policy)
        assert_never(op)
    except OverflowError:
        return Ambiguous(why="range")


def _to_time(when: When, op: ToTime, *, policy: Policy) -> When | Unplaced:
    """Move as a shift by the wall clock would: the length people see stays."""
    if isinstance(when, AllDay):
        shift = Shift(days=_days_to(op.weekday, when.start.weekday()))
        return NotForAllDay() if op.time else moved(when, shift, tzid=None, policy=policy)
    tzid = op.tzid or when.start_tzid
    local = local_time(when.start, tzid)
    if isinstance(local, Ambiguous):
        return local
    day = local.date() + timedelta(days=_days_to(op.weekday, local.weekday()))
    clock = local.time() if op.time is None else time.fromisoformat(op.time)
    delta = datetime.combine(day, clock) - local
    # What was moved to a time that the clock skips does not show it, but is there all the same:
    # moved once more it would keep its start and draw its end away.
    if not delta or resolved(local + delta, tzid, policy=policy) == when.start:
        return when
    shift = Shift(days=delta.days, seconds=delta.seconds)
    return moved(when, shift, tzid=op.tzid, policy=policy)


def _days_to(weekday: int | None, today: int) -> int:
    return 0 if weekday is None else weekday - today


def _lasting(when: When, op: Lasting) -> When | Unplaced:
    if isinstance(when, Timed):
        return replace(when, end=when.start + op.delta)
    return NotForAllDay() if op.seconds else replace(when, end=when.start + op.delta)


def _in_zone(when: When, op: InZone, *, policy: Policy) -> When | Unplaced:
    if isinstance(when, AllDay):
        return when
    if find_zone(op.tzid) is None:
        return Ambiguous(why="zone")
    shown = replace(when, start_tzid=op.tzid, end_tzid=op.tzid)
    if op.keep == "instant":
        return shown
    start = _same_clock(when.start, when.start_tzid, op.tzid, policy=policy)
    end = _same_clock(when.end, when.end_tzid, op.tzid, policy=policy)
    return with_ends(shown, start, end)


def _same_clock(
    instant: datetime, tzid: str, new_tzid: str, *, policy: Policy
) -> datetime | Ambiguous:
    local = local_time(instant, tzid)
    if isinstance(local, Ambiguous):
        return local
    # Where both clocks show the same, the instant stays, the second of two hours alike as well.
    if local_time(instant, new_tzid) == local:
        return instant
    return resolved(local, new_tzid, policy=policy)


# ---------------------------------------------------------------- texts


def _written(text: str, op: SetText | Replace | AddText) -> str | None:
    match op:
        case SetText():
            return op.value
        case Replace():
            return replaced(text, op)
        case AddText():
            return _added(text, op)
    assert_never(op)


def _added(text: str, op: AddText) -> str:
    """Add a text unless it stands there; providers take away what is white around the whole."""
    there, added = plain(text), with_lf(op.text)
    if there == added.strip():
        return text
    if op.before:
        return text if there.startswith(added.lstrip()) else op.text + text
    return text if there.endswith(added.rstrip()) else text + op.text


def _joined(ops: Sequence[Op]) -> list[Op]:
    """Make one of additions to the same place: apart, each would hide that the other stands there.

    At the end of what "a" and "b" were added to stands "b", yet "a" is not to be added again.
    """
    joined: list[Op] = []
    for op in ops:
        if not (isinstance(op, AddText) and _is_taken_up(op, joined)):
            joined.append(op)
    return joined


def _is_taken_up(op: AddText, joined: list[Op]) -> bool:
    """Put an addition into an earlier one; False without one since the field was changed."""
    for place in reversed(range(len(joined))):
        match joined[place]:
            case AddText(field=op.field, before=op.before, text=first):
                whole = op.text + first if op.before else first + op.text
                joined[place] = replace(op, text=whole)
                return True
            case SetText(field=op.field) | Replace(field=op.field):
                return False
            case _:
                continue
    return False
