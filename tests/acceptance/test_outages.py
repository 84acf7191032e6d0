"""The API goes away under real workers, and comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.fleet import a_fleet, pause
from tests.runs import SMALL, ended_well, fault, submitted, wait_for_end
from worker.model import EditState
from worker.report.snapshot import outages_in

pytestmark = pytest.mark.row(11)


@pytest.mark.slow
def test_an_outage_is_told_and_costs_no_edit(database_url: str, tmp_path: Path) -> None:
    """Two workers, each finding out for itself; people see why; afterwards all goes on (row 11)."""
    with a_fleet(tmp_path, database_url, simulate=SMALL) as fleet:
        fault(fleet, {"route": "any", "times": None}, {"do": "reply", "status": 503})
        campaign = submitted(fleet)
        deadline = time.monotonic() + 40
        reason = ""
        while "does not answer" not in reason:
            assert time.monotonic() < deadline, (reason, fleet.logs()[-2000:])
            pause(0.2)
            reason = json.loads(fleet.calpatch("status", campaign, "--json").stdout)["state_reason"]
        assert reason.startswith("the API (CALPATCH_API_URL) does not answer; ")
        findings = json.loads(fleet.calpatch("doctor", "--json").stdout)
        assert "outage" in {one["name"] for one in findings}
        pause(6.0)
        asked = len(fleet.simulator_lines("requests"))
        assert asked < 40, "a few calls for each process to find out, then only probes"

        fleet.control("faults", None, method="DELETE")
        wait_for_end(fleet, campaign, within_s=60)

        outcomes = list(fleet.store.reading.outcomes(campaign))
        assert not [one for one in outcomes if one.state is EditState.FAILED]
        ended_well(fleet, campaign)
        # One that another process left after that is soon stale.
        deadline = time.monotonic() + 60
        while outages_in(fleet.store.queue.pulses()):
            assert time.monotonic() < deadline
            pause(0.5)
        # A process that has nothing to send any more does not ask whether it is over; it may be
        # that the one which found out has nothing, and the other did the rest.
        assert fleet.logs().count("api.unanswered") >= max(1, fleet.logs().count("api.back"))
