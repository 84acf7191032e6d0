"""The client before the simulator, which knows nothing of the client's code."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.builders import NOW, TODAY, all_day, an_image, timed
from worker.clock import ManualClock
from worker.cronofy import (
    LONG_REPLY,
    SHORT_REPLY,
    UNREADABLE,
    Access,
    CallCount,
    ClientLimits,
    Cronofy,
    Hopeless,
    build_edit,
    open_session,
)
from worker.errors import SettingsError, TokenLost, Unauthorized
from worker.limits import MemoryLimiter, WaitTooLong, parse_rate
from worker.model import Code, Event, EventKey, Timed
from worker.rules import (
    Accepted,
    Answer,
    InDoubt,
    ParkAccount,
    ReadWindow,
    Reauthenticate,
    RejectEdit,
    Throttled,
    readable_window,
)
from worker.simulator import (
    SIM_CLIENT_ID,
    SIM_CLIENT_SECRET,
    Behaviour,
    Fault,
    Simulator,
    SimulatorServer,
)
from worker.simulator.values import Account, Calendar, Location, Options, Profile
from worker.simulator.values import Event as Seeded

CALENDAR = "cal_work"


@dataclass(slots=True, kw_only=True)
class World:
    """A client, and the service that it speaks to."""

    sim: Simulator
    client: Cronofy
    access: Access
    clock: ManualClock
    calls: CallCount = field(default_factory=CallCount)

    async def read(self, window: ReadWindow | None = None, **options: Any) -> dict[EventKey, Event]:
        """Read everything, unless told otherwise."""
        return await self.client.read_events(
            self.access,
            window or readable_window(TODAY),
            **{"wanted": None, "calls": self.calls} | options,
        )

    async def refresh(self, **changes: str) -> Any:
        """Refresh the account's token."""
        known = {
            "base_url": self.access.base_url,
            "client_id": SIM_CLIENT_ID,
            "client_secret": SIM_CLIENT_SECRET,
            "refresh_token": "refresh-1",
        }
        return await self.client.refresh(**known | changes, calls=self.calls)


def fault(route: str, do: str, *, after: int = 0, times: int = 1, **act: Any) -> Fault:
    """Return a line of a fault script."""
    match = {"route": route, "after": after, "times": times}
    return msgspec.convert({"match": match, "act": {"do": do} | act}, Fault)


def uid(number: int) -> str:
    return f"evt_external_{number:024x}"


def key(number: int = 1) -> EventKey:
    return EventKey(CALENDAR, uid(number))


def seed(sim: Simulator, number: int, **fields: Any) -> None:
    """Add an hour's meeting tomorrow, except for what is named."""
    start = datetime(2026, 6, 2, 9, tzinfo=UTC)
    ordinary: dict[str, Any] = {
        "calendar_id": CALENDAR,
        "event_uid": uid(number),
        "summary": "Planning",
        "description": "What comes next",
        "location": Location("Room 4"),
        "start": start,
        "end": start + timedelta(hours=1),
        "created": NOW,
        "updated": NOW,
    }
    sim.add_event(Seeded(**ordinary | fields))


@contextlib.asynccontextmanager
async def a_world(*, limits: ClientLimits | None = None, **switches: Any) -> AsyncIterator[World]:
    """Open a service with one account and one calendar; `switches` are its behaviour."""
    clock = ManualClock(NOW)
    quiet: dict[str, Any] = {"rate": (), "lag_s": 0.0}
    sim = Simulator(Behaviour(**quiet | switches), clock=lambda: clock.now().timestamp())
    profile = Profile(profile_id="pro_1", profile_name="a@example.com")
    sim.add_account(
        Account(
            sub="acc_1",
            email="a@example.com",
            name="A",
            access_token="access-1",
            refresh_token="refresh-1",
            profiles={"pro_1": profile},
        )
    )
    sim.add_calendar(
        Calendar(calendar_id=CALENDAR, calendar_name="Work", sub="acc_1", profile_id="pro_1")
    )
    limiter = MemoryLimiter(rate=parse_rate("unlimited"), clock=clock)
    known = limits or ClientLimits(total_s=2.0, sock_read_s=0.3)
    async with SimulatorServer(sim) as server, open_session(known) as session:
        yield World(
            sim=sim,
            client=Cronofy(session, limiter, clock=clock, limits=known),
            access=Access(sub="acc_1", base_url=server.url, token="access-1"),
            clock=clock,
        )


async def test_all_pages_of_the_widest_window_are_read() -> None:
    """The window that planning gives is one that the service takes."""
    async with a_world(page_size=7) as world:
        for number in range(1, 31):
            seed(world.sim, number)
        found = await world.read()
        assert set(found) == {key(number) for number in range(1, 31)}
        assert world.calls.calls == {("/v1/events", 200): 1, ("/v1/events/pages/{page}", 200): 4}


async def test_every_kind_of_event_is_told_apart() -> None:
    """What must not be touched is recognised from the wire."""
    async with a_world(extra_keys=True) as world:
        seed(world.sim, 1, start_tzid="Europe/Paris", end_tzid="Europe/Paris")
        seed(world.sim, 2, recurring=True, series_identifier="s", options=Options(update=False))
        seed(world.sim, 3, event_id="own-1")
        seed(world.sim, 4, deleted=True)
        seed(world.sim, 5, start=TODAY, end=TODAY + timedelta(days=2))
        seed(world.sim, 6, meeting_url="https://meet.example.com/x")
        found = await world.read()
    assert found[key(1)].image == an_image(timed(tzid="Europe/Paris"))
    assert found[key(1)].can_update
    assert (found[key(2)].recurring, found[key(2)].can_update) == (True, False)
    assert found[key(3)].managed
    assert found[key(4)].deleted
    assert found[key(5)].image.when == all_day(TODAY, days=2)
    assert found[key(6)].image.conference


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_edits_arrive_as_they_were_meant(count: int) -> None:
    """Written, then read back: the same values, by the batch and alone."""
    target = an_image(timed("2026-06-03T13:30", tzid="Asia/Tokyo"), summary="Moved", location="")
    async with a_world() as world:
        for number in range(1, count + 1):
            seed(world.sim, number)
        edits = [
            build_edit(key(number), target, ("start", "end", "summary", "location"))
            for number in range(1, count + 1)
        ]
        answers = await world.client.write_batch(world.access, edits, calls=world.calls)
        assert answers == [Accepted()] * count
        world.sim.settle(all_of_them=True)
        found = await world.read()
        assert {event.image for event in found.values()} == {target}
        assert world.calls.total == 2


@pytest.mark.parametrize("omitted", ["kept", "reset"])
async def test_what_an_edit_does_not_name_stays(omitted: str) -> None:
    """Whether left-out fields are kept is unknown (§4.3); transparency is safe either way."""
    async with a_world(omitted_transparency=omitted) as world:
        seed(world.sim, 1, transparency="transparent")
        before = (await world.read())[key()].image
        assert isinstance(before.when, Timed)
        edit = build_edit(key(), before, ("start", "end"))
        await world.client.write_batch(world.access, [edit], calls=world.calls)
        world.sim.settle(all_of_them=True)
        assert (await world.read())[key()].image == before


async def test_a_batch_is_judged_entry_by_entry() -> None:
    """One locked event fails none of its neighbours."""
    async with a_world() as world:
        seed(world.sim, 1)
        seed(world.sim, 2, options=Options(update=False))
        edits = [build_edit(key(number), an_image(), ()) for number in (1, 2)]
        first, second = await world.client.write_batch(world.access, edits, calls=world.calls)
        assert first == Accepted()
        assert isinstance(second, RejectEdit)


@pytest.mark.parametrize(
    ("act", "answers"),
    [
        ({"do": "shorten"}, [Accepted(), InDoubt(status=0, why=SHORT_REPLY)]),
        ({"do": "lengthen"}, [InDoubt(status=207, why=LONG_REPLY)] * 2),
        ({"do": "garbage"}, [InDoubt(status=207, why=UNREADABLE, unanswered=True)] * 2),
        (
            {"do": "reset", "taken": True},
            [InDoubt(status=0, why="Disconnected", unanswered=True)] * 2,
        ),
        (
            {"do": "reset", "taken": False},
            [InDoubt(status=0, why="Disconnected", unanswered=True)] * 2,
        ),
        ({"do": "hang", "taken": True}, [InDoubt(status=0, why="timeout", unanswered=True)] * 2),
        ({"do": "truncate"}, [InDoubt(status=0, why="ClientPayloadError", unanswered=True)] * 2),
        ({"do": "slow"}, [InDoubt(status=0, why="timeout", unanswered=True)] * 2),
        ({"do": "huge", "gzip": True}, [InDoubt(status=0, why="too_large", unanswered=True)] * 2),
        ({"do": "reply", "status": 423}, [ParkAccount(code=Code.ACCOUNT_LOCKED, status=423)] * 2),
        ({"do": "reply", "status": 429, "retry_after": 5}, [Throttled(retry_after_s=5)] * 2),
        ({"do": "reply", "status": 503}, [InDoubt(status=503, why="status", unanswered=True)] * 2),
    ],
    ids=repr,
)
async def test_faults_become_answers(act: dict[str, Any], answers: list[Answer]) -> None:
    """Taken or not, an answer that never came says neither; and nothing is sent twice."""
    async with a_world() as world:
        world.sim.faults.add(fault("batch", **act))
        for number in (1, 2):
            seed(world.sim, number)
        edits = [build_edit(key(number), an_image(), ()) for number in (1, 2)]
        found = await world.client.write_batch(world.access, edits, calls=world.calls)
        assert found == answers
        assert world.calls.total == len(world.sim.requests) == 1


async def test_a_page_that_dies_is_read_again() -> None:
    """The service forgets page tokens after a while."""
    async with a_world(page_size=2) as world:
        for number in range(1, 6):
            seed(world.sim, number)
        world.sim.faults.add(fault("page", "reply", after=1, status=404))
        assert len(await world.read()) == 5


async def test_a_page_that_leads_to_itself_ends_the_read() -> None:
    """Otherwise it would be followed for ever."""
    async with a_world(page_size=2) as world:
        for number in range(1, 6):
            seed(world.sim, number)
        world.sim.faults.add(fault("page", "loop_pages", times=1000))
        with pytest.raises(Hopeless, match="circle"):
            await world.read()


async def test_failures_between_pages_are_survived() -> None:
    """Only the page that failed is asked for again."""
    async with a_world(page_size=2) as world:
        for number in range(1, 6):
            seed(world.sim, number)
        world.sim.faults.add(fault("page", "reply", times=2, status=503))
        assert len(await world.read()) == 5
        assert world.calls.calls == {
            ("/v1/events", 200): 1,
            ("/v1/events/pages/{page}", 503): 2,
            ("/v1/events/pages/{page}", 200): 2,
        }


async def test_the_service_s_own_limit_is_waited_out() -> None:
    """A read that meets 429 comes to its end, with nobody's help."""
    async with a_world(rate=((2, 1.0),), page_size=2) as world:
        for number in range(1, 12):
            seed(world.sim, number)
        assert len(await world.read()) == 11
        assert world.calls.calls["/v1/events/pages/{page}", 429] > 0


async def test_a_queue_that_is_too_long_is_left_before_anything_is_sent() -> None:
    """Waiting is the database's business then: the limiter says how long it would take."""
    async with a_world() as world, open_session() as session:
        limiter = MemoryLimiter(rate=parse_rate("1/min"), clock=world.clock)
        limits = ClientLimits(queue_s=5.0)
        client = Cronofy(session, limiter, clock=world.clock, limits=limits)
        await client.calendars(world.access, calls=world.calls)
        with pytest.raises(WaitTooLong) as caught:
            await client.calendars(world.access, calls=world.calls)
        assert caught.value.wait_s > 5
        assert world.calls.total == len(world.sim.requests) == 1


async def test_changes_alone_can_be_read() -> None:
    """That is how verification reads."""
    async with a_world() as world:
        seed(world.sim, 1, updated=NOW - timedelta(hours=1))
        seed(world.sim, 2, updated=NOW)
        assert set(await world.read(last_modified=NOW)) == {key(2)}


async def test_calendars_and_account_are_read() -> None:
    """What deciding and parking need to know."""
    async with a_world(extra_keys=True) as world:
        (calendar,) = await world.client.calendars(world.access, calls=world.calls)
        info = await world.client.account(world.access, calls=world.calls)
    assert (calendar.calendar_id, calendar.elevated, calendar.read_only) == (CALENDAR, True, False)
    assert (info.sub, info.connected) == ("acc_1", True)
    assert info.profiles[0].calendar_ids == (CALENDAR,)


@pytest.mark.parametrize("rotate", [False, True])
async def test_a_refreshed_token_opens_what_the_old_one_does_not(rotate: bool) -> None:
    """Expired: 401 on reads and writes; refreshed: served again."""
    async with a_world(rotate_refresh_tokens=rotate) as world:
        seed(world.sim, 1)
        world.clock.advance(3601)
        with pytest.raises(Unauthorized):
            await world.read()
        edit = build_edit(key(), an_image(), ())
        assert await world.client.write_batch(world.access, [edit], calls=world.calls) == [
            Reauthenticate()
        ]
        tokens = await world.refresh()
        assert (tokens.refresh_token != "refresh-1") is rotate
        assert tokens.expires_in_s == 3600
        world.access = Access(
            sub="acc_1", base_url=world.access.base_url, token=tokens.access_token
        )
        assert set(await world.read()) == {key()}


async def test_a_revoked_account_is_lost_and_a_wrong_secret_is_a_setting() -> None:
    """One stops an account, the other everything."""
    async with a_world() as world:
        with pytest.raises(SettingsError):
            await world.refresh(client_secret="wrong")
        with pytest.raises(TokenLost):
            await world.refresh(refresh_token="gone")
