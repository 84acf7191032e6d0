"""An API that allows fewer calls a second than one batch has entries, where each entry counts."""

from __future__ import annotations

import pytest

from tests.world import a_world
from worker.simulator import Behaviour

pytestmark = pytest.mark.row(16)

EDITS = 90


@pytest.mark.slow
async def test_batches_shrink_to_what_the_api_lets_through(sqlite_url: str) -> None:
    """A batch above the real limit is refused whenever it comes: it must not stay that large."""
    lower = Behaviour(rate=((20, 1.0),), batch_counts_as="each", lag_s=0.05)
    async with a_world(sqlite_url, behaviour=lower, rate="50/s", batch_counts_as="each") as world:
        world.add_account()
        for number in range(EDITS):
            world.add_event(number)
        campaign = world.submit(range(EDITS), chunk_size=1000)

        outcomes = await world.drain(campaign, within_s=60.0)

        assert set(outcomes.values()) == {("verified", "verified")}
        sizes = [one.items for one in world.sim.requests if one.route == "batch"]
        refused = [
            one.items for one in world.sim.requests if one.route == "batch" and one.status == 429
        ]
        assert max(refused) > 20
        assert all(size <= 20 for size in sizes[len(sizes) // 2 :])
        assert all(world.writes_to(number) == 1 for number in range(EDITS))
        world.audit_run()
