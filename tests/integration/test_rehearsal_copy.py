"""Copying live calendars: the copy is what the API shows, and copying changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.world import World, a_world, event_uid, soon
from worker.errors import ApiError
from worker.model import AccountStatus, Between, Select
from worker.rehearsal import Copied, Meant, copy_accounts, meant_by, meant_in, open_book
from worker.simulator import Behaviour, Fault, Simulator
from worker.simulator.control import set_account
from worker.simulator.faults import Match as Route
from worker.simulator.faults import Reply
from worker.simulator.seeds import seed_people, seed_world
from worker.simulator.values import Attendee, Location, Person
from worker.store import NewAccount

TODAY = datetime.now(UTC).date()
SOON = Select(between=Between(first=TODAY, after=TODAY + timedelta(days=30)))


async def copied(world: World, meant: Meant, folder: Path) -> tuple[Simulator, Copied]:
    """Return a simulator with the copy, and what is known of that."""
    path = folder / "copy.jsonl"
    with open_book(path) as book:
        await copy_accounts(world.engine, meant, book)
    for account in world.sim.accounts.values():
        assert account.access_token not in path.read_text()
        assert account.refresh_token not in path.read_text()
    sim = Simulator()
    seed_world(sim, path)
    return sim, book.copied


def nothing_was_written(world: World) -> bool:
    """Tell whether the API and the database are as they were."""
    told = {seen.method for seen in world.sim.requests}
    return told == {"GET"} and world.sim.writes == [] and not world.store.campaigns.newest(limit=1)


async def test_a_copy_is_what_the_api_shows(sqlite_url: str, tmp_path: Path) -> None:
    """Made-up people of every kind, on many pages: each event as it was, and under its names."""
    behaviour = Behaviour(rate=(), page_size=7)
    async with a_world(sqlite_url, behaviour=behaviour) as world:
        seed_people(world.sim, accounts=3, events=60, seed=4, today=TODAY)
        vault, live = world.engine.vault, world.sim
        world.store.accounts.import_all(
            [
                NewAccount(
                    sub=one.sub,
                    label=one.label,
                    access_token=vault.seal(one.sub, one.access_token),
                    refresh_token=vault.seal(one.sub, one.refresh_token),
                )
                for one in live.accounts.values()
            ],
            actor="test",
        )
        named = {sub: {*one.calendar_ids} for sub, one in live.accounts.items()}
        sim, found = await copied(world, meant_in(named, world.store), tmp_path)

        assert sim.events.keys() == live.events.keys()
        for key, event in sim.events.items():
            # Neither is told by Read Events: a place's position costs extra.
            place = live.events[key].location
            assert event.location == (place and Location(place.description))
            fields = {"start", "end", "start_tzid", "end_tzid", "options", "recurring"}
            fields |= {"event_id", "deleted", "attendees", "organizer", "event_private"}
            fields |= {"summary", "description", "transparency", "series_identifier", "created"}
            for name in fields:
                assert getattr(event, name) == getattr(live.events[key], name), (key, name)
        assert sim.calendars == live.calendars
        assert {sub: one.label for sub, one in sim.accounts.items()} == {
            sub: one.label for sub, one in live.accounts.items()
        }
        assert (found.accounts, found.events, found.unusable) == (3, len(live.events), 0)
        assert found.calls == len(live.requests)
        assert nothing_was_written(world)


async def test_only_what_is_meant_is_copied(sqlite_url: str, tmp_path: Path) -> None:
    """Other calendars and days are nobody's business; that there are calendars is told."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_calendar("cal_board")
        world.add_account("acc_2", calendars=["cal_2"])
        guest = Attendee(email="guest@elsewhere.org")
        world.add_event(1, attendees=(guest,), organizer=Person(email="a@b.c"))
        world.add_event(2, calendar_id="cal_board")
        world.add_event(3, calendar_id="cal_2")
        late = soon(0) + timedelta(days=90)
        world.add_event(4, start=late, end=late + timedelta(hours=1))
        select = Select(between=SOON.between, subs=("acc_1",), exclude=("cal_board",))

        sim, _ = await copied(world, meant_by(select, world.store), tmp_path)
        assert [*sim.accounts] == ["acc_1"]
        assert [*sim.calendars] == ["cal_1", "cal_board"]
        assert [uid for _, uid in sim.events] == [event_uid(1)]

        meant = meant_in({"acc_1": {"cal_board", "cal_nowhere"}}, world.store)
        sim, _ = await copied(world, meant, tmp_path)
        assert [uid for _, uid in sim.events] == [event_uid(2)]
        assert nothing_was_written(world)


async def test_accounts_out_of_use_are_so_in_the_copy(sqlite_url: str, tmp_path: Path) -> None:
    """They are named, and their edits fail in the rehearsal as they would."""
    async with a_world(sqlite_url) as world:
        for number in (1, 2, 3, 4):
            world.add_account(f"acc_{number}", calendars=[f"cal_{number}"])
            world.add_event(number, calendar_id=f"cal_{number}")
        world.store.accounts.set_status("acc_2", AccountStatus.LOST, reason="gone", actor="test")
        set_account(world.sim, world.sim.accounts["acc_3"], "locked")
        world.sim.accounts["acc_4"].scope = ""

        sim, found = await copied(world, meant_by(SOON, world.store), tmp_path)

        assert found.unread["acc_2"] == (AccountStatus.LOST, "gone")
        assert found.unread["acc_4"].status is AccountStatus.PARKED
        assert found.unread.keys() == {"acc_2", "acc_4"}
        assert {uid for _, uid in sim.events} == {event_uid(1), event_uid(3)}
        assert not any(each.connected for each in sim.accounts["acc_3"].profiles.values())
        assert sim.accounts.keys() == {"acc_1", "acc_2", "acc_3", "acc_4"}


async def test_half_a_copy_is_none(sqlite_url: str, tmp_path: Path) -> None:
    """An API that fails ends it with an error, not with what was read so far."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        world.sim.faults.add(Fault(act=Reply(status=500), match=Route(route="events", times=None)))
        with pytest.raises(ApiError):
            await copied(world, meant_by(SOON, world.store), tmp_path)
