"""Campaigns that wait for people or for a clock on the wall: why, and who lets them go on.

Each sentence says what is so, by whom and since when; the next step is one that works now.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from worker.model import (
    DEADLINE_PASSED,
    PLAN_EXPIRED,
    PLAN_REJECTED,
    CampaignState,
    EditState,
    Run,
)
from worker.report.around import (
    Hold,
    approvals_of,
    hold_of,
    needs_second,
    stopped_by,
)
from worker.report.snapshot import Snapshot
from worker.report.terms import on_the_wall, until, zone_of
from worker.rules import opens_at
from worker.store import Campaign

_S = CampaignState
PLAN_FEATURE_MISSING = "plan_feature_missing"


# ---------------------------------------------------------------- why


def why_it_stands(look: Snapshot) -> str:
    """Return what a campaign waits for that calls cannot bring; "" for those that go on."""
    match look.campaign.state:
        case _S.AWAITING_APPROVAL:
            return _unapproved(look)
        case _S.SCHEDULED:
            return _closed(look)
        case _S.PAUSED:
            hold = hold_of(look.campaign, look.around)
            told = f"{told_hold(hold)}{_in_flight(look)}" if hold else ""
            return f"{told}{_frozen_as_well(look, hold)}"
        case _S.CANCELLING:
            return f"{_stopped(look, ended=False)}{_in_flight(look)}"
        case _:
            return ""


def why_it_ended(look: Snapshot) -> str:
    """Return why a campaign ended before its end; "" for one that came to it."""
    stopped = {_S.CANCELLED, _S.EXPIRED, _S.FAILED}
    return _stopped(look, ended=True) if look.campaign.state in stopped else ""


def _unapproved(look: Snapshot) -> str:
    campaign, run = look.campaign, look.campaign.run
    changes, approvals = changes_of(look), approvals_of(campaign, look.around)
    parts = [f"{campaign.state_reason}; somebody must decide"] if campaign.state_reason else []
    parts.append(_until_when(look))
    if needs_second(run, owner=campaign.owner, changes=changes, approvals=approvals):
        parts.append(
            f"{changes:,} changes are more than the {run.second_person_above:,} that one person"
            f" may begin, so somebody other than {campaign.owner} must approve it"
        )
    elif approvals:
        parts.append(f"{approvals[-1].by} has approved it; it is still to be begun")
    return "; ".join(parts) + _frozen_as_well(look, None)


def _until_when(look: Snapshot) -> str:
    expires = look.campaign.expires_at
    if expires is None:
        return "waiting for approval"
    if expires <= look.at:
        return "nobody approved it in time; the clock (`calpatch beat`) ends it"
    when = on_the_wall(expires, zone_of(look.campaign))
    return f"waiting for approval until {when} ({until(expires, look.at)})"


def _closed(look: Snapshot) -> str:
    campaign = look.campaign
    run, zone = campaign.run, zone_of(campaign)
    opens = opening_of(look)
    if opens is None:
        before = f" before its deadline, {on_the_wall(run.deadline, zone)}" if run.deadline else ""
        return f"its hours never come{before}"
    if opens <= look.at:
        return "its hours have come; the clock (`calpatch beat`) lets it go on"
    when = f"{on_the_wall(opens, zone)} ({until(opens, look.at)})"
    if run.at is not None and look.at < run.at:
        return f"scheduled; it begins {when}"
    return f"outside of its hours, which begin {when}"


def opening_of(look: Snapshot) -> datetime | None:
    """Return when a campaign that waits for its hours may send; None when it never may."""
    return opens_at(look.campaign.run, look.at)


def told_hold(hold: Hold) -> str:
    """Return why a campaign is paused, by whom and since when."""
    by, since = _by(hold.by), _since(hold.since)
    match hold.kind:
        case "person":
            return f"paused{by}{since}: {hold.reason}"
        case "failures":
            return f"held for its failures{since}: {hold.reason}"
        case "canary":
            return f"held for its canary{since}: {hold.reason}"
        case "freeze":
            return f"everything is frozen{by}{since}: {hold.reason}"
    assert_never(hold.kind)


def _frozen_as_well(look: Snapshot, hold: Hold | None) -> str:
    frozen = look.around.frozen
    if frozen is None or (hold is not None and hold.kind == "freeze"):
        return ""
    return f"; everything is frozen, by {frozen.actor}: {frozen.reason}"


def _in_flight(look: Snapshot) -> str:
    sent = look.by_state.get(EditState.SENDING, 0) + look.by_state.get(EditState.ACCEPTED, 0)
    if not sent:
        return ""
    return f"; {sent:,} in flight {'is' if sent == 1 else 'are'} still read back"


def _stopped(look: Snapshot, *, ended: bool) -> str:
    """Return who stopped a campaign for good, and why."""
    code, _, reason = look.campaign.state_reason.partition(": ")
    if code in _BY_ITSELF:
        return _BY_ITSELF[code]
    what = "rejected" if code == PLAN_REJECTED else "cancelled" if ended else "being cancelled"
    reason = reason if code == PLAN_REJECTED else look.campaign.state_reason
    deed = stopped_by(look.around)
    when = _at(deed.at) if deed and ended else _since(deed.at if deed else None)
    told = f"{what}{_by(deed.by)}{when}" if deed else what
    return f"{told}: {reason}" if reason else told


#: Why a campaign is stopped that nobody stopped, by how its reason begins.
_BY_ITSELF = {
    PLAN_EXPIRED: "nobody approved its plan in time",
    DEADLINE_PASSED: "its deadline has passed",
    PLAN_FEATURE_MISSING: "the application's Cronofy plan lacks what editing needs (402)",
}


def told_reason(campaign: Campaign) -> str:
    """Return in short why a campaign is in its state, for a list; "" for most."""
    code, _, reason = campaign.state_reason.partition(": ")
    if campaign.state in {_S.COMPLETED, _S.COMPLETED_WITH_ERRORS}:
        return ""
    if code == PLAN_REJECTED:
        return f"rejected: {reason}"
    return _BY_ITSELF.get(code, campaign.state_reason)


def _by(name: str) -> str:
    return f" by {name}" if name else ""


def _since(moment: datetime | None) -> str:
    return f" since {moment:%Y-%m-%d %H:%MZ}" if moment else ""


def _at(moment: datetime) -> str:
    return f", {moment:%Y-%m-%d %H:%MZ}"


# ---------------------------------------------------------------- what to do


def next_deed(look: Snapshot) -> str:
    """Return what lets a campaign go on that waits for people; "" where nobody needs to."""
    campaign = look.campaign
    needs_people = campaign.state in {_S.AWAITING_APPROVAL, _S.PAUSED}
    if needs_people and look.around.frozen is not None:
        return "End the freeze: calpatch unfreeze --all --reason TEXT"
    if campaign.state is _S.AWAITING_APPROVAL:
        return _approve(look)
    if campaign.state is _S.SCHEDULED and opening_of(look) is None:
        return f"End it, and plan it with other hours: calpatch cancel {campaign.id} --reason TEXT"
    hold = hold_of(campaign, look.around)
    return _let_go(look, hold) if hold else ""


def _approve(look: Snapshot) -> str:
    campaign, run, name = look.campaign, look.campaign.run, look.campaign.id
    changes, approvals = changes_of(look), approvals_of(campaign, look.around)
    seen = f"Look at it: calpatch show {name} --diff. "
    begin = f"calpatch apply {name} --reason TEXT"
    if campaign.expires_at is not None and campaign.expires_at <= look.at:
        return "Plan it again"
    if needs_second(run, owner=campaign.owner, changes=changes, approvals=approvals):
        approve = f"calpatch approve {name} --reason TEXT"
        return f"{seen}Then somebody other than {campaign.owner}: {approve}"
    if campaign.state_reason:
        return f"{seen}To begin it all the same: {begin}{_raised(run, changes)}"
    return f"Begin it: {begin}" if approvals else f"{seen}Then begin it: {begin}"


def _raised(run: Run, changes: int) -> str:
    """Return the option that lifts the cap by which a plan is held."""
    if run.max_changes is not None and changes > run.max_changes:
        return f" --max-changes {changes}"
    return " --max-people N" if run.max_people is not None else ""


def _let_go(look: Snapshot, hold: Hold) -> str:
    name = look.campaign.id
    resume = f"calpatch resume {name} --reason TEXT"
    failed = f"See them: calpatch results {name} --only failed. "
    match hold.kind:
        case "failures":
            return f"{failed}To go on: {resume} --max-failures {_more(look)}"
        case "canary":
            return f"{failed}To let the rest follow all the same: {resume}"
        case _:
            return f"Let it go on: {resume}"


def _more(look: Snapshot) -> str:
    """Return a threshold that a campaign as it is would not reach: twice as much, or none."""
    limit, bad = look.campaign.run.max_failures, look.failures
    if limit.count is not None:
        return str(2 * max(bad, limit.count))
    tried = max(1, look.attempted)
    percent = next((each for each in (10, 20, 50) if 200 * bad < each * tried), None)
    return "none" if percent is None else f"{percent}%"


def changes_of(look: Snapshot) -> int:
    """Return the changes of a plan that waits: all that is left of it are changes."""
    return look.by_state.get(EditState.PENDING, 0)
