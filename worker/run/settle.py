"""Decide: what becomes of each open edit, from what was fetched; recorded in one go."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from worker.model import Calendar, Code, EditState, Image
from worker.rules import (
    Change,
    Conflict,
    Decision,
    Refuse,
    SendAgain,
    Settled,
    Skip,
    Unchanged,
    Wait,
    Wanted,
    carry_out,
    decide,
    reconcile,
    stopped_code,
)
from worker.rules.verify import lost_fields
from worker.run.work import Outcome, Ready, Work, ended
from worker.store import Edit, Step


def settle_all(work: Work, calendars: dict[str, Calendar]) -> tuple[list[Ready], list[Outcome]]:
    """Return the edits that are to be sent, and the outcomes of the others."""
    ready: list[Ready] = []
    outcomes: list[Outcome] = []
    for edit in list(work.open.values()):
        if edit.state is EditState.ACCEPTED:
            continue
        if edit.before is None or edit.target is None:
            result = _first(work, edit, calendars)
        elif edit.sent_age_s is not None:
            result = _again(work, edit, edit.before, edit.target)
        elif work.plans:
            continue  # planned by an earlier run, which did not get to the others
        else:
            result = _as_planned(work, edit, edit.before, edit.target, calendars)
        if isinstance(result, Ready):
            ready.append(result)
        elif result is not None:
            outcomes.append(result)
    return ready, outcomes


def not_attempted(work: Work) -> list[Outcome]:
    """Return the outcomes of the edits that have had no turn in a campaign that is ending."""
    code = stopped_code(work.hold.claim.campaign.state_reason)
    return list(ended(work, work.untried(), EditState.NOT_ATTEMPTED, code))


def _first(work: Work, edit: Edit, calendars: dict[str, Calendar]) -> Ready | Outcome | None:
    """Decide an edit that has no target yet."""
    if edit.is_unreadable:
        return _unreadable(work, edit)
    if edit.patch.again and edit.earlier is not None:
        # Where the first try would have put the event, or has put it: never once more from there.
        return _as_planned(work, edit, edit.earlier.before, edit.earlier.target, calendars)
    decision = decide(
        _wanted(edit),
        work.events.get(edit.key),
        calendar=calendars.get(edit.key.calendar_id),
        policy=work.hold.claim.campaign.policy,
        now=work.engine.clock.now(),
    )
    if isinstance(decision, Change) and _may_be_repeated(work, edit):
        why = "what an equal edit has made of the event is not known any more"
        return _final(work, edit, EditState.SKIPPED, Code.ALREADY_IN_CAMPAIGN, why=why)
    return _decided(work, edit, decision)


def _as_planned(
    work: Work, edit: Edit, before: Image, target: Image, calendars: dict[str, Calendar]
) -> Ready | Outcome:
    """Go on with an edit that was planned, and has never been sent."""
    carried = carry_out(
        before,
        target,
        wanted=_wanted(edit),
        event=work.events.get(edit.key),
        calendar=calendars.get(edit.key.calendar_id),
        policy=work.hold.claim.campaign.policy,
        now=work.engine.clock.now(),
    )
    if isinstance(carried, Change):
        # Who organizes an event is asked for once, by the plan.
        kept = {"organizer": before.organizer}
        carried = replace(
            carried, before=replace(carried.before, **kept), target=replace(carried.target, **kept)
        )
    return _decided(work, edit, carried)


def _wanted(edit: Edit) -> Wanted:
    return Wanted(patch=edit.patch, key=edit.key, made=edit.prior_target, earlier=edit.earlier)


def _decided(work: Work, edit: Edit, decision: Decision) -> Ready | Outcome:
    match decision:
        case Change(before=before, target=target, fields=fields):
            return Ready(edit=edit, before=before, target=target, fields=fields)
        case Unchanged():
            event = work.events[edit.key]
            return _final(work, edit, EditState.UNCHANGED, Code.ALREADY_AS_ASKED, seen=event.image)
        case Skip(code=code, detail=detail):
            found = _for_the_plan(work, edit)
            return _final(work, edit, EditState.SKIPPED, code, why=detail, found=found)
        case Conflict(code=code, fields=fields):
            return _conflict(work, edit, code, fields)
        case Refuse(code=code):
            return _final(work, edit, EditState.FAILED, code, found=_for_the_plan(work, edit))
    assert_never(decision)


def _for_the_plan(work: Work, edit: Edit) -> Image | None:
    """Return an event that is left alone, for whoever looks at the plan; None outside of plans.

    A uid tells nobody which meeting it is that stays where it was.
    """
    event = work.events.get(edit.key) if work.plans else None
    return event.image if event else None


def _conflict(work: Work, edit: Edit, code: Code, fields: tuple[str, ...]) -> Outcome:
    """End an edit with the third value: what the event is, beside what it was and should be."""
    event = work.events.get(edit.key)
    return _final(
        work, edit, EditState.CONFLICT, code, fields=fields, found=event.image if event else None
    )


def _may_be_repeated(work: Work, edit: Edit) -> bool:
    """Tell whether a shift has perhaps been made already, with nothing left to tell by (law 3).

    A row's own guard tells: the event still starts where it should, so that nothing has moved it.
    """
    is_guarded = edit.patch.expect_start is not None
    allows = work.hold.claim.campaign.policy.allow_repeat
    return edit.prior_is_gone and not is_guarded and not allows


def _unreadable(work: Work, edit: Edit) -> Outcome:
    """End an edit whose stored images do not open: to resolve it anew might shift it twice."""
    was_sent = edit.state is EditState.SENDING
    state = EditState.UNVERIFIED if was_sent else EditState.FAILED
    return _final(work, edit, state, Code.IMAGE_UNREADABLE)


def _again(work: Work, edit: Edit, before: Image, target: Image) -> Ready | Outcome | None:
    """Go on with an edit whose target is stored: done, again, or conflict (law 5)."""
    found = reconcile(before, target, work.events.get(edit.key), was_sent=edit.attempts > 0)
    match found:
        case Settled():
            return _taken(work, edit, before)
        case SendAgain(before=now_before, target=now_target):
            return _unchanged_yet(work, edit, now_before, now_target)
        case Wait():
            return _unseen(work, edit)
        case Skip(code=code):
            return _final(work, edit, EditState.SKIPPED, code)
        case Conflict(code=code, fields=fields):
            return _conflict(work, edit, code, fields)
    assert_never(found)


def _taken(work: Work, edit: Edit, before: Image) -> Outcome:
    """End an edit whose target is seen, unless its event has lost something by it.

    Then it is as good as accepted, and the read-back judges it like any other.
    """
    seen = work.events[edit.key].image
    if edit.state is EditState.SENDING and lost_fields(before, seen, fields=edit.fields):
        return _final(work, edit, EditState.ACCEPTED, "")
    return _final(work, edit, EditState.VERIFIED, Code.VERIFIED)


def _unchanged_yet(work: Work, edit: Edit, before: Image, target: Image) -> Ready | Outcome | None:
    """Go on with an edit whose event is still as before: nothing of an earlier write took."""
    was_sent = edit.state is EditState.SENDING
    if was_sent and not _has_settled(work, edit):
        return None
    if edit.attempts >= work.hold.claim.campaign.policy.max_attempts and not _has_died(work):
        return _final(work, edit, EditState.FAILED, Code.UPSTREAM)
    if was_sent and not work.may_send:
        return work.back(edit, attempts=edit.attempts)
    return Ready(edit=edit, before=before, target=target, fields=edit.fields)


def _has_died(work: Work) -> bool:
    """Tell whether workers have died on the chunk, and no write has come home since.

    Their attempts say nothing of the API, nor of the edits beside the one that kills: that is found
    by halving the chunk, which bounds them.
    """
    return work.hold.claim.rescues > 0


def _has_settled(work: Work, edit: Edit) -> bool:
    """Tell whether a write of that age would be visible by now; ask for a later run if not.

    An accepted write shows in reads only after a while, so an old value seen too early proves
    nothing, and a second write would mail the guests again.
    """
    left = work.engine.settings.settle - (edit.sent_age_s or 0.0)
    if left > 0:
        work.wait(left)
    return left <= 0


def _unseen(work: Work, edit: Edit) -> Outcome | None:
    """Wait for an event that an earlier write may have moved, as long as there is time."""
    if work.may_still_show(edit):
        work.wait(work.engine.settings.settle)
        return None
    if edit.state is EditState.SENDING:
        return _final(work, edit, EditState.UNVERIFIED, Code.NOT_READ_BACK)
    return _final(work, edit, EditState.SKIPPED, Code.NOT_FOUND)


def _final(
    work: Work,
    edit: Edit,
    state: EditState,
    code: Code | str,
    *,
    fields: tuple[str, ...] | None = None,
    seen: Image | None = None,
    found: Image | None = None,
    why: str = "",
) -> Outcome:
    step = Step(
        line_no=edit.line_no, was=edit.state, state=state, code=code, before=seen, fields=fields,
        seen=found,
    )  # fmt: skip
    return work.noted(step, detail={"why": why} if why else None)
