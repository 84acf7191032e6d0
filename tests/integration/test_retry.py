"""Retry: what came to nothing, once more; whatever may have moved already is not moved twice."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.world import CALENDAR, HOUR, World, a_world, event_uid
from worker.model import (
    AddText,
    CampaignState,
    EditState,
    Elsewhere,
    Patch,
    Policy,
    Run,
    Shift,
)
from worker.simulator import Fault
from worker.simulator.acts import Reply
from worker.simulator.faults import Match

VERIFIED = ("verified", "verified")
_S, _E = CampaignState, EditState
ONE_HOUR = timedelta(hours=1)
WHO = {"actor": "boss", "reason": "because"}
FEW = Policy(max_attempts=2)


def refuse(world: World, *, status: int, taken: bool = False, times: int | None = None) -> None:
    """Have the API answer each write so."""
    act = Reply(status=status, taken=taken)
    for route in ("batch_item", "edit"):
        world.sim.faults.add(Fault(act=act, match=Match(route=route, times=times)))


async def planned(world: World, campaign: str) -> None:
    """Go on until a plan waits, begin it, and see it home."""
    await world.reach(campaign, _S.AWAITING_APPROVAL)
    world.begin(campaign)


async def test_what_failed_is_tried_again_and_only_that(database_url: str) -> None:
    """A campaign of its own, of the same lines; all that was verified is left alone."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(4):
            world.add_event(number)
        refuse(world, status=422, times=1)
        campaign = world.submit(range(4), chunk_size=1)
        outcomes = await world.drain(campaign)
        failed = [line for line, end in outcomes.items() if end == ("failed", "rejected")]
        assert failed
        world.sim.faults.clear()
        retry = world.retry(campaign)
        assert await world.drain(retry) == dict.fromkeys(failed, VERIFIED)
        assert world.campaign(retry).parent == campaign
        assert all(world.shift_of(number) == ONE_HOUR for number in range(4))


async def test_what_had_taken_all_the_same_is_not_moved_once_more(sqlite_url: str) -> None:
    """Each answer was an error, and a write had taken: the retry finds nothing to do."""
    async with a_world(sqlite_url, settle=0.1) as world:
        world.add_account()
        world.add_event(1)
        refuse(world, status=503, times=None)
        campaign = world.submit([1], policy=FEW)
        assert await world.drain(campaign) == {2: ("failed", "upstream")}
        world.sim.faults.clear()
        start = world.sim.event(CALENDAR, event_uid(1)).start
        world.sim.edit_as_user(
            CALENDAR, event_uid(1), start=start + ONE_HOUR, end=start + 2 * ONE_HOUR
        )
        assert await world.drain(world.retry(campaign)) == {2: ("unchanged", "already_as_asked")}
        assert world.shift_of(1) == ONE_HOUR


@pytest.mark.parametrize("by", [-ONE_HOUR, 3 * ONE_HOUR])
async def test_a_retry_goes_where_the_first_try_would_have_gone(
    sqlite_url: str, by: timedelta
) -> None:
    """Somebody has moved the event since: an hour from there is not what was asked."""
    async with a_world(sqlite_url, settle=0.1) as world:
        world.add_account()
        for number in (1, 2):
            world.add_event(number)
        refuse(world, status=503, times=None)
        campaign = world.submit([1, 2], policy=FEW)
        await world.drain(campaign)
        world.sim.faults.clear()
        start = world.sim.event(CALENDAR, event_uid(1)).start + by
        world.sim.edit_as_user(CALENDAR, event_uid(1), start=start, end=start + ONE_HOUR)
        assert await world.drain(world.retry(campaign)) == {
            2: ("conflict", "changed_elsewhere"),
            3: VERIFIED,
        }
        assert (world.shift_of(1), world.shift_of(2)) == (by, ONE_HOUR)


async def test_a_conflict_is_decided_anew_where_that_is_asked_for(sqlite_url: str) -> None:
    """From where the event is now; somebody looks at the plan of it."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1], run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        start = world.sim.event(CALENDAR, event_uid(1)).start + 3 * ONE_HOUR
        world.sim.edit_as_user(CALENDAR, event_uid(1), start=start, end=start + ONE_HOUR)
        world.begin(campaign)
        assert await world.drain(campaign) == {2: ("conflict", "changed_elsewhere")}
        retry = world.retry(campaign, states=[_E.CONFLICT], is_planned=True)
        await planned(world, retry)
        assert await world.drain(retry) == {2: VERIFIED}
        assert world.shift_of(1) == 4 * ONE_HOUR


async def test_a_cancelled_plan_goes_on_with_the_targets_that_were_approved(
    database_url: str,
) -> None:
    """Half of it was done; of the rest, what people have moved since is told before it begins."""
    async with a_world(database_url, batch_size=5) as world:
        world.add_account()
        for number in range(20):
            world.add_event(number)
        campaign = world.submit(range(20), run=Run(), chunk_size=5)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.begin(campaign, canary=5)
        while len(world.sim.writes) < 5:
            await world.step()
        world.store.steering.cancel(campaign, **WHO)
        outcomes = await world.drain(campaign)
        left = [n - 2 for n, end in outcomes.items() if end[0] == "not_attempted"]
        assert len(left) == 15
        moved = world.sim.event(CALENDAR, event_uid(left[0])).start + 2 * ONE_HOUR
        world.sim.edit_as_user(CALENDAR, event_uid(left[0]), start=moved, end=moved + ONE_HOUR)
        retry = world.retry(campaign, is_planned=True)
        await world.reach(retry, _S.AWAITING_APPROVAL)
        assert world.outcomes(retry)[left[0] + 2] == ("conflict", "changed_elsewhere")
        world.begin(retry)
        await world.drain(retry)
        assert all(world.shift_of(number) == ONE_HOUR for number in {*range(20)} - {left[0]})


async def test_a_retry_of_a_retry_still_knows_the_first_target(sqlite_url: str) -> None:
    """The second one never came to its turn, so that the first one's image is all there is."""
    async with a_world(sqlite_url, settle=0.1) as world:
        world.add_account()
        world.add_event(1)
        refuse(world, status=503, times=None)
        campaign = world.submit([1], policy=FEW)
        await world.drain(campaign)
        world.sim.faults.clear()
        second = world.retry(campaign, key="second")
        world.store.steering.cancel(second, **WHO)
        assert await world.drain(second) == {2: ("not_attempted", "campaign_cancelled")}
        [row] = world.store.again.retried(second, states=[_E.NOT_ATTEMPTED])
        assert f'"again":"{campaign}:2"' in row.patch
        start = world.sim.event(CALENDAR, event_uid(1)).start + 2 * ONE_HOUR
        world.sim.edit_as_user(CALENDAR, event_uid(1), start=start, end=start + ONE_HOUR)
        third = world.retry(second, key="third")
        assert await world.drain(third) == {2: ("conflict", "changed_elsewhere")}


async def test_an_undo_is_tried_again_and_a_retry_is_undone(sqlite_url: str) -> None:
    """Each is a campaign like any other."""
    async with a_world(sqlite_url, settle=0.1) as world:
        world.add_account()
        world.add_event(1, summary="Plan")
        patch = Patch(
            ops=(Shift(seconds=3600), AddText(field="summary", text="!")), move=Elsewhere()
        )
        refuse(world, status=503, times=None)
        campaign = world.submit({1: patch}, policy=FEW)
        assert await world.drain(campaign) == {2: ("failed", "upstream")}
        world.sim.faults.clear()
        retry = world.retry(campaign)
        assert await world.drain(retry) == {2: VERIFIED}
        assert (world.sim.event(CALENDAR, event_uid(1)).summary, world.shift_of(1)) == (
            "Plan!",
            ONE_HOUR,
        )

        undo = world.undo(retry)
        await world.reach(undo, _S.AWAITING_APPROVAL)
        refuse(world, status=422)
        world.begin(undo)
        assert await world.drain(undo) == {2: ("failed", "rejected")}
        world.sim.faults.clear()
        again = world.retry(undo, key="again", is_planned=True)
        await planned(world, again)
        assert await world.drain(again) == {2: VERIFIED}
        assert world.sim.event(CALENDAR, event_uid(1)).summary == "Plan"
        assert world.shift_of(1) == timedelta()


async def test_lines_that_repeat_another_are_not_tried(sqlite_url: str) -> None:
    """The first of them was the edit; nor are those that ask for nothing since an erasure."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        await world.drain(campaign)
        asked = msgspec.json.encode(Patch(move=HOUR)).decode()
        as_it_is = f"state = 'verified', code = 'verified', patch = '{asked}'"
        for change in (
            "state = 'skipped', code = 'duplicate_in_file'",
            "state = 'failed', code = 'upstream', patch = '{}'",
            as_it_is,
        ):
            with world.store.database.begin() as connection:
                connection.exec_driver_sql(f"UPDATE edits SET {change}")
            assert not list(world.store.again.retried(campaign, states=[_E.SKIPPED, _E.FAILED]))


async def test_without_its_images_a_shift_that_was_sent_is_not_made_again(sqlite_url: str) -> None:
    """Where the first try would have put it is not known any more (law 3)."""
    async with a_world(sqlite_url, settle=0.1) as world:
        world.add_account()
        world.add_event(1)
        refuse(world, status=503, times=None)
        campaign = world.submit({1: Patch(move=HOUR)}, policy=FEW)
        await world.drain(campaign)
        world.sim.faults.clear()
        retry = world.retry(campaign)
        with world.store.database.begin() as connection:
            sql = "UPDATE edits SET before = NULL, target = NULL WHERE campaign_id = ?"
            connection.exec_driver_sql(sql, (campaign,))
        assert await world.drain(retry) == {2: ("skipped", "already_in_campaign")}
        assert world.shift_of(1) == timedelta()
