"""Undo: what we changed goes back, what people changed since stays."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.world import CALENDAR, World, a_world, event_uid, soon
from worker.model import AddText, CampaignState, InZone, Lasting, Patch, Shift, ToTime
from worker.simulator.values import Location

VERIFIED = ("verified", "verified")
_S = CampaignState


async def undone(world: World, campaign: str, *, key: str = "undo") -> dict[int, tuple[str, str]]:
    """Plan, begin and finish the undo of a campaign."""
    undo = world.undo(campaign, key=key)
    await world.reach(undo, _S.AWAITING_APPROVAL)
    world.begin(undo)
    return await world.drain(undo)


async def test_an_undo_gives_back_what_was_and_an_undo_of_it_does_it_again(
    database_url: str,
) -> None:
    """Field by field; three campaigns, each proven."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(10):
            world.add_event(number, location=Location(description=f"Room {number}"))
        campaign = world.submit(
            {n: Patch(move=Shift(days=1), summary="Moved", location="") for n in range(10)}
        )
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert world.shift_of(3) == timedelta(days=1)

        assert set((await undone(world, campaign)).values()) == {VERIFIED}
        for number in range(10):
            now = world.sim.event(CALENDAR, event_uid(number))
            then = world.sim.initial[CALENDAR, event_uid(number)]
            assert (now.start, now.end, now.summary) == (then.start, then.end, then.summary)
            assert now.location == then.location

        assert set((await undone(world, "c_undo", key="again")).values()) == {VERIFIED}
        assert world.shift_of(3) == timedelta(days=1)
        assert world.sim.event(CALENDAR, event_uid(3)).summary == "Moved"


async def test_what_people_changed_since_is_left_and_listed(sqlite_url: str) -> None:
    """Moved by somebody, renamed by somebody, deleted by somebody, and locked since."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(4):
            world.add_event(number)
        campaign = world.submit(range(4))
        await world.drain(campaign)
        later = world.sim.event(CALENDAR, event_uid(0)).start + timedelta(hours=2)
        ends = later + timedelta(hours=1)
        world.sim.edit_as_user(CALENDAR, event_uid(0), start=later, end=ends)
        world.sim.edit_as_user(CALENDAR, event_uid(1), summary="Renamed")
        world.sim.delete_as_user(CALENDAR, event_uid(2))

        outcomes = await undone(world, campaign)

        assert outcomes == {
            2: ("conflict", "changed_elsewhere"),
            3: VERIFIED,
            4: ("skipped", "deleted"),
            5: VERIFIED,
        }
        assert world.shift_of(0) == timedelta(hours=3)
        renamed = world.sim.event(CALENDAR, event_uid(1))
        assert (renamed.summary, world.shift_of(1)) == ("Renamed", timedelta(0))


@pytest.mark.parametrize(
    "ops",
    [
        (ToTime(weekday=4, time="09:00"),),
        (Lasting(seconds=900), Shift(seconds=-600)),
        (InZone(tzid="Asia/Tokyo"),),
        (InZone(tzid="Asia/Tokyo", keep="wall_clock"), AddText(field="summary", text=" (moved)")),
    ],
)
async def test_transforms_are_carried_out_and_taken_back(
    sqlite_url: str, ops: tuple[object, ...]
) -> None:
    """Of a campaign file as of a row."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1, start=soon(1) + timedelta(minutes=7), start_tzid="Europe/Paris",
                        end_tzid="Europe/Paris")  # fmt: skip
        campaign = world.submit({1: Patch(ops=ops)})  # type: ignore[arg-type]
        assert await world.drain(campaign) == {2: VERIFIED}
        changed = world.sim.event(CALENDAR, event_uid(1))
        assert await undone(world, campaign) == {2: VERIFIED}
        now, then = (each[CALENDAR, event_uid(1)] for each in (world.sim.events, world.sim.initial))
        assert changed != then
        assert (now.start, now.end, now.summary, now.start_tzid) == (
            then.start, then.end, then.summary, then.start_tzid,
        )  # fmt: skip


async def test_what_was_erased_cannot_be_undone(sqlite_url: str) -> None:
    """It fails by name, and nothing is sent."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        await world.drain(campaign)
        rows = list(world.store.again.undone(campaign))
        assert len(rows) == 1
        with world.store.database.begin() as connection:
            connection.exec_driver_sql("UPDATE edits SET before = NULL, target = NULL")
        undo = world.undo(campaign)
        assert await world.drain(undo) == {2: ("failed", "nothing_to_undo")}
        assert len(world.sim.writes) == 1
