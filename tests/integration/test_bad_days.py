"""Bad days of the API: each ends in the promised outcome, and nothing is lost or done twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.world import ACCOUNT, CALENDAR, World, a_world, event_uid, soon
from worker.model import AccountStatus, CampaignState, Patch
from worker.simulator import Behaviour, Fault
from worker.simulator.acts import (
    Act,
    Delay,
    Garbage,
    Hang,
    Huge,
    Late,
    Lengthen,
    LoopPages,
    Reply,
    Reset,
    Shorten,
    Truncate,
    UserEdit,
)
from worker.simulator.faults import Match
from worker.simulator.values import Calendar, Options, Profile

VERIFIED = ("verified", "verified")
PEOPLE = 6


def arm(world: World, route: str, act: Act, **match: object) -> None:
    """Arm a fault, for the first matching request unless told otherwise."""
    world.sim.faults.add(Fault(act=act, match=Match(route=route, **match)))  # type: ignore[arg-type]


def fill(world: World, count: int = PEOPLE) -> None:
    world.add_account()
    for number in range(count):
        world.add_event(number)


PASSING: list[tuple[str, Act]] = [
    ("calendars", Reply(status=503)),
    ("events", Reply(status=500)),
    ("events", Reply(status=502, body="<html>bad gateway</html>")),
    ("events", Reply(status=504)),
    ("events", Reply(status=429, retry_after=1)),
    ("events", Reply(status=429)),
    ("events", Garbage()),
    ("events", Truncate()),
    ("events", Reset()),
    ("events", Delay(seconds=3.0)),
    ("batch", Reply(status=500)),
    ("batch", Reply(status=503, taken=True)),
    ("batch", Reply(status=504, taken=True)),
    ("batch", Reply(status=429, retry_after=1)),
    ("batch", Reply(status=429, retry_after="soon")),
    ("batch", Reply(status=429)),
    ("batch", Reply(status=401)),
    ("batch", Reply(status=422, body="{}")),
    ("batch", Reset()),
    ("batch", Reset(taken=True)),
    ("batch", Hang(taken=True)),
    ("batch", Hang()),
    ("batch", Garbage()),
    ("batch", Garbage(body="[1, 2", content_type="application/json")),
    ("batch", Truncate()),
    ("batch", Huge(size=3_000_000)),
    ("batch", Shorten(items=1)),
    ("batch", Shorten(items=PEOPLE)),
    ("batch", Lengthen(items=1)),
    ("batch_item", Reply(status=429)),
    ("batch_item", Reply(status=500)),
    ("batch_item", Reply(status=503, taken=True)),
    ("batch_item", Reply(status=401)),
]


@pytest.mark.row(12)
@pytest.mark.row(13)
@pytest.mark.parametrize(("route", "act"), PASSING, ids=lambda value: str(value)[:60])
async def test_a_fault_that_passes_costs_time_and_nothing_else(
    sqlite_url: str, route: str, act: Act
) -> None:
    """After one bad answer every event has moved by exactly one hour, and that is proven."""
    async with a_world(sqlite_url) as world:
        fill(world)
        arm(world, route, act)
        campaign = world.submit(range(PEOPLE))

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {VERIFIED}
        assert all(world.shift_of(number) == timedelta(hours=1) for number in range(PEOPLE))
        world.audit_run()


LASTING: list[tuple[str, Act, tuple[str, str]]] = [
    ("events", Reply(status=500), ("failed", "upstream")),
    ("events", Garbage(), ("failed", "upstream")),
    ("events", Reply(status=403), ("skipped", "permission_missing")),
    ("events", Reply(status=423), ("skipped", "account_locked")),
    ("events", Reply(status=402), ("not_attempted", "campaign_failed")),
    ("calendars", Reply(status=401), ("failed", "unauthorized")),
    ("write", Reply(status=500), ("failed", "upstream")),
    ("batch_item", Reply(status=500), ("failed", "upstream")),
    ("batch_item", Reply(status=422), ("failed", "rejected")),
    ("batch_item", Reply(status=403), ("skipped", "permission_missing")),
    ("batch_item", Reply(status=404), ("skipped", "not_found")),
    ("batch_item", Reply(status=410), ("skipped", "not_found")),
    ("batch_item", Reply(status=402), ("failed", "rejected")),
]


@pytest.mark.row(13)
@pytest.mark.parametrize(("route", "act", "expected"), LASTING, ids=lambda value: str(value)[:50])
async def test_a_fault_that_stays_ends_every_edit_by_name(
    sqlite_url: str, route: str, act: Act, expected: tuple[str, str]
) -> None:
    """No campaign stays open for ever, and what did not happen is not called done."""
    async with a_world(sqlite_url, verify_within=1.0, settle=0.05) as world:
        fill(world)
        arm(world, route, act, times=None)
        campaign = world.submit(range(PEOPLE))

        outcomes = await world.drain(campaign, within_s=60)

        assert set(outcomes.values()) == {expected}
        assert all(world.shift_of(number) == timedelta(0) for number in range(PEOPLE))
        world.audit_run()


@pytest.mark.row(14)
async def test_pages_that_never_end_are_not_followed_for_ever(sqlite_url: str) -> None:
    """A page that names itself as the next one is an answer that proves nothing."""
    async with a_world(sqlite_url, settle=0.05) as world:
        fill(world)
        arm(world, "events", LoopPages(), times=None)
        campaign = world.submit([*range(PEOPLE), 404])

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {("failed", "upstream")}
        assert not world.sim.writes


@pytest.mark.row(18)
async def test_402_stops_the_whole_campaign(sqlite_url: str) -> None:
    """What the plan lacks, no edit can do: the others are not attempted, and the reason is told."""
    async with a_world(sqlite_url) as world:
        fill(world)
        arm(world, "batch", Reply(status=402), times=None)
        campaign = world.submit(range(PEOPLE), chunk_size=2)

        outcomes = await world.drain(campaign)

        assert {state for state, _ in outcomes.values()} <= {"failed", "not_attempted"}
        ended = world.store.campaigns.get(campaign)
        assert ended is not None
        assert (ended.state, ended.state_reason) == (CampaignState.FAILED, "plan_feature_missing")
        world.audit_run()


@pytest.mark.row(18)
async def test_a_locked_account_is_parked_and_others_go_on(sqlite_url: str) -> None:
    """423: its owner must reconnect; nobody else waits for that."""
    async with a_world(sqlite_url) as world:
        fill(world, 3)
        world.add_account("acc_2", calendars=["cal_2"])
        for number in range(3):
            world.add_event(number, calendar_id="cal_2")
        world.sim.accounts[ACCOUNT].profiles[f"pro_{ACCOUNT}"].connected = False
        locked = world.submit(range(3), key="locked")
        open_ = world.submit(range(3), key="open", account="acc_2", calendar_id="cal_2")

        assert set((await world.drain(locked)).values()) == {("skipped", "account_locked")}
        assert set((await world.drain(open_)).values()) == {VERIFIED}
        account = world.store.accounts.get(ACCOUNT)
        assert account is not None
        assert (account.status, account.reason) == (AccountStatus.PARKED, "account_locked")
        world.audit_run()


async def test_a_second_profile_works_on_while_the_first_is_locked(sqlite_url: str) -> None:
    """Credentials are a profile's: an account may have a live and a dead one (§11, 19)."""
    async with a_world(sqlite_url) as world:
        fill(world, 2)

        account = world.sim.accounts[ACCOUNT]
        account.profiles["pro_2"] = Profile(profile_id="pro_2", profile_name="second")
        world.sim.add_calendar(
            Calendar(calendar_id="cal_b", calendar_name="b", sub=ACCOUNT, profile_id="pro_2")
        )
        world.add_event(7, calendar_id="cal_b")
        account.profiles[f"pro_{ACCOUNT}"].connected = False
        dead = world.submit(range(2), key="dead")
        live = world.submit([7], key="live", calendar_id="cal_b")

        assert set((await world.drain(dead)).values()) == {("skipped", "account_locked")}
        assert set((await world.drain(live)).values()) == {VERIFIED}


@pytest.mark.row(17)
async def test_an_expired_token_is_refreshed_once_for_all(sqlite_url: str) -> None:
    """Ten chunks of one account find it expired at the same time: one refresh call."""
    async with a_world(sqlite_url) as world:
        fill(world, 20)
        world.sim.behave(rotate_refresh_tokens=True)
        world.sim.access_tokens[f"access-{ACCOUNT}"] = (ACCOUNT, 0.0)
        campaign = world.submit(range(20), chunk_size=2)

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {VERIFIED}
        assert sum(r.route == "token" for r in world.sim.requests) == 1
        world.audit_run()


@pytest.mark.row(18)
async def test_a_revoked_account_is_lost_and_says_so(sqlite_url: str) -> None:
    """400 invalid_grant is final: no further call is made for the account."""
    async with a_world(sqlite_url) as world:
        fill(world)
        world.sim.access_tokens.clear()
        world.sim.refresh_tokens.clear()
        campaign = world.submit(range(PEOPLE), chunk_size=3)

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {("failed", "account_lost")}
        account = world.store.accounts.get(ACCOUNT)
        assert account is not None
        assert account.status is AccountStatus.LOST
        asked = len(world.sim.requests)
        again = world.submit(range(PEOPLE), key="again")
        assert set((await world.drain(again)).values()) == {("failed", "account_lost")}
        assert len(world.sim.requests) == asked


@pytest.mark.row(38)
async def test_a_forgotten_account_fails_its_edits_without_a_call(sqlite_url: str) -> None:
    """accounts forget, while a campaign still waits."""
    async with a_world(sqlite_url) as world:
        fill(world)
        campaign = world.submit(range(PEOPLE))
        world.store.accounts.forget(ACCOUNT, actor="test")

        assert set((await world.drain(campaign)).values()) == {("failed", "account_lost")}
        assert not world.sim.requests


@pytest.mark.row(23)
async def test_somebody_elses_edit_in_between_is_not_overwritten(sqlite_url: str) -> None:
    """In doubt, then read: neither before nor target means a person was there (law 5)."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        elsewhere = (soon(0) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        ends = (soon(0) + timedelta(days=1, hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
        arm(world, "edit", Reset())
        campaign = world.submit([0])
        await world.step()
        world.sim.edit_as_user(CALENDAR, event_uid(0), start=elsewhere, end=ends)

        assert await world.drain(campaign) == {2: ("conflict", "changed_elsewhere")}
        assert world.shift_of(0) == timedelta(days=1)
        world.audit_run()


@pytest.mark.row(23)
async def test_a_title_changed_between_doubt_and_resend_survives(sqlite_url: str) -> None:
    """A field that the edit does not touch goes out with its current value."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        arm(world, "edit", Reset())
        campaign = world.submit([0])
        await world.step()
        world.sim.edit_as_user(CALENDAR, event_uid(0), summary="Renamed by its owner")

        assert await world.drain(campaign) == {2: VERIFIED}
        assert world.sim.event(CALENDAR, event_uid(0)).summary == "Renamed by its owner"
        world.audit_run()


async def test_a_write_that_shows_late_is_not_sent_twice(sqlite_url: str) -> None:
    """The answer is lost, the write shows only later: waiting it out avoids a second mail."""
    async with a_world(sqlite_url, settle=1.0, verify_within=5.0) as world:
        fill(world, 1)
        world.sim.behave(lag_s=0.6)
        arm(world, "edit", Reset(taken=True))
        campaign = world.submit([0])

        assert await world.drain(campaign) == {2: VERIFIED}
        assert world.writes_to(0) == 1
        world.audit_run()


async def test_a_chunk_that_is_rescued_at_once_waits_out_the_lag_as_well(sqlite_url: str) -> None:
    """Whoever takes over reads too early: the old value proves nothing yet, so nothing is sent."""
    async with a_world(sqlite_url, settle=1.0, verify_within=5.0) as world:
        fill(world, 1)
        world.sim.behave(lag_s=0.6)
        arm(world, "edit", Reset(taken=True))
        campaign = world.submit([0])
        await world.step()
        with world.store.database.begin() as connection:
            connection.exec_driver_sql("UPDATE chunks SET retry_at = NULL")

        assert await world.drain(campaign) == {2: VERIFIED}
        assert world.writes_to(0) == 1
        world.audit_run()


async def test_a_very_late_write_is_proven_late(sqlite_url: str) -> None:
    """Read-backs are repeated until the time for them is over."""
    async with a_world(sqlite_url) as world:
        fill(world, 1)
        arm(world, "edit", Late(seconds=1.0))
        campaign = world.submit([0])

        assert await world.drain(campaign) == {2: VERIFIED}


async def test_an_event_deleted_after_the_edit_is_told(sqlite_url: str) -> None:
    """Accepted and then gone is neither a success nor a failure."""
    async with a_world(sqlite_url, verify_delay=0.3) as world:
        fill(world, 1)
        campaign = world.submit([0])
        await world.step()
        world.sim.delete_as_user(CALENDAR, event_uid(0))

        assert await world.drain(campaign) == {2: ("unverified", "gone_since")}


async def test_an_event_deleted_before_the_write_is_not_brought_back(sqlite_url: str) -> None:
    """Cronofy's 202 for a uid that is gone must not be called done."""
    async with a_world(sqlite_url, verify_within=0.5) as world:
        fill(world, 1)
        arm(world, "edit", UserEdit(delete=True))
        campaign = world.submit([0])

        outcomes = await world.drain(campaign)

        assert outcomes[2][0] in {"unverified", "mismatch"}
        assert world.sim.event(CALENDAR, event_uid(0)).deleted


@pytest.mark.parametrize("code", [422, 403, 202])
async def test_an_event_that_gets_locked_after_the_read_stays_untouched(
    sqlite_url: str, code: int
) -> None:
    """Which code a refused edit gets is not documented (cronofy-api §5.2): safe with each."""
    behaviour = Behaviour(rate=(), lag_s=0.05, locked_code=code)
    async with a_world(sqlite_url, behaviour=behaviour, verify_within=0.5) as world:
        fill(world, 1)
        arm(world, "edit", UserEdit(fields={"options": Options(update=False)}))
        campaign = world.submit({0: Patch(summary="New")})

        outcomes = await world.drain(campaign)

        assert outcomes[2][0] in {"failed", "skipped", "mismatch"}
        assert world.sim.event(CALENDAR, event_uid(0)).summary == "Meeting 0"
