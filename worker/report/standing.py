"""Where a plan stands: one sentence that is true of it now, and the one next step."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from worker.model import (
    DEADLINE_PASSED,
    ENDED,
    PLAN_EXPIRED,
    PLAN_REJECTED,
    CampaignState,
    EditState,
)
from worker.report.plan import PlanView

_S = CampaignState
#: how what calpatch itself has stopped is told
_STOPPED: Final = {
    PLAN_EXPIRED: "nobody approved it in time",
    PLAN_REJECTED: "rejected",
    DEADLINE_PASSED: "stopped, since its deadline came",
}
_SENT: Final = frozenset(
    {
        EditState.SENDING,
        EditState.ACCEPTED,
        EditState.VERIFIED,
        EditState.UNVERIFIED,
        EditState.MISMATCH,
    }
)


def standing(view: PlanView, *, now: datetime) -> str:
    """Return where a campaign stands, in a sentence without a full stop."""
    state = CampaignState(view.state)
    if state in ENDED:
        return _ended(view, state)
    match state:
        case _S.PLANNING:
            done = view.total - view.by_status.get("waiting", 0)
            return f"being planned: {done:,} of {view.total:,} events looked at; nothing is sent"
        case _S.AWAITING_APPROVAL:
            return _waits(view, now=now)
        case _S.PAUSED:
            return f"paused: {view.state_reason or 'no reason is known'}"
        case _S.SCHEDULED:
            return _because("begun, and waits for its time", view)
        case _S.CANCELLING:
            return f"{_stopped(view)}; what has been sent is still read back"
        case _:
            return "begun, and being carried out"


def _waits(view: PlanView, *, now: datetime) -> str:
    if has_expired(view, now=now):
        return f"nobody approved it until {minute(view.expires_at)}; nothing was sent"
    until = f", until {minute(view.expires_at)}" if view.expires_at else ""
    who = "a second person's approval" if needs_second(view) else "approval"
    return _because(f"waits for {who}{until}; nothing was sent", view)


def _because(said: str, view: PlanView) -> str:
    return f"{said} ({view.state_reason})" if view.state_reason else said


def needs_second(view: PlanView) -> bool:
    """Tell whether nobody but the owner has approved a plan that is too large for one person."""
    most = view.second_person_above
    others = {each.actor for each in view.approvals} - {view.owner}
    return most is not None and view.changes > most and not others


def has_expired(view: PlanView, *, now: datetime) -> bool:
    """Tell whether the time to approve a plan is over."""
    waits = view.state == _S.AWAITING_APPROVAL
    return waits and view.expires_at is not None and now >= view.expires_at


def _ended(view: PlanView, state: CampaignState) -> str:
    match state:
        case _S.EXPIRED | _S.CANCELLED | _S.FAILED:
            said = _stopped(view)
            return said if was_sent(view) else f"{said}; nothing was sent"
        case _S.COMPLETED if not was_sent(view) and view.pruned_at is None:
            return "done: there was nothing to change"
        case _S.COMPLETED:
            return f"done on {minute(view.finished_at)}"
        case _:
            return f"done on {minute(view.finished_at)}, with edits that need attention"


def _stopped(view: PlanView) -> str:
    """Return why a campaign was stopped, from how its reason begins."""
    code, _, why = view.state_reason.partition(": ")
    if code in _STOPPED:
        return f"{_STOPPED[code]}: {why}" if why else _STOPPED[code]
    said = "failed" if view.state == _S.FAILED else "cancelled"
    return f"{said}: {view.state_reason}" if view.state_reason else said


def was_sent(view: PlanView) -> bool:
    """Tell whether anything of a campaign has left the house, by what its edits came to."""
    return any(view.by_status.get(str(state)) for state in _SENT)


def next_step(view: PlanView, *, now: datetime) -> str:
    """Return what to do next, with its command; "" where there is nothing to do."""
    name, state = view.campaign, CampaignState(view.state)
    if view.pruned_at is not None:
        return ""
    if has_expired(view, now=now) or (state is _S.EXPIRED):
        return f"Plan it again: {_planning(view)}"
    match state:
        case _S.AWAITING_APPROVAL if needs_second(view):
            return f"Have somebody else agree: calpatch approve {name} --reason TEXT"
        case _S.AWAITING_APPROVAL:
            return f"Do it: calpatch apply {name} --reason TEXT"
        case _S.PAUSED:
            return f"Let it go on: calpatch resume {name} --reason TEXT"
        case _S.COMPLETED_WITH_ERRORS:
            return f"See what needs attention: calpatch show {name} --only attention"
        case _ if state in ENDED:
            return f"All of it in files: calpatch results {name}" if was_sent(view) else ""
        case _:
            return f"Follow it: calpatch status {name} --watch"


def _planning(view: PlanView) -> str:
    """Return the command that has made a plan."""
    return f"calpatch {view.kind} {view.parent}" if view.parent else "calpatch plan FILE"


def minute(moment: datetime | None) -> str:
    """Return a moment in UTC to the minute; "?" for none."""
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment else "?"
