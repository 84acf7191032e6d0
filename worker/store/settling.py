"""How a campaign's state follows its chunks, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from worker.model import CampaignState, EditState
from worker.rules import final_campaign_state, stopped_state
from worker.store import webhooks
from worker.store.binding import digest_of_heads
from worker.store.chains import note_campaign
from worker.store.database import Database
from worker.store.gates import finish_planning, judge_canary, locked
from worker.store.tables import HELD_UNTIL
from worker.store.values import Note

_S = CampaignState


def left_over(chunk: str) -> str:
    """Return SQL for what is left of a chunk: 2 to be sent, 1 to be read back, 0 or null nothing.

    It names no state to search by, so that a database without statistics takes the index on
    chunks and no other (64 x faster after 100,000 new lines in PostgreSQL).
    """
    return f"""(SELECT max(CASE WHEN e.state IN ('pending', 'sending') THEN 2
  WHEN e.state = 'accepted' THEN 1 ELSE 0 END) FROM edits e WHERE e.chunk_id = {chunk})"""


def _any(state: str, more: str = "") -> str:
    """Return SQL that tells whether a campaign `c` has a chunk in this state.

    By the index's first row: asked whether any exists, PostgreSQL goes through the table in its
    own order, where at the end of a campaign all that comes first is done.
    """
    return (
        f"(SELECT k.id FROM chunks k WHERE k.campaign_id = c.id AND k.state = '{state}'{more}"
        " ORDER BY k.retry_at LIMIT 1) IS NOT NULL"
    )


# An expression, for the reason above; the first edit that is still to be sent is enough.
_UNSENT = """ AND (SELECT 1 FROM edits e WHERE e.chunk_id = k.id
  AND CASE WHEN e.state IN ('pending', 'sending') THEN 1 ELSE 0 END = 1 LIMIT 1) IS NOT NULL"""

# Asked apart: with OR, all that is held would be gone through.
_WAITS = (
    f"({_any('pending', ' AND k.retry_at IS NULL')}"
    f" OR {_any('pending', f' AND k.retry_at < {HELD_UNTIL}')})"
)

# Busy: something is still to be sent. A chunk that is leased to be read back only is not.
# Held: nothing goes on, and what is left waits for an approval or for a canary.
_LOOK = f"""
SELECT c.id, c.state, c.state_reason,
  {_any("pending")} OR {_any("running")} OR {_any("verifying")} AS open,
  {_any("pending")} OR {_any("running", _UNSENT)} AS busy,
  NOT ({_WAITS} OR {_any("running")} OR {_any("verifying")})
    AND {_any("pending", f" AND k.retry_at = {HELD_UNTIL}")} AS held
FROM campaigns c WHERE
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a campaign's chunks say; `is_held` of those that wait for an approval or a canary."""

    id: str
    state: CampaignState
    why: str
    is_open: bool
    is_busy: bool
    is_held: bool

    @classmethod
    def of(cls, row: Any) -> Look:
        return cls(
            id=row.id,
            state=CampaignState(row.state),
            why=row.state_reason,
            is_open=bool(row.open),
            is_busy=bool(row.busy),
            is_held=bool(row.held),
        )

    @property
    def is_settled(self) -> bool:
        """Tell whether the campaign's state is what its chunks ask for."""
        return not (self.is_held and self.state in GATED) and next_state(self) is self.state


#: In these states, what is held is looked at: a plan is complete, or a canary has come home.
GATED = frozenset({_S.PLANNING, _S.RUNNING, _S.VERIFYING})


def settle(database: Database, connection: Connection, *, campaign_id: str) -> bool:
    """Let a campaign's state follow its chunks; True when it ended now.

    Two workers that end the last two chunks at once may each not see the other's: the sweeper asks
    again.
    """
    row = connection.execute(text(f"{_LOOK} c.id = :id"), {"id": campaign_id}).one()
    look = Look.of(row)
    if look.is_settled:
        return False
    if look.is_held and look.state in GATED:
        gate = finish_planning if look.state is _S.PLANNING else judge_canary
        gate(database, connection, campaign_id=campaign_id)
        return False
    state = next_state(look)
    if state is None or not look.is_open:
        return _end(database, connection, campaign_id=campaign_id, was=look.state, state=state)
    _set_state(connection, campaign_id, was=look.state, state=state)
    return False


def unsettled(connection: Connection) -> list[str]:
    """Return the campaigns whose state does not follow their chunks yet."""
    going = "('planning', 'scheduled', 'running', 'paused', 'verifying', 'cancelling')"
    looks = map(Look.of, connection.execute(text(f"{_LOOK} c.state IN {going}")))
    return [look.id for look in looks if not look.is_settled]


def next_state(look: Look) -> CampaignState | None:
    """Return the state that the chunks ask for; None: whatever the edits' outcomes say."""
    match look.state:
        case _S.PLANNING:
            return _S.PLANNING if look.is_open else None
        case _S.RUNNING | _S.VERIFYING:
            if not look.is_open:
                return None
            return _S.RUNNING if look.is_busy else _S.VERIFYING
        case _S.CANCELLING if not look.is_open:
            return stopped_state(look.why)
        case _S.PAUSED | _S.SCHEDULED if not look.is_open:
            return None  # what was on its way has come home, and there is nothing else
        case state:
            return state


def _end(
    database: Database,
    connection: Connection,
    *,
    campaign_id: str,
    was: CampaignState,
    state: CampaignState | None,
) -> bool:
    counted = connection.execute(
        text(
            "SELECT state, count(*) AS n, sum(CASE WHEN code = 'no_proof_asked' THEN 1 ELSE 0 END)"
            " AS unasked FROM edits WHERE campaign_id = :id GROUP BY state"
        ),
        {"id": campaign_id},
    ).all()
    counts = {EditState(row.state): row.n for row in counted}
    unasked = sum(int(row.unasked) for row in counted)
    state = state or final_campaign_state(counts, no_proof_asked=unasked)
    # Of one that came to its end by itself, why it once waited is no news any more.
    told = "" if was is _S.CANCELLING else ", state_reason = ''"
    finished = f", finished_at = {database.now_sql}{told}"
    if not _set_state(connection, campaign_id, was=was, state=state, extra=finished):
        return False
    detail = {
        "counts": {str(key): counts[key] for key in sorted(counts)},
        "chunk_heads": digest_of_heads(connection, campaign_id),
    }
    note = Note(actor="calpatch", action=f"campaign.{state}", detail=detail)
    note_campaign(database, connection, notes=[note], campaign_id=campaign_id)
    campaign = locked(connection, campaign_id)
    if campaign is not None:
        webhooks.tell(database, connection, campaign, webhooks.FINISHED, state=state)
    return True


def _set_state(
    connection: Connection,
    campaign_id: str,
    *,
    was: CampaignState,
    state: CampaignState,
    extra: str = "",
) -> bool:
    sql = f"UPDATE campaigns SET state = :state{extra} WHERE id = :id AND state = :was"
    values = {"id": campaign_id, "state": str(state), "was": str(was)}
    return connection.execute(text(sql), values).rowcount == 1
