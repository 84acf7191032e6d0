"""Making plans: from a file of edits, or from a campaign file by way of live calendars.

The campaign is stored when everything that it selects is known; workers then read each event once
more, decide, and store the targets that somebody approves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from worker.app import open_engine
from worker.engine import call_rows
from worker.errors import Held
from worker.intake import Checked, Input
from worker.intake.campaign import CampaignFile
from worker.intake.producer import Order, Submitted, submit_lines
from worker.model import CampaignState, Run
from worker.selection import COLUMNS, Selected, selected_rows
from worker.settings import Settings
from worker.store import Spool, Store

#: the states of a campaign after which its key may name a new plan: it has never sent anything
_NEVER_BEGAN = frozenset({CampaignState.EXPIRED, CampaignState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan that is being made, and what was selected for it; `left` lines lie beyond a limit."""

    submitted: Submitted
    selected: Selected | None = None
    left: int = 0


def order_of(campaign: CampaignFile, *, owner: str, key: str | None = None) -> Order:
    """Return what a campaign file orders."""
    return Order(
        key=key or campaign.name,
        reason=campaign.reason,
        owner=campaign.owner or owner,
        policy=campaign.policy,
        lane=campaign.lane,
        run=campaign.run,
        is_planned=True,
        kind="planned",
        job=campaign.job or "",
        spec=msgspec.json.encode(campaign).decode(),
        notify=msgspec.json.encode(campaign.notify).decode() if campaign.notify else "",
    )


def plan_campaign(
    settings: Settings,
    store: Store,
    campaign: CampaignFile,
    order: Order,
    *,
    source: str,
    limit: int | None = None,
    sample: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Planned:
    """Select a campaign file's events, and store them as a plan.

    Raises Held when nothing was selected, unless it begins by itself: then it has ended already.
    Raises the API's and the limiter's errors.
    """
    spool = Spool()
    try:
        found = asyncio.run(_select(settings, store, campaign, spool, progress=progress))
        if not found.matched and not order.run.is_automatic:
            raise Held(
                f"Nothing was selected: {described(found)}",
                next_step="Look at `select` in the file",
            )
        spool.mark(spool.twins())
        left = _kept(spool, order.key, limit=limit, sample=sample)
        content = sha256(f"{campaign.digest()} {found.digest} {limit} {sample}".encode())
        submitted = submit_lines(
            settings, store, spool, order, content=content.hexdigest(), source=source,
            columns=COLUMNS, calls=call_rows(found.calls),
        )  # fmt: skip
    finally:
        spool.close()
    return Planned(submitted=submitted, selected=found, left=left)


def plan_edits(
    settings: Settings,
    store: Store,
    given: Input,
    checked: Checked,
    order: Order,
    *,
    limit: int | None = None,
    sample: int | None = None,
) -> Planned:
    """Store checked edits as a plan; those beyond a limit end as not attempted."""
    left = _kept(given.spool, order.key, limit=limit, sample=sample)
    content = sha256(f"{checked.digest} {limit} {sample}".encode()).hexdigest()
    submitted = submit_lines(
        settings, store, given.spool, order, content=content, source=checked.source.name,
        columns=checked.source.columns,
    )  # fmt: skip
    return Planned(submitted=submitted, left=left)


def _kept(spool: Spool, key: str, *, limit: int | None, sample: int | None) -> int:
    """Keep only so many lines; the same ones of a sample each time. Returns how many are left."""
    if not (limit or sample):
        return 0
    return spool.keep(limit or sample or 0, seed=key if sample else "")


def described(found: Selected) -> str:
    """Return in words what was read."""
    parts = [
        f"{found.accounts:,} accounts",
        f"{found.calendars:,} calendars",
        f"{found.events:,} events read",
        f"{found.matched:,} selected",
    ]
    if found.unread:
        parts.append(f"{len(found.unread):,} accounts could not be read")
    if found.without:
        parts.append(f"{len(found.without):,} accounts without such a calendar")
    return ", ".join(parts)


def free_key(store: Store, key: str) -> str:
    """Return a key for a plan: as asked, or with a number where that plan came to nothing."""
    number, name = 1, key
    while (
        (known := store.campaigns.get(name))
        and known.state in _NEVER_BEGAN
        and (known.started_at is None)
    ):
        number += 1
        name = f"{key}@{number}"
    return name


def planned_run(run: Run, **changed: object) -> Run:
    """Return how a plan is carried out, with what a command line says instead."""
    given = {name: value for name, value in changed.items() if value is not None}
    if "max_changes" in given:
        given["cap_basis"] = ""  # a person's number has no other reason than theirs
    return msgspec.structs.replace(run, **given)


async def _select(
    settings: Settings,
    store: Store,
    campaign: CampaignFile,
    spool: Spool,
    *,
    progress: Callable[[int], None] | None,
) -> Selected:
    found = Selected()
    async with open_engine(settings, store=store) as engine:
        rows = selected_rows(engine, campaign.select, campaign.ops, found=found, progress=progress)
        async for some in rows:
            spool.add(some)
    return found
