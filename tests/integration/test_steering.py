"""Steering a campaign while it runs: pause, resume, cancel, tune, freeze, hours and thresholds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.world import HOUR, a_world
from worker.errors import Held
from worker.model import CampaignState, Patch, Reschedule, Run, Threshold, Window
from worker.simulator import Fault
from worker.simulator.faults import Match, Reply

VERIFIED = ("verified", "verified")
_S = CampaignState
WHO = {"actor": "boss", "reason": "because"}


async def test_a_paused_campaign_sends_nothing_and_goes_on_where_it_was(database_url: str) -> None:
    """What had left is read back meanwhile; the rest waits, and moves once."""
    async with a_world(database_url, batch_size=5) as world:
        world.add_account()
        for number in range(60):
            world.add_event(number)
        campaign = world.submit(range(60), chunk_size=10)
        assert world.store.steering.pause(campaign, **WHO)
        assert not world.store.steering.pause(campaign, **WHO)
        for _ in range(5):
            await world.step()
        assert not world.sim.writes
        assert world.store.steering.resume(campaign, **WHO)
        await world.step()
        assert world.store.steering.pause(campaign, **WHO)
        before = len(world.sim.writes)
        assert before > 0
        for _ in range(5):
            await world.step()
        assert len(world.sim.writes) == before
        world.store.steering.resume(campaign, **WHO)
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert all(world.writes_to(number) == 1 for number in range(60))


async def test_a_cancelled_campaign_tells_of_every_line(database_url: str) -> None:
    """Nothing more leaves; each line that had no turn says so."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(20):
            world.add_event(number)
        campaign = world.submit(range(20), chunk_size=5)
        assert world.store.steering.cancel(campaign, **WHO)
        outcomes = await world.drain(campaign)
        assert set(outcomes.values()) == {("not_attempted", "campaign_cancelled")}
        assert world.state_of(campaign) is _S.CANCELLED
        with pytest.raises(Held, match="cannot be cancelled: it is cancelled"):
            world.store.steering.cancel(campaign, **WHO)
        with pytest.raises(Held, match="cannot be paused"):
            world.store.steering.pause(campaign, **WHO)


async def test_a_freeze_stops_everybody_and_lets_nobody_begin(database_url: str) -> None:
    """Campaigns of before, those that come meanwhile, and plans; a person's own pause stays."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(4):
            world.add_event(number)
        running, paused = world.submit([0], key="a"), world.submit([1], key="b")
        world.store.steering.pause(paused, **WHO)
        planned = world.submit([2], key="c", run=Run())
        await world.reach(planned, _S.AWAITING_APPROVAL)
        await world.drain(running)
        late = world.submit([3], key="d")
        assert world.store.steering.freeze(**WHO) == [late]
        with pytest.raises(Held, match="frozen by boss: because"):
            world.begin(planned)
        with pytest.raises(Held, match="frozen"):
            world.store.steering.resume(late, **WHO)
        before = len(world.sim.writes)
        for _ in range(5):
            await world.step()
        assert len(world.sim.writes) == before
        assert world.store.steering.frozen() is not None
        assert world.store.steering.unfreeze(**WHO) == [late]
        assert world.store.steering.unfreeze(**WHO) is None
        assert await world.drain(late) == {2: VERIFIED}
        assert world.state_of(paused) is _S.PAUSED


async def test_too_many_failures_hold_a_campaign_until_somebody_decides(database_url: str) -> None:
    """Ten of the same kind in a row; after a look, with other limits, it goes on."""
    async with a_world(database_url, batch_size=5) as world:
        world.add_account()
        for number in range(100):
            world.add_event(number)
        refused = Fault(act=Reply(status=422), match=Match(route="batch_item", times=None))
        world.sim.faults.add(refused)
        campaign = world.submit(range(100), chunk_size=20)
        await world.reach(campaign, _S.PAUSED)
        assert "in a row failed with rejected" in world.campaign(campaign).state_reason
        failed = sum(code == "rejected" for _, code in world.outcomes(campaign).values())
        assert 10 <= failed < 100
        world.sim.faults.clear()
        run = Run(max_failures=Threshold(percent=None, same_code_in_a_row=None))
        assert world.store.steering.resume(campaign, **WHO, run=run)
        outcomes = await world.drain(campaign)
        assert sum(one == VERIFIED for one in outcomes.values()) == 100 - failed


async def test_what_its_plan_has_ended_is_no_failure_of_a_campaign(database_url: str) -> None:
    """Nothing had been written then: one refusal of twenty writes is not more than 5%."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number)
        reversed_ends = Patch(move=Reschedule(end="2020-01-01T00:00Z"))
        patches = {n: reversed_ends if n < 20 else Patch(move=HOUR) for n in range(40)}
        run = Run(max_failures=Threshold(min_attempted=10))
        campaign = world.submit(patches, run=run)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        refused = Fault(act=Reply(status=422), match=Match(route="batch_item", times=1))
        world.sim.faults.add(refused)
        world.begin(campaign)
        outcomes = list((await world.drain(campaign)).values())
        assert outcomes.count(("failed", "end_before_start")) == 20
        assert outcomes.count(("failed", "rejected")) == 1
        assert outcomes.count(VERIFIED) == 19


async def test_tuning_is_in_force_at_once(sqlite_url: str) -> None:
    """A batch of another size, from the next one on."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number)
        campaign = world.submit(range(40), chunk_size=10)
        world.store.steering.tune(campaign, **WHO, run=Run(batch_size=2, share=0.5, max_rps=1000))
        await world.drain(campaign)
        sizes = {row.calls for row in world.store.reading.calls(campaign) if "batch" in row.route}
        assert sizes == {20}


async def test_a_campaign_keeps_to_its_hours(sqlite_url: str) -> None:
    """It begins when they come, stops when they are over, and its deadline ends it."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        world.add_event(2)
        now = datetime.now(UTC)
        minute = 60 * now.hour + now.minute
        closed = Window(since=(minute + 120) % 1440, until=(minute + 240) % 1440, tzid="Etc/UTC")
        campaign = world.submit([1], run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.begin(campaign, windows=(closed,))
        for _ in range(5):
            await world.step()
        assert world.state_of(campaign) is _S.SCHEDULED
        assert not world.sim.writes
        world.store.steering.tune(campaign, **WHO, run=Run(at=now - timedelta(hours=1)))
        assert await world.drain(campaign) == {2: VERIFIED}

        late = world.submit([2], key="late")
        world.store.steering.tune(late, **WHO, run=Run(deadline=now - timedelta(seconds=1)))
        assert await world.drain(late) == {2: ("not_attempted", "deadline_passed")}
