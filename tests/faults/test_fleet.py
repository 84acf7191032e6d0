"""The fleet as the fault matrix needs it: proxies before everything, and a supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet import a_fleet
from tests.runs import BRIEF, SMALL, ended_well, submitted, wait_for_end


@pytest.mark.slow
@pytest.mark.postgres
def test_a_fleet_behind_proxies_that_a_supervisor_keeps(postgres_url: str, tmp_path: Path) -> None:
    """Everything goes through the proxies, and what dies comes back: without that nothing ends."""
    through = {"redis", "database", "api"}
    with a_fleet(
        tmp_path, postgres_url, simulate=SMALL, workers=1, through=through, supervised=True,
        settings=BRIEF,
    ) as fleet:  # fmt: skip
        campaign = submitted(fleet)
        fleet.workers[0].kill()
        assert fleet.clock is not None
        fleet.clock.kill()
        wait_for_end(fleet, campaign, within_s=60)

        assert fleet.restarts == 2
        assert all(proxy.counters.down > 0 for proxy in fleet.proxies.values())
        ended_well(fleet, campaign)
