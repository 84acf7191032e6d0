"""Carrying a plan out: what was planned, held against the event as it is now (DESIGN §3.5).

Between plan and apply days may pass. What people changed in fields that the plan does not touch
stays theirs and goes out with their value; where they changed what we are about to change, the
campaign's `on_conflict` decides. No field is written that the plan did not name.
"""

from __future__ import annotations

from datetime import datetime

from worker.model import Calendar, Code, Event, Image, Patch, Policy
from worker.rules.bars import bar
from worker.rules.decide import changing, resolve, starts_as_expected
from worker.rules.decisions import Change, Conflict, Decision, Refuse, Skip, Unchanged, Wanted
from worker.rules.images import ENDS, ZONE, both_ends, changed, differences, missing, with_fields
from worker.rules.transform import shifts


def carry_out(
    before: Image,
    target: Image,
    *,
    wanted: Wanted,
    event: Event | None,
    calendar: Calendar | None,
    policy: Policy,
    now: datetime,
) -> Decision:
    """Return what shall happen to an event by a plan made earlier, none of which has been sent.

    `now` is aware. Raises ValueError for texts that intake would have refused.
    """
    barred = bar(wanted.key, event, calendar=calendar, policy=policy, now=now)
    if barred is not None or event is None:
        return barred or Skip(code=Code.NOT_FOUND)
    current, fields = event.image, both_ends(changed(before, target))
    left = both_ends(missing(target, current, fields=fields))
    if not left:
        return Unchanged()
    if not starts_as_expected(current.when, wanted.patch):
        return Conflict(code=Code.EXPECTATION_FAILED, fields=("start",))
    # Where somebody has done already what was planned, nobody's change is lost.
    theirs = differences(before, current, fields=left)
    goal = _goal(current, target, theirs=theirs, patch=wanted.patch, policy=policy)
    if not isinstance(goal, Image):
        return goal
    return changing(current, with_fields(current, goal, fields=fields))


def _goal(
    current: Image, target: Image, *, theirs: tuple[str, ...], patch: Patch, policy: Policy
) -> Image | Skip | Conflict | Refuse:
    """Return what the plan's fields shall be, where people changed `theirs` of them."""
    if not theirs:
        return target
    conflict = Conflict(code=Code.CHANGED_ELSEWHERE, fields=theirs)
    # An undo would give back an old value for somebody's new one, and a day is made no hour.
    if patch.undo or type(current.when) is not type(target.when):
        return conflict
    match policy.on_conflict:
        case "force":
            return target
        case "rebase":
            return _rebased(current, target, theirs=theirs, patch=patch, policy=policy) or conflict
        case _:
            return conflict


def _rebased(
    current: Image, target: Image, *, theirs: tuple[str, ...], patch: Patch, policy: Policy
) -> Image | Skip | Refuse | None:
    """Return the target with `theirs` resolved anew; None where that does not mean the same.

    It does where the edit has an end: asked of its own outcome, it leaves that alone. A shift has
    none: whoever moved the event may have meant that very shift, which would come on top of theirs.
    """
    is_moved = not {*ENDS, ZONE}.isdisjoint(theirs)
    if is_moved and shifts(patch):
        return None
    fields = (*ENDS, ZONE, *theirs) if is_moved else theirs
    anew = _resolved(current, patch, policy=policy)
    if not isinstance(anew, Image):
        return anew
    again = _resolved(anew, patch, policy=policy)
    if not isinstance(again, Image) or changed(anew, with_fields(anew, again, fields=fields)):
        return None
    return with_fields(target, anew, fields=fields)


def _resolved(image: Image, patch: Patch, *, policy: Policy) -> Image | Skip | Refuse:
    match resolve(image, patch, policy=policy):
        case Change(target=target):
            return target
        case Unchanged():
            return image
        case refused:
            return refused
