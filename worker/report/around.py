"""What a campaign stands among: who did what with it, a freeze, plans before it and after it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from worker.model import ENDED, CampaignState, Run
from worker.store import FROZEN, HELD, HELD_BY_CANARY, AuditRow, Campaign, Freeze, Store

_S = CampaignState
#: states in which edits may be sent, now or later
_GOING = frozenset({_S.SCHEDULED, _S.RUNNING, _S.VERIFYING, _S.PAUSED})


class Deed(Struct, frozen=True, kw_only=True):
    """What somebody did with a campaign, when and why; `by` is calpatch when nobody did."""

    by: str
    at: datetime
    reason: str = ""


class Hold(Struct, frozen=True, kw_only=True):
    """Why a paused campaign is: a person, its failures, its canary or a freeze.

    `by` is "" and `since` None where the audit does not tell.
    """

    kind: Literal["person", "failures", "canary", "freeze"]
    by: str
    since: datetime | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is known of a campaign beside its own rows.

    `planned` are the lines that a plan has gone through, None when none is made; `behind_canary`
    the edits that wait until its canary is proven.
    """

    deeds: tuple[AuditRow, ...] = ()
    frozen: Freeze | None = None
    children: tuple[Campaign, ...] = ()
    planned: int | None = None
    behind_canary: int = 0

    def last(self, actions: Collection[str]) -> AuditRow | None:
        """Return the last of some deeds; None when there was none."""
        return next((each for each in reversed(self.deeds) if each.action in actions), None)


def look_around(store: Store, campaign: Campaign) -> Around:
    """Read what a campaign stands among."""
    is_planning = campaign.state is _S.PLANNING
    waits = campaign.run.canary and campaign.state in _GOING
    return Around(
        deeds=tuple(store.search.deeds(campaign.id)),
        frozen=None if campaign.state in ENDED else store.steering.frozen(),
        children=tuple(store.campaigns.children(campaign.id)),
        planned=campaign.total - store.reading.unplanned(campaign.id) if is_planning else None,
        behind_canary=store.reading.held(campaign.id) if waits else 0,
    )


def deed_of(row: AuditRow | None) -> Deed | None:
    """Return an entry as a deed."""
    if row is None:
        return None
    return Deed(by=row.actor, at=row.at, reason=reason_in(row))


def detail_of(row: AuditRow) -> dict[str, Any]:
    """Return what an entry holds beside its columns."""
    detail: dict[str, Any] = msgspec.json.decode(row.detail) if row.detail else {}
    return detail


def reason_in(row: AuditRow) -> str:
    """Return the reason that an entry gives; "" for none."""
    detail = detail_of(row)
    return str(detail.get("reason") or detail.get("why") or "")


_PAUSING: Final = frozenset({"campaign.paused", "campaign.held", "campaign.frozen"})
_STOPPING: Final = frozenset(
    {"campaign.cancelling", "campaign.rejected", "campaign.expired", "campaign.aborted"}
)


def hold_of(campaign: Campaign, around: Around) -> Hold | None:
    """Return why a paused campaign is; None for others."""
    why = campaign.state_reason
    if campaign.state is not _S.PAUSED:
        return None
    if why.startswith(FROZEN):
        return _freeze(why.removeprefix(FROZEN), around)
    row = around.last(_PAUSING)
    by, since = (row.actor, row.at) if row else ("", None)
    if why.startswith(HELD_BY_CANARY):
        return Hold(kind="canary", by=by, since=since, reason=why.removeprefix(HELD_BY_CANARY))
    if why.startswith(HELD):
        return Hold(kind="failures", by=by, since=since, reason=why.removeprefix(HELD))
    return Hold(kind="person", by=by, since=since, reason=why)


def _freeze(reason: str, around: Around) -> Hold:
    """Return the freeze in force, which may have another reason than the first one had."""
    frozen = around.frozen
    if frozen is None:
        return Hold(kind="freeze", by="", since=None, reason=reason)
    return Hold(kind="freeze", by=frozen.actor, since=frozen.at, reason=frozen.reason)


def stopped_by(around: Around) -> Deed | None:
    """Return who stopped a campaign for good; None when nobody did."""
    return deed_of(around.last(_STOPPING))


def approvals_of(campaign: Campaign, around: Around) -> tuple[Deed, ...]:
    """Return who approved a campaign's present plan, in the order in which they did."""
    rows = [each for each in around.deeds if each.action == "campaign.approved"]
    found = [deed_of(each) for each in rows if detail_of(each).get("plan") == campaign.plan_hash]
    return tuple(each for each in found if each is not None)


def needs_second(run: Run, *, owner: str, changes: int, approvals: Collection[Deed]) -> bool:
    """Tell whether a plan is too large for its owner alone, and nobody else has approved it."""
    limit = run.second_person_above
    is_large = limit is not None and changes > limit
    return is_large and all(each.by == owner for each in approvals)
