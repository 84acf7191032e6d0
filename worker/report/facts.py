"""What the status object tells of a campaign beside its counts: plan, hold, canary, hours, kin."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from worker.model import CampaignState
from worker.report.around import Deed, Hold, approvals_of, hold_of, needs_second
from worker.report.snapshot import Snapshot
from worker.report.terms import Hours, hours_of
from worker.report.waits import changes_of, opening_of
from worker.store import Campaign

_S = CampaignState


class PlanFacts(Struct, frozen=True, kw_only=True):
    """A plan: `changes` is None once it has begun or ended, `expires_at` while it is being made."""

    plan: str
    changes: int | None
    planned_at: datetime | None
    expires_at: datetime | None
    approvals: tuple[Deed, ...]
    second_person_above: int | None
    needs_second_person: bool


class Canary(Struct, frozen=True, kw_only=True):
    """Edits that go first: `waiting` others follow once all of them are proven."""

    edits: int
    proven: int
    waiting: int


class Kin(Struct, frozen=True, kw_only=True):
    """A campaign that this one undoes or tries again, or that does so to this one."""

    campaign: str
    key: str
    kind: str
    state: str


def plan_facts(look: Snapshot) -> PlanFacts | None:
    """Return what is known of a campaign's plan; None for one that was submitted directly."""
    campaign, run = look.campaign, look.campaign.run
    if campaign.state is not _S.PLANNING and not campaign.plan_hash:
        return None
    is_open = campaign.state is _S.AWAITING_APPROVAL
    changes, approvals = changes_of(look), approvals_of(campaign, look.around)
    return PlanFacts(
        plan=f"sha256:{campaign.plan_hash}" if campaign.plan_hash else "",
        changes=changes if is_open else None,
        planned_at=campaign.planned_at,
        expires_at=campaign.expires_at,
        approvals=approvals,
        second_person_above=run.second_person_above,
        needs_second_person=is_open
        and needs_second(run, owner=campaign.owner, changes=changes, approvals=approvals),
    )


def canary_facts(look: Snapshot) -> Canary | None:
    """Return how far a canary is; None where nothing waits for one."""
    behind, size = look.around.behind_canary, look.campaign.run.canary
    if not behind:
        return None
    return Canary(edits=size, proven=look.proven_first, waiting=behind)


def hold_facts(look: Snapshot) -> Hold | None:
    """Return why a paused campaign is; None for others."""
    return hold_of(look.campaign, look.around)


def hours_facts(look: Snapshot) -> Hours | None:
    """Return a campaign's hours; None when it may send at any time."""
    campaign, run = look.campaign, look.campaign.run
    if not (run.has_hours or run.deadline):
        return None
    opens = opening_of(look) if campaign.state is _S.SCHEDULED else None
    return hours_of(campaign, opens_at=opens)


def kin_of(campaign: Campaign) -> Kin:
    """Return a campaign as another one names it."""
    return Kin(
        campaign=campaign.id, key=campaign.key, kind=campaign.kind, state=str(campaign.state)
    )
