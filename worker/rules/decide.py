"""What becomes of an edit once its event has been read.

Pure: the chunk's run hands in what it fetched and stores what comes out (DESIGN §3.2). An edit
whose target is stored already goes through `reconcile` instead, so that it is never resolved twice
(law 3).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_never

from msgspec.structs import replace

from worker.model import (
    AllDay,
    Calendar,
    Code,
    Elsewhere,
    Event,
    Image,
    Patch,
    Policy,
    Reschedule,
    Shift,
    Timed,
    When,
)
from worker.rules.bars import bar, target_bar
from worker.rules.decisions import (
    Change,
    Conflict,
    Decision,
    Earlier,
    Refuse,
    Skip,
    Unchanged,
    Wanted,
)
from worker.rules.images import (
    ENDS,
    TEXTS,
    both_ends,
    changed,
    differences,
    missing,
    same_text,
    same_when,
    with_fields,
)
from worker.rules.schedule import EndBeforeStart, KindMismatch, parse_moment, rescheduled
from worker.rules.shift import NotForAllDay, moved
from worker.rules.transform import TooLong, shifts, transformed
from worker.rules.zones import Ambiguous, local_time


def decide(
    wanted: Wanted,
    event: Event | None,
    *,
    calendar: Calendar | None,
    policy: Policy,
    now: datetime,
) -> Decision:
    """Return what shall happen to an event; the first rule that applies wins.

    `now` is aware. An event or calendar other than the one wanted counts as not found. Raises
    ValueError for texts that intake would have refused.
    """
    barred = bar(wanted.key, event, calendar=calendar, policy=policy, now=now)
    if barred is not None or event is None:
        return barred or Skip(code=Code.NOT_FOUND)
    patch = wanted.patch
    if patch.undo:
        return _take_back(event.image, wanted.earlier)
    decision = resolve(event.image, patch, policy=policy)
    if not policy.allow_repeat and _is_repeated(wanted, event.image, decision):
        return Skip(code=Code.ALREADY_IN_CAMPAIGN)
    # What is as asked already needs no guard: so it is after each night but the first.
    if isinstance(decision, Unchanged) or starts_as_expected(event.image.when, patch):
        return decision
    return Conflict(code=Code.EXPECTATION_FAILED, fields=("start",))


def starts_as_expected(when: When, patch: Patch) -> bool:
    """Tell whether an event starts when the edit's row says it does; True where it says nothing."""
    return patch.expect_start is None or _starts_at(when, patch.expect_start, tzid=patch.tzid)


def _starts_at(when: When, text: str, *, tzid: str | None) -> bool:
    expected = parse_moment(text)
    if isinstance(when, AllDay):
        return not isinstance(expected, datetime) and when.start == expected
    if not isinstance(expected, datetime):
        return False
    if expected.tzinfo is not None:
        return when.start == expected
    return local_time(when.start, tzid or when.start_tzid) == expected


def _is_repeated(wanted: Wanted, now: Image, decision: Decision) -> bool:
    """Tell whether what an equal edit has made of an event would be changed by it once more.

    An absolute edit leaves alone what it has made, so that it never is; it may have to restore what
    somebody changed since. A shift is, even where its next step would lead to where nothing can be.
    """
    if wanted.made is None:
        return False
    made, is_there = wanted.made, same_when(now.when, wanted.made.when)
    if not isinstance(decision, Change):
        return is_there and shifts(wanted.patch)
    if is_there and not {*ENDS}.isdisjoint(decision.fields):
        return True
    texts = {*TEXTS}.intersection(decision.fields)
    return any(same_text(getattr(now, name), getattr(made, name)) for name in texts)


def resolve(before: Image, patch: Patch, *, policy: Policy) -> Change | Unchanged | Skip | Refuse:
    """Return what a patch makes of an image."""
    if patch.ops:
        target = transformed(before, patch.ops, policy=policy)
        if not isinstance(target, Image):
            return _barred(target)
        if _is_reversed(before.when, target.when):
            return Refuse(code=Code.END_BEFORE_START)
        return changing(before, target)
    when = _new_when(before.when, patch, policy=policy)
    if isinstance(when, Skip | Refuse):
        return when
    return changing(before, _patched(before, patch, when=when))


def changing(before: Image, goal: Image) -> Change | Unchanged | Skip:
    """Return the change from one image to another, in whose target nothing else differs.

    Another spelling of what is there already must not ride along, and "unknown" can be read but not
    written (cronofy-api §3.3): asking for it asks for nothing.
    """
    if goal.transparency == "unknown":
        goal = replace(goal, transparency=before.transparency)
    fields = changed(before, goal)
    target = with_fields(before, goal, fields=fields)
    barred = target_bar(target, fields=fields)
    if barred is not None:
        return barred
    return Change(before=before, target=target, fields=fields) if fields else Unchanged()


def _take_back(now: Image, earlier: Earlier | None) -> Decision:
    """Give an event back what it had before an edit, where it still is what the edit made of it.

    Of fields that the edit did not change nothing is asked, and nothing is written; nor of one that
    somebody has given back already.
    """
    if earlier is None:
        return Refuse(code=Code.NOTHING_TO_UNDO)
    left = missing(earlier.before, now, fields=both_ends(earlier.fields))
    if not left:
        return Unchanged()
    fields = both_ends(left)
    theirs = differences(earlier.target, now, fields=fields)
    if theirs:
        return Conflict(code=Code.CHANGED_ELSEWHERE, fields=theirs)
    decision = changing(now, with_fields(now, earlier.before, fields=fields))
    # All that is left is a transparency that was not told: what it was is not known.
    return Refuse(code=Code.NOTHING_TO_UNDO) if isinstance(decision, Unchanged) else decision


def _is_reversed(old: When, new: When) -> bool:
    """Tell whether a change turned the ends round, or took the whole length away."""
    if same_when(old, new):
        return False
    length = new.end - new.start
    return length < timedelta() or (not length and old.end != old.start)


def _new_when(when: When, patch: Patch, *, policy: Policy) -> When | Skip | Refuse:
    move = patch.move
    place: When | Ambiguous | NotForAllDay | KindMismatch | EndBeforeStart
    match move:
        case None | Elsewhere():
            return when
        case Shift():
            place = moved(when, move, tzid=patch.tzid, policy=policy)
        case Reschedule():
            place = rescheduled(when, move, tzid=patch.tzid, policy=policy)
        case _:
            assert_never(move)
    return place if isinstance(place, AllDay | Timed) else _barred(place)


def _barred(
    place: Ambiguous | NotForAllDay | KindMismatch | EndBeforeStart | TooLong,
) -> Skip | Refuse:
    match place:
        case Ambiguous(why="range"):
            return Skip(code=Code.OUTSIDE_WINDOW)
        case Ambiguous():
            return Skip(code=Code.DST_AMBIGUOUS, detail=str(place))
        case NotForAllDay() | KindMismatch():
            return Skip(code=Code.ALL_DAY_SHIFT)
        case TooLong():
            return Skip(code=Code.WOULD_TRUNCATE)
        case EndBeforeStart():
            return Refuse(code=Code.END_BEFORE_START)
    assert_never(place)


def _patched(before: Image, patch: Patch, *, when: When) -> Image:
    asked = {name: getattr(patch, name) for name in (*TEXTS, "transparency")}
    told = {name: value for name, value in asked.items() if value is not None}
    return replace(before, when=when, **told)
