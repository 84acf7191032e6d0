"""The API goes away under real workers, and comes back."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.test_main_job import wait_for_end
from tests.acceptance.test_workers import FEW, check, submitted, taken
from tests.fleet import Fleet, a_fleet, pause
from worker.model import EditState
from worker.report.snapshot import outages_in

pytestmark = pytest.mark.row(11)


def control(fleet: Fleet, method: str, body: object = None) -> None:
    """Arm or disarm the simulator's faults."""
    request = urllib.request.Request(
        f"{fleet.simulator_url}/_sim/faults",
        data=None if body is None else json.dumps(body).encode(),
        method=method,
    )
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.slow
def test_an_outage_is_told_and_costs_no_edit(database_url: str, tmp_path: Path) -> None:
    """Two workers, each finding out for itself; people see why; afterwards all goes on (row 11)."""
    with a_fleet(tmp_path, database_url, simulate=FEW) as fleet:
        down = {"match": {"route": "any", "times": None}, "act": {"do": "reply", "status": 503}}
        control(fleet, "POST", down)
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

        control(fleet, "DELETE")
        wait_for_end(fleet, campaign, within_s=60)

        assert max(taken(fleet).values()) == 1
        outcomes = list(fleet.store.reading.outcomes(campaign))
        assert not [one for one in outcomes if one.state is EditState.FAILED]
        check(fleet, campaign)
        # One that another process left after that is soon stale.
        deadline = time.monotonic() + 60
        while outages_in(fleet.store.queue.pulses()):
            assert time.monotonic() < deadline
            pause(0.5)
        # A process that has nothing to send any more does not ask whether it is over.
        assert fleet.logs().count("api.unanswered") >= fleet.logs().count("api.back") > 0
