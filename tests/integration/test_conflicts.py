"""Between a plan and its turn people are at work: what `on_conflict` lets happen then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.world import CALENDAR, World, a_world, event_uid, soon
from worker.model import (
    AddText,
    CampaignState,
    InZone,
    Lasting,
    Op,
    Patch,
    Policy,
    Replace,
    Run,
    SetText,
    Shift,
    ToTime,
)
from worker.simulator.values import Event, Location

VERIFIED = ("verified", "verified")
CONFLICT = ("conflict", "changed_elsewhere")
HOUR = timedelta(hours=1)
LATER, RENAMED = {"by": timedelta(minutes=150)}, {"summary": "Theirs"}
SHIFT, MARK = Shift(seconds=3600), AddText(field="summary", text=" (moved)")
FRIDAY = ToTime(weekday=4, time="09:00")
ROOM = Replace(field="location", pattern="Room", with_text="Hall")
BIGGER = Replace(field="location", pattern="Room", with_text="Big Room")


async def outcome(
    world: World, ops: tuple[Op, ...], theirs: Mapping[str, Any], *, policy: str
) -> tuple[tuple[str, str], Event, Event]:
    """Plan, have somebody change the event, and begin; returns how it ended, their event and ours.

    "by" moves the event as a whole.
    """
    world.add_account()
    start = soon(1) + timedelta(minutes=7)
    world.add_event(1, start=start, location=Location("Room 4"), description="Agenda")
    campaign = world.submit({1: Patch(ops=ops)}, run=Run(), policy=Policy(on_conflict=policy))
    await world.reach(campaign, CampaignState.AWAITING_APPROVAL)
    now, fields = world.sim.event(CALENDAR, event_uid(1)), dict(theirs)
    if "by" in fields:
        by = fields.pop("by")
        fields |= {"start": now.start + by, "end": now.end + by}
    left = world.sim.edit_as_user(CALENDAR, event_uid(1), **fields)
    world.begin(campaign)
    ended = await world.drain(campaign)
    return ended[2], left, world.sim.event(CALENDAR, event_uid(1))


@pytest.mark.parametrize(
    ("ops", "theirs", "expected"),
    [
        # What we do not touch is theirs in any case.
        ((SHIFT,), RENAMED, {"by": HOUR, "summary": "Theirs"}),
        ((MARK,), LATER, {"summary": "Meeting 1 (moved)"}),
        # An addition means the same whatever stands there, and so does a value.
        ((MARK,), RENAMED, {"summary": "Theirs (moved)"}),
        ((SetText(field="summary", value="Ours"),), RENAMED, {"summary": "Ours"}),
        ((ROOM,), {"location": "Room 9"}, {"location": "Hall 9"}),
        # The plan's own move, with their title in ours.
        ((SHIFT, MARK), RENAMED, {"by": HOUR, "summary": "Theirs (moved)"}),
        # From where they have put it.
        ((Lasting(seconds=900),), LATER, {"length": timedelta(minutes=15)}),
        ((InZone(tzid="Asia/Tokyo"),), LATER, {"start_tzid": "Asia/Tokyo"}),
    ],
)
async def test_a_rebase_makes_the_same_change_to_what_is_there_now(
    sqlite_url: str,
    ops: tuple[Op, ...],
    theirs: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    """Where it means the same; all other fields are as they left them."""
    async with a_world(sqlite_url) as world:
        ended, left, now = await outcome(world, ops, theirs, policy="rebase")
        assert ended == VERIFIED
        by = expected.pop("by", timedelta())
        length = expected.pop("length", left.end - left.start)
        assert (now.start - left.start, now.end - now.start) == (by, length)
        for name in ("summary", "description", "transparency", "start_tzid"):
            assert getattr(now, name) == expected.get(name, getattr(left, name)), name
        assert now.location == Location(expected.get("location", left.location.description))


async def test_a_weekday_is_that_of_the_week_they_chose(sqlite_url: str) -> None:
    """Somebody has put the meeting off by a week: it is Friday at nine there."""
    async with a_world(sqlite_url) as world:
        put_off = {"by": timedelta(days=7)}
        ended, left, now = await outcome(world, (FRIDAY,), put_off, policy="rebase")
        assert ended == VERIFIED
        assert (now.start.weekday(), now.start.hour) == (4, 9)
        assert now.start.isocalendar()[:2] == left.start.isocalendar()[:2]


@pytest.mark.parametrize(
    ("ops", "theirs"),
    [
        # Whoever moved it may have meant that very shift.
        ((SHIFT,), LATER),
        ((SHIFT, MARK), LATER),
        ((FRIDAY, SHIFT), LATER),
        # What is made has what is looked for in it: made once more it would be another thing.
        ((BIGGER,), {"location": "Room 9"}),
    ],
)
async def test_a_rebase_that_would_mean_something_else_is_a_conflict(
    sqlite_url: str, ops: tuple[Op, ...], theirs: dict[str, Any]
) -> None:
    """Then nothing of it is written, not even the fields that nobody changed."""
    async with a_world(sqlite_url) as world:
        ended, left, now = await outcome(world, ops, theirs, policy="rebase")
        assert (ended, now) == (CONFLICT, left)
        assert not world.sim.writes


async def test_force_writes_our_fields_and_no_other(sqlite_url: str) -> None:
    """Moved, renamed, told anew and put elsewhere by somebody: the time alone was ours."""
    theirs = LATER | RENAMED | {
        "description": "Theirs too", "location": "Their room", "transparency": "transparent",
    }  # fmt: skip
    async with a_world(sqlite_url) as world:
        ended, left, now = await outcome(world, (SHIFT,), theirs, policy="force")
        planned = soon(1) + timedelta(minutes=7) + HOUR
        assert ended == VERIFIED
        assert (now.start, now.end) == (planned, planned + HOUR)
        for name in ("summary", "description", "location", "transparency", "start_tzid"):
            assert getattr(now, name) == getattr(left, name), name


async def test_force_leaves_their_time_to_a_new_title(sqlite_url: str) -> None:
    """The times are sent with each edit: as they are now, not as they were at the plan."""
    ops = (SetText(field="summary", value="Ours"),)
    async with a_world(sqlite_url) as world:
        ended, left, now = await outcome(world, ops, LATER | RENAMED, policy="force")
        assert ended == VERIFIED
        assert (now.summary, now.start, now.end) == ("Ours", left.start, left.end)


@pytest.mark.parametrize("policy", ["skip", "rebase", "force"])
@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        ({"deleted": True}, ("skipped", "deleted")),
        ({"recurring": True}, ("skipped", "recurring")),
        ({"days": 1}, CONFLICT),
    ],
)
async def test_no_policy_writes_where_nothing_may_be_written(
    sqlite_url: str, policy: str, theirs: dict[str, Any], code: tuple[str, str]
) -> None:
    """Deleted, made a series, or made a whole day, which is made no hour again."""
    fields = dict(theirs)
    if days := fields.pop("days", 0):
        first = soon(1).date()
        fields = {"start": first, "end": first + timedelta(days=days)}
    async with a_world(sqlite_url) as world:
        ended, left, now = await outcome(world, (SHIFT, MARK), fields, policy=policy)
        assert (ended, now) == (code, left)
        assert not world.sim.writes


@pytest.mark.parametrize("policy", ["rebase", "force"])
async def test_an_undo_of_what_was_forced_gives_theirs_back(sqlite_url: str, policy: str) -> None:
    """What was there right before the write is what an undo knows, not what the plan saw."""
    ops = (SetText(field="summary", value="Ours"),)
    async with a_world(sqlite_url) as world:
        ended, _, _ = await outcome(world, ops, RENAMED, policy=policy)
        assert ended == VERIFIED
        undo = world.undo("c_campaign")
        await world.reach(undo, CampaignState.AWAITING_APPROVAL)
        world.begin(undo)
        assert await world.drain(undo) == {2: VERIFIED}
        assert world.sim.event(CALENDAR, event_uid(1)).summary == "Theirs"
