"""A campaign's own limit: all of its calls keep to it, by the provider's own log."""

from __future__ import annotations

import pytest

from tests.world import a_world
from worker.limits.capped import AVERAGED_S
from worker.model import CampaignState, Run

VERIFIED = ("verified", "verified")
A_SECOND = 5
#: calls that its own limit allows within the time over which it is an average
ALLOWED = round(A_SECOND * AVERAGED_S)


@pytest.mark.slow
async def test_reads_count_as_writes_do(sqlite_url: str) -> None:
    """Planning, writing and proving together: never more a second, and hardly less."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number)
        run = Run(max_rps=A_SECOND)
        campaign = world.submit(range(35), run=run, chunk_size=1)
        await world.reach(campaign, CampaignState.AWAITING_APPROVAL)
        world.begin(campaign)
        assert set((await world.drain(campaign, within_s=60)).values()) == {VERIFIED}
        calls = sum(row.calls for row in world.store.reading.calls(campaign))
        assert calls > 1.5 * ALLOWED
        assert world.sim.busiest(AVERAGED_S) <= ALLOWED
        assert world.sim.busiest(AVERAGED_S) >= 0.9 * ALLOWED
