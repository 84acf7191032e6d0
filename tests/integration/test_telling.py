"""What people are told of campaigns that are planned, held, steered, taken back: by real runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.world import ACCOUNT, CALENDAR, World, a_world, event_uid
from worker.model import CampaignState, EditState, Patch, Run
from worker.report import (
    Chapter,
    Pace,
    Snapshot,
    chapter,
    known_actions,
    linked,
    next_step,
    status_lines,
    status_of,
    take_snapshot,
    told,
    why_it_waits,
)
from worker.simulator import Fault
from worker.simulator.faults import Match, Reply
from worker.store import NewCampaign, Sought

_S = CampaignState
WHO = {"actor": "boss", "reason": "the board meets"}


def look_at(world: World, campaign: str) -> Snapshot:
    """Take a look at a campaign now."""
    look = take_snapshot(
        world.store, campaign, at=datetime.now(UTC), pace=Pace.of(world.engine.settings)
    )
    assert look is not None
    return look


def story(world: World, number: int) -> list[Chapter]:
    """Return the story of a numbered event, as the command tells it."""
    uid = event_uid(number)
    audit = world.store.audit.of_event(uid)
    return linked(
        [
            chapter(
                each,
                world.store.campaigns.get(each.campaign_id),
                audit,
                deeds=world.store.search.deeds(each.campaign_id),
            )
            for each in world.store.reading.of_event(uid)
        ]
    )


def text_of(found: Chapter) -> str:
    """Return a chapter as a person reads it."""
    return "\n".join(told(found))


async def test_a_canary_is_told_until_it_has_come_home(database_url: str) -> None:
    """How many are proven, and how many wait for them; nothing of it afterwards."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(30):
            world.add_event(number)
        campaign = world.submit(range(30), chunk_size=10, run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        assert status_of(look_at(world, campaign)).canary is None
        world.begin(campaign, canary=4)
        canary = status_of(look_at(world, campaign)).canary
        assert canary is not None
        assert (canary.edits, canary.proven, canary.waiting) == (4, 0, 26)
        await world.drain(campaign)
        assert status_of(look_at(world, campaign)).canary is None


async def test_a_canary_that_fails_tells_the_same_numbers(sqlite_url: str) -> None:
    """Held by calpatch; what waits still waits."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(10):
            world.add_event(number)
        refused = Fault(act=Reply(status=422), match=Match(route="batch_item", times=None))
        campaign = world.submit(range(10), run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.sim.faults.add(refused)
        world.begin(campaign, canary=2)
        await world.reach(campaign, _S.PAUSED)
        look = look_at(world, campaign)
        assert "held for its canary since" in why_it_waits(look)
        assert "2 of its edits are not proven (rejected 2)" in why_it_waits(look)
        assert "canary   0 of 2 proven; 8 wait for it" in status_lines(look)
        hold = status_of(look).hold
        assert hold is not None
        assert (hold.kind, hold.by) == ("canary", "calpatch")
        world.sim.faults.clear()
        world.store.steering.resume(campaign, **WHO)
        await world.drain(campaign)


async def test_a_plan_tells_how_far_it_is_and_only_counts_its_reads(sqlite_url: str) -> None:
    """Before anything was read, and when all of it was."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(20):
            world.add_event(number)
        campaign = world.submit(range(20), chunk_size=5, run=Run())
        look = look_at(world, campaign)
        assert (look.around.planned, look.progress().percent) == (0, 0.0)
        assert look.calls_left == 1 + 4
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        look = look_at(world, campaign)
        assert (look.around.planned, look.eta_s) == (None, None)
        world.store.plans.reject(campaign, actor="boss", reason="wrong rooms")
        await world.drain(campaign)
        look = look_at(world, campaign)
        assert why_it_waits(look).startswith("rejected by boss, ")
        assert next_step(look).startswith("Nothing was changed")


async def test_a_campaign_that_came_to_its_end_does_not_say_why_it_once_waited(
    database_url: str,
) -> None:
    """It was paused when all had left; it is completed now."""
    async with a_world(database_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        while not world.sim.writes:
            await world.step()
        world.store.steering.pause(campaign, **WHO)
        await world.drain(campaign)
        assert world.campaign(campaign).state_reason == ""
        assert why_it_waits(look_at(world, campaign)) == ""


async def test_what_is_submitted_into_a_freeze_says_so(sqlite_url: str) -> None:
    """Nobody has paused it, and yet somebody is to be named."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        world.store.steering.freeze(actor="boss", reason="incident 4711")
        look = look_at(world, world.submit([1]))
        assert why_it_waits(look).startswith("everything is frozen by boss since ")
        assert next_step(look) == "End the freeze: calpatch unfreeze --all --reason TEXT"
        world.store.steering.unfreeze(actor="boss", reason="over")
        assert why_it_waits(look_at(world, look.campaign.id)) != why_it_waits(look)


async def test_a_conflict_tells_its_three_values(database_url: str) -> None:
    """What was planned from, what was to be, and what somebody has made of it."""
    async with a_world(database_url) as world:
        world.add_account()
        uid = world.add_event(1, summary="Review")
        campaign = world.submit({1: Patch(summary="Design review")}, run=Run())
        await world.reach(campaign, _S.AWAITING_APPROVAL)
        world.sim.edit_as_user(CALENDAR, uid, summary="Board review")
        world.begin(campaign)
        assert await world.drain(campaign) == {2: ("conflict", "changed_elsewhere")}
        (found,) = story(world, 1)
        assert found.found == (("summary", "Review", "Design review", "Board review"),)
        text = text_of(found)
        assert (
            "found      summary: was Review, should become Design review, and was found as"
            " Board review" in text
        )
        assert "approved   " in text
        assert "by boss: go" in text


async def test_undo_and_retry_are_linked_both_ways(sqlite_url: str) -> None:
    """Whoever reads one finds the other."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        await world.drain(campaign)
        _, undo = child(world, campaign, kind="undo")
        await world.drain(undo)
        first, second = story(world, 1)
        assert [(link.campaign, link.status) for link in first.undone_by] == [(undo, "verified")]
        assert second.takes_back == f"{campaign}:2"
        assert f"taken back by line 2 of {undo}: verified" in text_of(first)
        assert f"takes back line 2 of {campaign}" in text_of(second)
        assert f"kin      undone by {undo}, completed" in status_lines(look_at(world, campaign))
        assert f"kin      takes back {campaign}" in status_lines(look_at(world, undo))


async def test_a_retry_is_linked_to_what_it_tries_again(sqlite_url: str) -> None:
    """By its account and calendar: an event may be in several."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        world.store.steering.cancel(campaign, **WHO)
        await world.drain(campaign)
        _, again = child(world, campaign, kind="retry")
        await world.drain(again)
        first, second = story(world, 1)
        assert [link.campaign for link in first.tried_again_by] == [again]
        assert second.tries_again == campaign
        assert f"tried again by line 2 of {again}: verified" in text_of(first)
        assert f"tries again what was left of {campaign}" in text_of(second)


def child(world: World, campaign: str, *, kind: str) -> tuple[str, str]:
    """Store the undo or the retry of a campaign; returns the ids of both."""
    again = world.store.again
    rows = list(
        again.undone(campaign)
        if kind == "undo"
        else again.retried(campaign, states={EditState.NOT_ATTEMPTED})
    )
    new = NewCampaign(
        key=kind, digest=kind, reason="test", owner="test", source="test", columns=("n",),
        kind=kind, parent=campaign,
    )  # fmt: skip
    stored, _ = world.store.campaigns.submit(
        new, rows, campaign_id=f"c_{kind}", image_key=b"k" * 32, chunk_size=200
    )
    for row in rows:
        patch = world.asked[campaign, row.line_no][2] if kind == "retry" else Patch(undo="x")
        world.asked[stored.id, row.line_no] = (row.calendar_id, row.event_uid, patch)
    return campaign, stored.id


async def test_what_was_erased_or_pruned_says_so(sqlite_url: str) -> None:
    """An empty story would look like a fault."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        await world.drain(world.submit([1]))
        with world.store.database.begin() as connection:
            connection.exec_driver_sql("UPDATE campaigns SET image_key = NULL")
            connection.exec_driver_sql("UPDATE edits SET before = NULL, target = NULL")
        (pruned,) = story(world, 1)
        assert (pruned.is_pruned, pruned.is_erased) == (True, False)
        assert "(what was stored of the event has been pruned)" in text_of(pruned)
        world.store.erasing.erase(ACCOUNT, actor="boss")
        (erased,) = story(world, 1)
        assert erased.is_erased
        assert "(the person was erased" in text_of(erased)
        assert "pruned" not in text_of(erased)


async def test_all_that_is_written_has_words_of_its_own(sqlite_url: str) -> None:
    """An action that nobody has put into words would be told as a word of a machine."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(6):
            world.add_event(number)
        planned = world.submit([0, 1], key="planned", run=Run())
        await world.reach(planned, _S.AWAITING_APPROVAL)
        world.begin(planned, canary=1)
        await world.drain(planned)
        other = world.submit([2, 3], key="other")
        steering = world.store.steering
        steering.pause(other, **WHO)
        steering.tune(other, **WHO, run=Run(batch_size=1))
        steering.resume(other, **WHO)
        steering.freeze(**WHO)
        steering.unfreeze(**WHO)
        steering.cancel(other, **WHO)
        await world.drain(other)
        late = world.submit([4], key="late")
        past = datetime.now(UTC) - timedelta(seconds=1)
        steering.tune(late, **WHO, run=Run(deadline=past))
        await world.drain(late)
        written = {each.action for each in world.store.search.entries(Sought(since_s=3600.0))}
        lines = {
            each.action
            for campaign in (planned, other, late)
            for each in world.store.search.entries(Sought(campaign_id=campaign))
        }
        assert written | lines <= set(known_actions())
        assert len(written) > 10
