"""The gates of a campaign: a plan that waits for its approval, a canary that must come home first.

What is behind a gate are chunks that are due at `HELD_UNTIL`: claimed by nobody, offered by nobody,
and left alone by a calpatch that knows of no gates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.model import CampaignState, Run
from worker.store import webhooks
from worker.store.binding import digest_of_heads
from worker.store.canaries import set_apart
from worker.store.chains import note_campaign
from worker.store.controls import freeze_in
from worker.store.database import Database
from worker.store.rows import campaign_of
from worker.store.tables import HELD_UNTIL, campaigns
from worker.store.values import Campaign, Note, PlanTotals

_S = CampaignState
#: How a campaign's reason begins while calpatch itself holds it, for its canary above all; and
#: while a freeze does.
HELD = "held: "
HELD_BY_CANARY = f"{HELD}canary: "
FROZEN = "frozen: "
#: who acts when nobody does
ITSELF = "calpatch"

_TOTALS = """
SELECT count(*) AS changes, coalesce(sum(people), 0) AS people,
  coalesce(sum(externals), 0) AS externals
FROM edits WHERE campaign_id = :id AND state = 'pending'
"""
# Of the canary alone: what the plan itself has ended, ended before the campaign began.
_CAME_HOME = """
SELECT state, code, count(*) AS n FROM edits WHERE campaign_id = :id AND state <> 'pending'
  AND finished_at >= :since GROUP BY state, code ORDER BY state, code
"""
_HARMLESS = frozenset({"verified", "unchanged", "skipped"})


def finish_planning(database: Database, connection: Connection, *, campaign_id: str) -> None:
    """Have a plan that is complete wait for its approval; or begin, where it needs none."""
    campaign = locked(connection, campaign_id)
    if campaign is None or campaign.state is not _S.PLANNING:
        return
    totals = planned_totals(connection, campaign_id)
    heads = digest_of_heads(connection, campaign_id)
    plan_hash = hashlib.sha256(f"{campaign.digest}\n{heads}".encode()).hexdigest()
    sql = (
        f"UPDATE campaigns SET plan_hash = :hash, planned_at = {database.now_sql},"
        f" expires_at = {database.later_sql('holds')} WHERE id = :id"
    )
    values = {"id": campaign_id, "hash": plan_hash, "holds": float(campaign.run.plan_holds_s)}
    connection.execute(text(sql), values)
    detail = totals._asdict() | {"plan": plan_hash}
    note_campaign(
        database,
        connection,
        notes=[Note(actor=ITSELF, action="campaign.planned", detail=detail)],
        campaign_id=campaign_id,
    )
    why = exceeded(campaign.run, totals) or lacks_second(campaign.run, totals)
    if campaign.run.is_automatic and not why:
        begin(database, connection, campaign=campaign, actor=campaign.owner)
    else:
        said = why if campaign.run.is_automatic else ""
        set_state(connection, campaign, _S.AWAITING_APPROVAL, why=said)
        news = webhooks.HELD if said else webhooks.PLANNED
        webhooks.tell(database, connection, campaign, news, state=_S.AWAITING_APPROVAL, why=said)


def planned_totals(connection: Connection, campaign_id: str) -> PlanTotals:
    """Return what a plan comes to: changes, and people who may get mail (once for each event)."""
    row = connection.execute(text(_TOTALS), {"id": campaign_id}).one()
    return PlanTotals(int(row.changes), int(row.people), int(row.externals))


def exceeded(run: Run, totals: PlanTotals) -> str:
    """Return the cap that a plan exceeds, in words; "" when none."""
    if run.max_changes is not None and totals.changes > run.max_changes:
        basis = f" ({run.cap_basis})" if run.cap_basis else ""
        return f"{totals.changes:,} changes are more than the {run.max_changes:,} allowed{basis}"
    if run.max_people is not None and totals.people > run.max_people:
        return f"{totals.people:,} people may get mail, more than the {run.max_people:,} allowed"
    return ""


def lacks_second(run: Run, totals: PlanTotals) -> str:
    """Return why a second person must approve a plan, in words; "" where one is enough."""
    limit = run.second_person_above
    if limit is None or totals.changes <= limit:
        return ""
    return f"{totals.changes:,} changes are more than the {limit:,} that one person may begin"


def begin(database: Database, connection: Connection, *, campaign: Campaign, actor: str) -> None:
    """Let a planned campaign begin; where it has hours, the clock opens it when they come."""
    if campaign.run.canary:
        set_apart(database, connection, campaign=campaign)
    else:
        release_held(connection, campaign.id)
    state, why = first_state(connection, campaign.run)
    set_state(connection, campaign, state, why=why)
    note = Note(actor=actor, action="campaign.begun", detail={"canary": campaign.run.canary})
    note_campaign(database, connection, notes=[note], campaign_id=campaign.id)


def first_state(connection: Connection, run: Run) -> tuple[CampaignState, str]:
    """Return the state in which a campaign begins to write, and why it waits."""
    frozen = freeze_in(connection)
    if frozen is not None:
        return _S.PAUSED, f"{FROZEN}{frozen.reason}"
    return (_S.SCHEDULED, "") if run.has_hours else (_S.RUNNING, "")


def judge_canary(database: Database, connection: Connection, *, campaign_id: str) -> None:
    """Let the rest follow once every edit of the canary is proven; hold the campaign if not."""
    campaign = locked(connection, campaign_id)
    if campaign is None or campaign.state not in {_S.RUNNING, _S.VERIFYING}:
        return
    found = connection.execute(
        text(_CAME_HOME), {"id": campaign_id, "since": _stored(database, campaign)}
    ).all()
    why = _unproven(found)
    if why:
        said = f"{HELD_BY_CANARY}{why}"
        set_state(connection, campaign, _S.PAUSED, why=said)
        webhooks.tell(database, connection, campaign, webhooks.HELD, state=_S.PAUSED, why=said)
        note = Note(actor=ITSELF, action="campaign.held", code="canary", detail={"why": why})
    else:
        release_held(connection, campaign_id)
        set_state(connection, campaign, _S.RUNNING)
        note = Note(actor=ITSELF, action="campaign.canary_passed")
    note_campaign(database, connection, notes=[note], campaign_id=campaign_id)


def _unproven(found: Sequence[Any]) -> str:
    """Return in words what a canary has not proven; "" when all is well."""
    proven = sum(row.n for row in found if row.state == "verified")
    bad = [row for row in found if row.state not in _HARMLESS]
    if bad:
        named = ", ".join(f"{row.code or row.state} {row.n:,}" for row in bad)
        return f"{sum(row.n for row in bad):,} of its edits are not proven ({named})"
    return "" if proven else "none of its edits changed anything, so nothing is proven"


def _stored(database: Database, campaign: Campaign) -> Any:
    """Return when the campaign began as its database compares it: its plan was complete then.

    An older calpatch that looks at a plan notes a beginning long before.
    """
    began = campaign.planned_at or campaign.started_at or campaign.submitted_at
    return began.strftime("%Y-%m-%d %H:%M:%S.%f") if database.is_sqlite else began


def release_held(connection: Connection, campaign_id: str) -> None:
    """Let all that is held wait for its turn."""
    sql = (
        "UPDATE chunks SET retry_at = NULL WHERE campaign_id = :id AND state = 'pending'"
        f" AND retry_at = {HELD_UNTIL}"
    )
    connection.execute(text(sql), {"id": campaign_id})


def locked(connection: Connection, campaign_id: str) -> Campaign | None:
    """Return a campaign, its row held until the transaction ends."""
    query = campaigns.select().where(campaigns.c.id == campaign_id).with_for_update()
    row = connection.execute(query).first()
    return campaign_of(row) if row else None


def set_state(
    connection: Connection, campaign: Campaign, state: CampaignState, *, why: str = ""
) -> None:
    """Set the state of a campaign whose row is held."""
    connection.execute(
        text("UPDATE campaigns SET state = :state, state_reason = :why WHERE id = :id"),
        {"id": campaign.id, "state": str(state), "why": why},
    )


def set_run(connection: Connection, campaign_id: str, run: Run) -> None:
    """Store how a campaign is carried out from now on."""
    values = {"id": campaign_id, "run": msgspec.json.encode(run).decode()}
    connection.execute(text("UPDATE campaigns SET run = :run WHERE id = :id"), values)
