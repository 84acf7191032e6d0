"""What a rehearsal leaves out of a campaign, and what it says of that: hours, speed, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace as with_fields
from datetime import datetime

from msgspec.structs import replace

from worker.intake.campaign import CampaignFile, carried_out
from worker.model import Run
from worker.report import Pace
from worker.rules import opens_at


def rehearsed(campaign: CampaignFile) -> CampaignFile:
    """Return a campaign that can be carried out at once, and of which nobody is told."""
    return replace(campaign, run=at_once(campaign.run), notify=None, job=None)


def at_once(run: Run) -> Run:
    """Return a run without hours, slowness and second person; its caps, canary and bounds stay."""
    return replace(
        run, at=None, deadline=None, windows=(), quiet=(), share=None, max_rps=None,
        second_person_above=None, is_automatic=False, plan_holds_s=Run().plan_holds_s,
    )  # fmt: skip


def pace_of_run(pace: Pace, run: Run) -> Pace:
    """Return how fast the real run may go."""
    bounds = [pace.granted_per_min * (run.share or 1.0)] if pace.granted_per_min else []
    bounds += [60 * run.max_rps] if run.max_rps else []
    return with_fields(pace, granted_per_min=min(bounds, default=None))


def in_earnest(run: Run, *, tells: bool, changes: int, frozen: str, now: datetime) -> Iterator[str]:
    """Give what a real run would do and the rehearsal does not, or not visibly.

    `frozen` says why nothing is sent now, "" when it is.
    """
    yield from carried_out(run)
    if tells:
        yield "tells its webhook, which the rehearsal does not"
    if run.second_person_above is not None and changes > run.second_person_above:
        yield f"would need that second person: there are {changes:,} changes"
    if run.has_hours:
        yield _opening(run, now)
    if frozen:
        yield f"would not begin now: everything is frozen ({frozen})"


def _opening(run: Run, now: datetime) -> str:
    opens = opens_at(run, now)
    if opens is None:
        return "would never send: its hours do not come before its deadline"
    if opens <= now:
        return "would send at once: now is within its hours"
    return f"would begin to send at {opens:%Y-%m-%d %H:%MZ}"
