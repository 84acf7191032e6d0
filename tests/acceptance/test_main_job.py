"""The main job as a deployment runs it; one of two workers is killed with -9 in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet import a_fleet
from tests.runs import ended_well, states, until, wait_for_end
from worker.intake.producer import Order, submit
from worker.model import EditState, Policy

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
            order=Order(key="ten-thousand", reason="test", owner="test", policy=Policy()),
        )
        campaign = submitted.campaign.id
        until(lambda: states(fleet, campaign)[EditState.ACCEPTED] > 500, fleet, within_s=180)
        fleet.workers[0].kill()
        wait_for_end(fleet, campaign)

        counts = ended_well(fleet, campaign, least=6000)
        assert counts.total() == submitted.campaign.total >= ACCOUNTS * EVENTS
        assert set(counts) <= {EditState.VERIFIED, EditState.SKIPPED, EditState.UNCHANGED}, counts
