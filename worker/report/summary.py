"""summary.json: what a campaign was, what came of it, and the checksums of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from msgspec import Struct, structs

from worker.model import FINAL, EditState
from worker.report.around import Deed, stopped_by
from worker.report.facts import PlanFacts, plan_facts
from worker.report.sheet import Written
from worker.report.snapshot import Snapshot
from worker.report.status import Calls, Counts, LimiterUse, calls_of, limiter_use


class Summary(Struct, frozen=True, kw_only=True):
    """One export. `plan` has the hash that was approved, by whom and why; None for what had none.

    `stopped` tells who ended it early, `parent` the campaign that it undoes or tries again, `job`
    whose run of which day it was ("" and None otherwise). `is_partial`: the campaign still ran, so
    that open.csv may change yet.

    `digest` is of content and policy, `audit_head` the last entry of the campaign's own chain, and
    `chunk_heads` the digest over its chunks' chains, once it has ended: `calpatch audit verify
    --against` holds the database to these two, so keep the file where the database is not.
    """

    campaign: str
    key: str
    kind: str
    state: str
    state_reason: str
    reason: str
    owner: str
    source: str
    digest: str
    policy: dict[str, Any]
    plan: PlanFacts | None
    stopped: Deed | None
    parent: str | None
    job: str
    job_date: date | None
    is_partial: bool
    only: tuple[str, ...]
    counts: Counts
    files: tuple[Written, ...]
    api_calls: Calls
    limiter: LimiterUse | None
    audit_head: str
    chunk_heads: str
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    exported_at: datetime


def summary_of(
    look: Snapshot,
    *,
    files: tuple[Written, ...],
    seen: Mapping[tuple[EditState, str], int],
    only: tuple[str, ...] = (),
    chunk_heads: str = "",
) -> Summary:
    """Return the summary of an export; its counts are of what was `seen`, not of what was hoped."""
    campaign = look.campaign
    return Summary(
        campaign=campaign.id,
        key=campaign.key,
        kind=campaign.kind,
        state=str(campaign.state),
        state_reason=campaign.state_reason,
        reason=campaign.reason,
        owner=campaign.owner,
        source=campaign.source,
        digest=campaign.digest,
        policy=structs.asdict(campaign.policy),
        plan=plan_facts(look),
        stopped=stopped_by(look.around),
        parent=campaign.parent,
        job=campaign.job,
        job_date=campaign.job_date,
        is_partial=not look.has_ended,
        only=only,
        counts=_counts(seen),
        files=files,
        api_calls=calls_of(look.calls),
        limiter=limiter_use(look.limiter) if look.limiter else None,
        audit_head=campaign.audit_head,
        chunk_heads=chunk_heads,
        submitted_at=campaign.submitted_at,
        started_at=campaign.started_at,
        finished_at=campaign.finished_at,
        exported_at=look.at,
    )


def _counts(seen: Mapping[tuple[EditState, str], int]) -> Counts:
    states: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for (state, code), count in seen.items():
        states[str(state)] += count
        if state in FINAL:
            codes[code or str(state)] += count
    return Counts(
        by_status=dict(sorted(states.items())),
        by_code=dict(sorted(codes.items())),
        total=states.total(),
        done=codes.total(),
    )
