"""Transforms: a campaign's list of changes, applied one after the other to an event's image.

Pure, and bounded in time: patterns are RE2's, whose cost grows with the text and never faster, so
that no pattern and no title can hold a worker up (github.com/google/re2).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias, assert_never

import re2
from msgspec.structs import replace

from worker.model import (
    AddText,
    AllDay,
    Image,
    InZone,
    Lasting,
    Op,
    Policy,
    Replace,
    SetText,
    Shift,
    Timed,
    ToTime,
    When,
)
from worker.rules.images import same_text
from worker.rules.shift import NotForAllDay, moved
from worker.rules.zones import Ambiguous, local_time, resolved

#: Patterns kept ready; a campaign has a few.
_PATTERNS: Final = 256
#: Bytes that a pattern may take when compiled, RE2's own way to bound it.
_PATTERN_BYTES: Final = 1 << 20

Unplaced: TypeAlias = Ambiguous | NotForAllDay


def transformed(image: Image, ops: Sequence[Op], *, policy: Policy) -> Image | Unplaced:
    """Return what the transforms make of an image, or why one of them has no answer for it."""
    for op in ops:
        match op:
            case Shift() | ToTime() | Lasting() | InZone():
                when = _moved(image.when, op, policy=policy)
                if isinstance(when, Ambiguous | NotForAllDay):
                    return when
                image = replace(image, when=when)
            case SetText() | Replace() | AddText():
                image = _written(image, op)
            case _:
                assert_never(op)
    return image


def is_relative(ops: Sequence[Op]) -> bool:
    """Tell whether the transforms move an event from where it is: asked twice, it moves twice."""
    return any(isinstance(op, Shift) for op in ops)


def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    """Return a pattern ready for use. Raises ValueError, whose message says what is wrong."""
    try:
        return _compiled(pattern, ignore_case)
    except re2.error as wrong:
        said = wrong.args[0] if wrong.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"not a pattern: {text or 'it cannot be read'}") from None


@lru_cache(maxsize=_PATTERNS)
def _compiled(pattern: str, ignore_case: bool) -> Any:
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.max_mem = _PATTERN_BYTES
    options.log_errors = False
    return re2.compile(pattern, options)


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
        if op.time is not None:
            return NotForAllDay()
        return moved(
            when, Shift(days=_days_to(op.weekday, when.start.weekday())), tzid=None, policy=policy
        )
    local = local_time(when.start, op.tzid or when.start_tzid)
    if isinstance(local, Ambiguous):
        return local
    day = local.date() + timedelta(days=_days_to(op.weekday, local.weekday()))
    clock = local.time() if op.time is None else time.fromisoformat(op.time)
    delta = datetime.combine(day, clock) - local
    shift = Shift(days=delta.days, seconds=delta.seconds)
    return moved(when, shift, tzid=op.tzid, policy=policy) if delta else when


def _days_to(weekday: int | None, today: int) -> int:
    return 0 if weekday is None else weekday - today


def _lasting(when: When, op: Lasting) -> When | Unplaced:
    if isinstance(when, Timed):
        return replace(when, end=when.start + op.delta)
    return NotForAllDay() if op.seconds else replace(when, end=when.start + op.delta)


def _in_zone(when: When, op: InZone, *, policy: Policy) -> When | Unplaced:
    if isinstance(when, AllDay):
        return when
    shown = replace(when, start_tzid=op.tzid, end_tzid=op.tzid)
    if op.keep == "instant":
        return shown
    start = _same_clock(when.start, when.start_tzid, op.tzid, policy=policy)
    end = _same_clock(when.end, when.end_tzid, op.tzid, policy=policy)
    if isinstance(start, Ambiguous):
        return start
    if isinstance(end, Ambiguous):
        return end
    # Two zones, or a change of the clocks between the ends, may turn them round.
    if end < start or (end == start) != (when.end == when.start):
        return Ambiguous(why="order")
    return replace(shown, start=start, end=end)


def _same_clock(
    instant: datetime, tzid: str, new_tzid: str, *, policy: Policy
) -> datetime | Ambiguous:
    local = local_time(instant, tzid)
    return local if isinstance(local, Ambiguous) else resolved(local, new_tzid, policy=policy)


# ---------------------------------------------------------------- texts


def _written(image: Image, op: SetText | Replace | AddText) -> Image:
    current: str = getattr(image, op.field)
    match op:
        case SetText():
            text = op.value
        case Replace():
            text = _replaced(current, op)
        case AddText():
            text = _added(current, op)
        case _:
            assert_never(op)
    # Another spelling of the same value is no change, and must not ride along with one.
    return image if same_text(text, current) else replace(image, **{op.field: text})


def _replaced(text: str, op: Replace) -> str:
    if op.how == "regex":
        found: str = compiled(op.pattern, ignore_case=op.ignore_case).sub(op.with_text, text)
        return found
    if op.ignore_case:
        quoted = compiled(re2.escape(op.pattern), ignore_case=True)
        whole: str = quoted.sub(lambda _: op.with_text, text)
        return whole
    return text.replace(op.pattern, op.with_text)


def _added(text: str, op: AddText) -> str:
    if op.before:
        return text if text.startswith(op.text) else op.text + text
    return text if text.rstrip().endswith(op.text.rstrip()) else text + op.text
