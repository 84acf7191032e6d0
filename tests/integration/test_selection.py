"""Selection: which events a campaign file means, read from the simulator over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.world import World, a_world, event_uid
from worker.errors import ApiError
from worker.model import AccountStatus, AddText, Between, Match, Select, Shift, TextRule
from worker.selection import Selected, selected_rows
from worker.simulator import Fault
from worker.simulator.faults import Match as Route
from worker.simulator.faults import Reply
from worker.simulator.values import Attendee, Person
from worker.store import EditRow

TODAY = datetime.now(UTC).date()
SOON = Between(first=TODAY, after=TODAY + timedelta(days=30))


async def selected(world: World, select: Select) -> tuple[list[EditRow], Selected]:
    """Return all rows of a selection, and what it tells of itself."""
    found = Selected()
    ops = [Shift(seconds=3600), AddText(field="summary", text="!")]
    rows = [
        row async for some in selected_rows(world.engine, select, ops, found=found) for row in some
    ]
    return rows, found


def uids(rows: list[EditRow]) -> set[str]:
    return {row.event_uid for row in rows}


async def test_what_is_meant_is_selected_in_the_same_order_each_time(sqlite_url: str) -> None:
    """Accounts, calendars, days, and what must not be touched too: the plan will say so."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_account("acc_2", calendars=["cal_2"])
        world.add_calendar("cal_board")
        for number in range(8):
            world.add_event(number, can_update=number != 3)
        world.add_event(20, calendar_id="cal_2")
        world.add_event(21, calendar_id="cal_board")
        late = datetime.now(UTC) + timedelta(days=90)
        world.add_event(22, start=late, end=late + timedelta(hours=1))
        select = Select(between=SOON, exclude=("cal_board",))

        rows, found = await selected(world, select)

        assert uids(rows) == {event_uid(number) for number in (*range(8), 20)}
        assert [row.line_no for row in rows] == list(range(1, 10))
        assert all(row.relative for row in rows)
        assert (found.accounts, found.calendars, found.matched) == (2, 2, 9)
        again, once_more = await selected(world, select)
        assert (again, once_more.digest) == (rows, found.digest)
        world.add_event(9)
        _, other = await selected(world, select)
        assert other.digest != found.digest


async def test_each_rule_narrows_the_selection(sqlite_url: str) -> None:
    """By organizer, text, people and calendar."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        own, boss = "acc_1@example.com", "boss@example.com"
        guest = Attendee(email="guest@elsewhere.org")
        world.add_event(1, summary="Weekly standup", organizer=Person(email=own))
        world.add_event(2, summary="Weekly standup", organizer=Person(email=boss))
        world.add_event(3, summary="Review", attendees=[guest], organizer=Person(email=own))

        async def of(match: Match) -> set[str]:
            return uids((await selected(world, Select(between=SOON, match=match)))[0])

        assert await of(Match(organizer="self")) == {event_uid(1), event_uid(3)}
        assert await of(Match(organizer="other")) == {event_uid(2)}
        standup = TextRule(text="STANDUP$", how="regex", ignore_case=True)
        assert await of(Match(summary=standup)) == {event_uid(1), event_uid(2)}
        assert await of(Match(attendees_any_domain=("elsewhere.org",))) == {event_uid(3)}
        world.add_event(4, summary="Alone")
        of_domain = await of(Match(organizer_domains=("example.com",)))
        assert of_domain == {event_uid(number) for number in (1, 2, 3, 4)}
        assert await of(Match(summary=TextRule(text="Rev*", how="glob"))) == {event_uid(3)}


async def test_accounts_that_cannot_be_read_are_named(sqlite_url: str) -> None:
    """Nobody is left out silently."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_account("acc_2", calendars=["cal_2"])
        world.add_account("acc_3", calendars=[])
        world.add_event(1)
        world.store.accounts.set_status("acc_2", AccountStatus.LOST, reason="gone", actor="test")
        rows, found = await selected(world, Select(between=SOON))
        assert uids(rows) == {event_uid(1)}
        assert found.unread == {"acc_2": "lost: gone"}
        assert found.without == ["acc_3"]


async def test_half_a_selection_is_none(sqlite_url: str) -> None:
    """An API that fails ends it with an error, not with what was found so far."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        world.sim.faults.add(Fault(act=Reply(status=500), match=Route(route="events", times=None)))
        with pytest.raises(ApiError):
            await selected(world, Select(between=SOON))
