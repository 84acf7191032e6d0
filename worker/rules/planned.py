"""Carrying a plan out: what was planned, held against the event as it is now (DESIGN §3.5).

Between plan and apply days may pass. What people changed in fields that the edit does not touch
stays theirs and goes out with their value; where they changed what we are about to change, the
campaign's `on_conflict` decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from worker.model import Calendar, Code, Event, Image, Policy, Shift
from worker.rules.decide import (
    Change,
    Conflict,
    Refuse,
    Skip,
    Unchanged,
    Wanted,
    bar,
    both_ends,
    resolve,
    target_bar,
)
from worker.rules.images import ENDS, changed, differences, missing, with_fields
from worker.rules.transform import is_relative

CarriedOut: TypeAlias = Change | Unchanged | Skip | Conflict | Refuse


def carry_out(
    before: Image,
    target: Image,
    *,
    wanted: Wanted,
    event: Event | None,
    calendar: Calendar | None,
    policy: Policy,
    now: datetime,
) -> CarriedOut:
    """Return what shall happen to an event by a plan made earlier, none of which has been sent."""
    barred = bar(wanted.key, event, calendar=calendar, policy=policy, now=now)
    if barred is not None or event is None:
        return barred or Skip(code=Code.NOT_FOUND)
    fields, current = changed(before, target), event.image
    deciding = both_ends(fields)
    if not missing(target, current, fields=deciding):
        return Unchanged()
    theirs = tuple(name for name in differences(before, current) if name in deciding)
    if not theirs:
        return _upon(current, target, fields=fields)
    conflict = Conflict(code=Code.CHANGED_ELSEWHERE, fields=theirs)
    match policy.on_conflict:
        case "force":
            return _upon(current, target, fields=fields)
        case "rebase" if _still_means_the_same(wanted, theirs):
            return resolve(current, wanted.patch, policy=policy)
        case _:
            return conflict


def _upon(current: Image, target: Image, *, fields: tuple[str, ...]) -> CarriedOut:
    """Write the planned value of our fields upon the event as it is."""
    rebased = with_fields(current, target, fields=fields)
    barred = target_bar(rebased, fields=fields)
    if barred is not None:
        return barred
    now_changed = changed(current, rebased)
    return (
        Change(before=current, target=rebased, fields=now_changed) if now_changed else Unchanged()
    )


def _still_means_the_same(wanted: Wanted, theirs: tuple[str, ...]) -> bool:
    """Tell whether what was asked means the same for the event as somebody has changed it.

    A shift does not once the times are others: whoever moved the event may have meant that very
    move. An undo gives back an old value, which is somebody's new one now.
    """
    patch = wanted.patch
    if patch.undo:
        return False
    shifts = isinstance(patch.move, Shift) or is_relative(patch.ops)
    return not (shifts and {*ENDS} & {*theirs})
