"""The main job as a deployment runs it; one of two workers is killed with -9 in the middle."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fleet import Fleet, a_fleet, pause
from worker.app import submit
from worker.model import ENDED, FINAL, AllDay, EditState, Policy, Timed

ACCOUNTS, EVENTS = 50, 200


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_thousand_edits_survive_a_killed_worker(database_url: str, tmp_path: Path) -> None:
    """Each editable event changes to its target, once; nothing else is touched; all adds up."""
    simulate = ["--accounts", str(ACCOUNTS), "--events", str(EVENTS), "--rate", "off"]
    with a_fleet(tmp_path, database_url, simulate=simulate) as fleet:
        submitted = submit(
            fleet.settings,
            fleet.store,
            path=str(fleet.edits),
            key="ten-thousand",
            reason="test",
            owner="test",
            policy=Policy(),
        )
        campaign = submitted.campaign.id
        wait_for(fleet, campaign, lambda counts: counts[EditState.ACCEPTED] > 500)
        fleet.workers[0].kill()
        wait_for_end(fleet, campaign)

        outcomes = list(fleet.store.reading.outcomes(campaign))
        assert len(outcomes) == submitted.checked.rows >= ACCOUNTS * EVENTS
        assert all(one.state in FINAL for one in outcomes)
        counts = Counter(one.state for one in outcomes)
        assert set(counts) <= {EditState.VERIFIED, EditState.SKIPPED, EditState.UNCHANGED}, counts
        assert counts[EditState.VERIFIED] > 6000
        _check_calendars(fleet, outcomes)
        entries, breaks = fleet.store.audit.verify()
        assert entries > 0
        assert not breaks


def wait_for(fleet: Fleet, campaign: str, reached: Any, *, within_s: float = 180) -> None:
    """Wait until the counts by state satisfy a condition."""
    deadline = time.monotonic() + within_s
    while True:
        counts: Counter[EditState] = Counter()
        for (state, _), number in fleet.store.reading.counts(campaign).items():
            counts[state] += number
        if reached(counts):
            return
        assert time.monotonic() < deadline, f"{counts}\n{fleet.logs()[-3000:]}"
        pause(0.2)


def wait_for_end(fleet: Fleet, campaign: str, *, within_s: float = 240) -> None:
    """Wait until the campaign has ended."""
    deadline = time.monotonic() + within_s
    while True:
        found = fleet.store.campaigns.get(campaign)
        assert found is not None
        if found.state in ENDED:
            return
        counts = fleet.store.reading.counts(campaign)
        assert time.monotonic() < deadline, f"{found.state} {counts}\n{fleet.logs()[-3000:]}"
        pause(0.3)


def _check_calendars(fleet: Fleet, outcomes: list[Any]) -> None:
    """Compare with the provider's own calendars and its log of writes."""
    events = {
        (one["calendar_id"], one["event_uid"]): one["event"]
        for one in fleet.simulator_lines("events")
    }
    writes: Counter[tuple[str, str]] = Counter()
    for write in fleet.simulator_lines("writes"):
        assert "event_id" not in write["body"]
        if write["taken"]:
            writes[write["calendar_id"], write["event_uid"]] += 1
    touched = set()
    for one in outcomes:
        key = (one.calendar_id, one.event_uid)
        if one.state is EditState.VERIFIED:
            touched.add(key)
            assert starts(events[key]) == target_start(one.target.when), one.line_no
    assert set(writes) == touched
    # A worker killed between POST and record leaves a doubt, which is read back before a resend.
    assert sum(writes.values()) == len(touched), writes.most_common(3)


def starts(event: Any) -> str:
    """Return an event's start as text, in UTC."""
    return str(event["start"]).replace("+00:00", "Z")


def target_start(when: AllDay | Timed) -> str:
    """Return a target's start in the same form."""
    if isinstance(when.start, datetime):
        return when.start.strftime("%Y-%m-%dT%H:%M:%SZ")
    return when.start.isoformat()
