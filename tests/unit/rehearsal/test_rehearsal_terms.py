"""What a rehearsal leaves out of a campaign, and tells instead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.intake.campaign import CampaignFile, Notify
from worker.model import Between, Run, Select, Shift, Window
from worker.rehearsal import at_once, in_earnest, pace_of_run, rehearsed
from worker.report import Pace

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NIGHT = Window(since=20 * 60, until=6 * 60, tzid="Etc/UTC")
TIMED = Run(
    at=NOW + timedelta(days=1), deadline=NOW + timedelta(days=2), windows=(NIGHT,),
    quiet=(NIGHT,), share=0.5, max_rps=2.0, second_person_above=1, is_automatic=True,
    plan_holds_s=60,
)  # fmt: skip


def told(run: Run, *, changes: int = 10, frozen: str = "", tells: bool = False) -> list[str]:
    """Return what is told of a run."""
    return [*in_earnest(run, tells=tells, changes=changes, frozen=frozen, now=NOW)]


def test_nothing_is_waited_for() -> None:
    """Hours, slowness and second persons belong to the real run."""
    assert at_once(TIMED) == Run()


def test_what_bounds_a_run_is_rehearsed_too() -> None:
    """Caps, canary and batches are what a rehearsal is for."""
    run = Run(canary=5, max_changes=7, max_people=8, batch_size=9)
    assert at_once(run) == run


def test_nobody_is_told_of_a_rehearsal() -> None:
    """A webhook would start somebody's pipeline for something that did not happen."""
    campaign = CampaignFile(
        name="move", reason="r", ops=(Shift(seconds=3600),), job="nightly", run=TIMED,
        select=Select(between=Between(first=NOW.date(), after=NOW.date())),
        notify=Notify(webhook="https://hooks.acme.com/x"),
    )  # fmt: skip
    alone = rehearsed(campaign)
    assert (alone.notify, alone.job, alone.run) == (None, None, Run())
    assert alone.ops == campaign.ops


@pytest.mark.parametrize(
    ("run", "granted", "expected"),
    [
        (Run(), 350.0, 350.0),
        (Run(share=0.5), 350.0, 175.0),
        (Run(max_rps=2.0), 350.0, 120.0),
        (Run(share=0.1, max_rps=2.0), 350.0, 35.0),
        (Run(), None, None),
        (Run(max_rps=1.0), None, 60.0),
    ],
)
def test_the_cost_is_told_at_the_pace_of_the_real_run(
    run: Run, granted: float | None, expected: float | None
) -> None:
    """A campaign that goes slower than it may takes longer."""
    pace = Pace(granted_per_min=granted, batch_size=50, batch_counts_as="each")
    assert pace_of_run(pace, run).granted_per_min == expected


def test_hours_and_people_are_told() -> None:
    """Whoever has rehearsed knows what is still in the way."""
    lines = told(TIMED.__class__(at=NOW + timedelta(days=1), windows=(NIGHT,)))
    assert "would begin to send at 2026-06-02 20:00Z" in lines
    assert "would send at once: now is within its hours" in told(Run(at=NOW))
    over = Run(at=NOW + timedelta(days=2), deadline=NOW + timedelta(days=1))
    assert "would never send: its hours do not come before its deadline" in told(over)
    assert "would need that second person: there are 10 changes" in told(Run(second_person_above=9))
    assert not any("that second person" in line for line in told(Run(second_person_above=10)))
    assert "would not begin now: everything is frozen (incident)" in told(Run(), frozen="incident")
    assert "tells its webhook, which the rehearsal does not" in told(Run(), tells=True)
    assert len(told(Run())) == 1
