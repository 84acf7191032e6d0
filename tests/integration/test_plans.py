"""Plan, approve, begin: nothing is sent before somebody agreed, and then what was agreed to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.world import CALENDAR, HOUR, a_world, event_uid, soon
from worker.errors import Held
from worker.model import CampaignState, Patch, Policy, Replace, Run, Shift
from worker.simulator.values import Attendee

VERIFIED = ("verified", "verified")
_S = CampaignState


async def test_a_plan_only_reads_and_a_beginning_does_what_was_planned(database_url: str) -> None:
    """The second flow: planned, looked at, approved, carried out, proven."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(70):
            guest = Attendee(email="guest@example.com", display_name="G", status="accepted")
            world.add_event(number, attendees=[guest], can_update=number != 7)
        campaign = world.submit(range(70), run=Run(), chunk_size=30)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        assert not world.sim.writes
        assert world.store.plans.totals(campaign) == (69, 69, 0)
        planned = list(world.store.reading.outcomes(campaign))
        assert [one.line_no for one in planned if one.target is None] == [9]
        assert world.outcomes(campaign)[9] == ("skipped", "event_locked")
        assert [one.seen.summary for one in planned if one.seen] == ["Meeting 7"]
        assert world.campaign(campaign).plan_hash

        world.begin(campaign)
        outcomes = await world.drain(campaign)

        assert sorted(set(outcomes.values())) == [("skipped", "event_locked"), VERIFIED]
        assert all(world.writes_to(number) == (number != 7) for number in range(70))
        assert world.state_of(campaign) is _S.COMPLETED


async def test_a_plan_with_nothing_to_change_is_over(sqlite_url: str) -> None:
    """Nobody is asked to approve nothing."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit({1: Patch(summary="Meeting 1")}, run=Run())
        outcomes = await world.drain(campaign)
        assert outcomes == {2: ("unchanged", "already_as_asked")}
        assert world.state_of(campaign) is _S.COMPLETED


async def test_what_changed_since_the_plan_is_a_conflict_with_three_values(
    database_url: str,
) -> None:
    """Somebody's own move wins; somebody's new title stays, since the plan does not touch it."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in (1, 2):
            world.add_event(number)
        campaign = world.submit([1, 2], run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        later = world.sim.event(CALENDAR, event_uid(1)).start + timedelta(hours=3)
        ends = later + timedelta(hours=1)
        world.sim.edit_as_user(CALENDAR, event_uid(1), start=later, end=ends)
        world.sim.edit_as_user(CALENDAR, event_uid(2), summary="Theirs")

        world.begin(campaign)
        outcomes = await world.drain(campaign)

        assert outcomes == {2: ("conflict", "changed_elsewhere"), 3: VERIFIED}
        conflict, moved = world.store.reading.outcomes(campaign)
        assert conflict.before is not None
        assert conflict.target is not None
        assert conflict.seen is not None
        assert conflict.target.when.start - conflict.before.when.start == timedelta(hours=1)
        assert conflict.seen.when.start - conflict.before.when.start == timedelta(hours=3)
        assert world.sim.event(CALENDAR, event_uid(2)).summary == "Theirs"
        assert moved.target is not None
        assert moved.target.summary == "Theirs"


@pytest.mark.parametrize(
    ("policy", "code"),
    [("skip", ("conflict", "changed_elsewhere")), ("rebase", VERIFIED), ("force", VERIFIED)],
)
async def test_conflicts_end_as_the_campaign_says(
    sqlite_url: str, policy: str, code: tuple[str, str]
) -> None:
    """An absolute value means the same whatever was there before."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit(
            {1: Patch(summary="Ours")}, run=Run(), policy=Policy(on_conflict=policy)
        )
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.sim.edit_as_user(CALENDAR, event_uid(1), summary="Theirs")
        world.begin(campaign)
        assert await world.drain(campaign) == {2: code}


async def test_a_plan_is_used_once_and_not_after_it_has_expired(sqlite_url: str) -> None:
    """A second beginning, another plan's hash and an old plan are refused, and change nothing."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1], run=Run())
        with pytest.raises(Held, match="it is planning"):
            world.begin(campaign)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        with pytest.raises(Held, match="another one than sha256:0000"):
            world.store.plans.approve(campaign, actor="a", reason="r", plan="sha256:0000")
        with world.store.database.begin() as connection:
            connection.execute(text("UPDATE campaigns SET expires_at = planned_at"))
        with pytest.raises(Held, match="has expired"):
            world.begin(campaign)
        assert await world.drain(campaign) == {2: ("not_attempted", "plan_expired")}
        assert world.state_of(campaign) is _S.EXPIRED
        assert not world.sim.writes


async def test_a_large_plan_needs_a_second_person(sqlite_url: str) -> None:
    """Its owner cannot begin it alone; anybody else's approval is enough."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in (1, 2):
            world.add_event(number)
        campaign = world.submit([1, 2], run=Run(second_person_above=1))
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        with pytest.raises(Held, match="2 changes are more than the 1 that one person may begin"):
            world.begin(campaign, actor="test")
        world.store.plans.approve(campaign, actor="second", reason="seen")
        world.begin(campaign, actor="test")
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert [each.actor for each in world.store.plans.approvals(world.campaign(campaign))] == [
            "second", "test",
        ]  # fmt: skip


async def test_a_canary_goes_first_and_opens_the_gate_when_proven(database_url: str) -> None:
    """The rest waits until each of the few is read back."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number)
        campaign = world.submit(range(40), run=Run(), chunk_size=20)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.begin(campaign, canary=5)
        while len(world.sim.writes) < 5:
            await world.step()
        assert len(world.sim.writes) == 5
        assert set((await world.drain(campaign)).values()) == {VERIFIED}
        assert len(world.sim.writes) == 40


async def test_a_canary_is_spread_over_zones_and_whole_days(database_url: str) -> None:
    """Where a shift goes wrong, it goes wrong there: forty alike are one kind, and two are others.

    What tells them apart names no zone.
    """
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(40):
            world.add_event(number, start_tzid="Europe/Paris", end_tzid="Europe/Paris")
        world.add_event(40, start_tzid="Asia/Tokyo", end_tzid="Asia/Tokyo")
        day = soon(0).date()
        world.add_event(41, start=day, end=day + timedelta(days=1))
        day_later = Patch(move=Shift(days=1))
        campaign = world.submit(dict.fromkeys(range(42), day_later), run=Run(), chunk_size=20)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        with world.store.database.read() as connection:
            kinds = connection.execute(text("SELECT DISTINCT alike FROM edits")).scalars().all()
        assert len(kinds) == 3
        assert all(len(kind) == 8 for kind in kinds)
        world.begin(campaign, canary=3)
        while len(world.sim.writes) < 3:
            await world.step()
        first = {write.event_uid for write in world.sim.writes}
        assert {event_uid(40), event_uid(41)} < first
        assert set((await world.drain(campaign)).values()) == {VERIFIED}


async def test_a_plan_that_begins_itself_still_needs_a_second_person(sqlite_url: str) -> None:
    """Nobody has been asked yet, so that it waits and says why."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in (1, 2):
            world.add_event(number)
        campaign = world.submit([1, 2], run=Run(is_automatic=True, second_person_above=1))
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        assert "one person may begin" in world.campaign(campaign).state_reason


async def test_a_canary_that_is_not_proven_holds_the_rest(sqlite_url: str) -> None:
    """A person decides: after a look the rest follows, or is cancelled."""
    async with a_world(sqlite_url, verify_within=0.3) as world:
        world.add_account()
        for number in range(10):
            world.add_event(number)
        campaign = world.submit({n: Patch(move=HOUR) for n in range(10)}, run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.sim.behave(dropped=1.0)
        world.begin(campaign, canary=2)
        await world.reach(campaign, _S.PAUSED)
        assert "canary" in world.campaign(campaign).state_reason
        assert len(world.sim.writes) == 2
        world.sim.behave(dropped=0.0)
        assert world.store.steering.resume(campaign, actor="boss", reason="looked at it")
        outcomes = await world.drain(campaign)
        assert sorted(code for _, code in outcomes.values()) == ["no_effect"] * 2 + ["verified"] * 8


async def test_guards_hold_until_the_edit_is_sent(sqlite_url: str) -> None:
    """Somebody of another domain is invited between the plan and its turn."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in (1, 2):
            world.add_event(number, attendees=(Attendee(email="bob@acme.com"),))
        policy = Policy(skip=("external_attendees",), internal_domains=("acme.com",))
        campaign = world.submit([1, 2], run=Run(), policy=policy)
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        guests = (Attendee(email="bob@acme.com"), Attendee(email="eve@elsewhere.org"))
        world.sim.edit_as_user(CALENDAR, event_uid(1), attendees=guests)

        world.begin(campaign)

        assert await world.drain(campaign) == {2: ("skipped", "external_attendees"), 3: VERIFIED}
        assert world.writes_to(1) == 0


async def test_what_was_replaced_is_not_replaced_once_more(sqlite_url: str) -> None:
    """The same campaign under another key, where what it makes has what it looks for in it."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1, summary="Room 4")
        op = Replace(field="summary", pattern="Room", with_text="Big Room")
        asked = {1: Patch(ops=(op,))}
        assert await world.drain(world.submit(asked, run=Run(is_automatic=True))) == {2: VERIFIED}
        again = await world.drain(world.submit(asked, key="again", run=Run(is_automatic=True)))
        assert again == {2: ("skipped", "already_in_campaign")}
        assert world.sim.event(CALENDAR, event_uid(1)).summary == "Big Room 4"
