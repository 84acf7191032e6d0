"""The whole path of a chunk on real parts: HTTP, SQL, limiter; Celery alone is left out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.world import CALENDAR, HOUR, a_world, event_uid, soon
from worker.model import CampaignState, Patch, Policy, Reschedule, Shift
from worker.simulator import Behaviour
from worker.simulator.values import Location

VERIFIED = ("verified", "verified")


async def test_every_editable_event_moves_once_and_is_proven(database_url: str) -> None:
    """The main promise: accepted, read back, verified, and the provider's calendar agrees."""
    async with a_world(database_url) as world:
        world.add_account()
        for number in range(120):
            world.add_event(number)
        campaign = world.submit(range(120))

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {VERIFIED}
        assert all(world.shift_of(number) == timedelta(hours=1) for number in range(120))
        assert all(world.writes_to(number) == 1 for number in range(120))
        ended = world.store.campaigns.get(campaign)
        assert ended is not None
        assert ended.state is CampaignState.COMPLETED
        world.audit_run()


async def test_what_must_not_be_touched_is_skipped_by_name(database_url: str) -> None:
    """Law 4, with one event of each kind among ordinary ones, and nothing sent to any of them."""
    async with a_world(database_url) as world:
        world.add_account()
        world.add_calendar("cal_read_only", readonly=True)
        world.add_calendar("cal_sandbox", permission_level="sandbox")
        world.add_event(1, recurring=True, series_identifier="series")
        world.add_event(2, can_update=False)
        world.add_event(3, event_id="own-key")
        world.add_event(4, deleted=True)
        world.add_event(5, calendar_id="cal_read_only")
        world.add_event(6, calendar_id="cal_sandbox")
        world.add_event(7, start=soon(0).date(), end=soon(0).date() + timedelta(days=1))
        world.add_event(8, summary="x" * 1025)
        past = soon(0) - timedelta(days=5)
        world.add_event(9, start=past, end=past + timedelta(hours=1))
        campaigns = [
            world.submit([1, 2, 3, 4, 7, 8, 9, 404], key="main"),
            world.submit([5], key="read-only", calendar_id="cal_read_only"),
            world.submit([6], key="sandbox", calendar_id="cal_sandbox"),
            world.submit([1], key="elsewhere", calendar_id="cal_unknown"),
        ]

        codes = [code for one in campaigns for _, code in (await world.drain(one)).values()]

        assert codes == [
            "recurring", "event_locked", "managed_event", "deleted", "all_day_shift",
            "would_truncate", "past_event", "not_found",
            "calendar_read_only", "permission_missing", "not_found",
        ]  # fmt: skip
        assert not world.sim.writes
        world.audit_run()


async def test_only_the_fields_asked_for_are_changed(sqlite_url: str) -> None:
    """An edit of one text leaves times and the other texts alone, and clears what it is told to."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1, description="keep me")
        world.add_event(2, description="clear me")
        campaign = world.submit({1: Patch(summary="Renamed"), 2: Patch(description="")})

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {VERIFIED}
        renamed, cleared = (world.sim.event(CALENDAR, event_uid(n)) for n in (1, 2))
        assert (renamed.summary, renamed.description) == ("Renamed", "keep me")
        assert (cleared.summary, cleared.description) == ("Meeting 2", "")
        assert world.shift_of(1) == world.shift_of(2) == timedelta(0)
        assert set(world.sim.writes[0].body or {}) == {
            "event_uid", "summary", "start", "end", "transparency",
        }  # fmt: skip
        world.audit_run()


@pytest.mark.parametrize("reset", ["omitted_location", "omitted_transparency"])
async def test_an_api_that_resets_left_out_fields_does_no_silent_harm(
    sqlite_url: str, reset: str
) -> None:
    """What becomes of them is not documented (cronofy-api §4.3): a lost location must be told."""
    behaviour = Behaviour(rate=(), lag_s=0.05, **{reset: "reset"})
    async with a_world(sqlite_url, behaviour=behaviour) as world:
        world.add_account()

        world.add_event(1, location=Location(description="Room 1"), transparency="transparent")
        campaign = world.submit([1])

        outcomes = await world.drain(campaign)

        expected = {
            "omitted_location": ("mismatch", "side_effect"),
            "omitted_transparency": VERIFIED,
        }
        assert outcomes == {2: expected[reset]}


async def test_the_setting_for_such_an_api_sends_the_location_along(sqlite_url: str) -> None:
    """With CALPATCH_OMITTED_FIELDS=reset nothing is lost in the first place."""
    behaviour = Behaviour(rate=(), lag_s=0.05, omitted_location="reset")
    async with a_world(sqlite_url, behaviour=behaviour, omitted_fields="reset") as world:
        world.add_account()

        world.add_event(1, location=Location(description="Room 1"))
        campaign = world.submit([1])

        assert await world.drain(campaign) == {2: VERIFIED}
        location = world.sim.event(CALENDAR, event_uid(1)).location
        assert location is not None
        assert location.description == "Room 1"
        world.audit_run()


async def test_an_event_without_a_hint_is_found(sqlite_url: str) -> None:
    """A hint makes reads cheap; it never decides what exists."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1], hinted=False)

        assert await world.drain(campaign) == {2: VERIFIED}
        world.audit_run()


async def test_an_event_with_a_wrong_hint_is_found(sqlite_url: str) -> None:
    """Its owner has moved it by months since the file was written: it is not "not found"."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])
        far = soon(0) + timedelta(days=120)
        world.sim.edit_as_user(CALENDAR, event_uid(1), start=far, end=far + timedelta(hours=1))

        assert await world.drain(campaign) == {2: VERIFIED}
        assert world.sim.event(CALENDAR, event_uid(1)).start == far + timedelta(hours=1)
        world.audit_run()


async def test_the_same_file_again_changes_nothing(sqlite_url: str) -> None:
    """A shift that has been made is not made twice, whichever campaign asks (features §4, 3)."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        for number in range(5):
            world.add_event(number)
        first = world.submit(range(5), key="monday")
        await world.drain(first)
        second = world.submit(range(5), key="tuesday")

        outcomes = await world.drain(second)

        assert set(outcomes.values()) == {("skipped", "already_in_campaign")}
        assert all(world.writes_to(number) == 1 for number in range(5))
        world.audit_run()


async def test_an_absolute_edit_that_is_true_already_is_unchanged(sqlite_url: str) -> None:
    """Nothing is sent for it: a write without effect still mails the guests."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        start = soon(1).isoformat()
        campaign = world.submit({1: Patch(move=Reschedule(start=start))})

        assert await world.drain(campaign) == {2: ("unchanged", "already_as_asked")}
        assert not world.sim.writes
        world.audit_run()


async def test_a_moved_event_whose_updated_does_not_move_is_proven_by_its_dates(
    sqlite_url: str,
) -> None:
    """Whether `updated` moves is not documented (cronofy-api §9): the sweep may show nothing."""
    behaviour = Behaviour(rate=(), lag_s=0.05, updated_moves=False)
    async with a_world(sqlite_url, behaviour=behaviour) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])

        assert await world.drain(campaign) == {2: VERIFIED}
        world.audit_run()


async def test_a_provider_that_tidies_texts_is_no_mismatch(sqlite_url: str) -> None:
    """Trimmed titles and other line ends are what providers do, not what failed."""
    behaviour = Behaviour(rate=(), lag_s=0.05, normalise=True)
    async with a_world(sqlite_url, behaviour=behaviour) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit({1: Patch(summary="  Padded  ", description="one\ntwo")})

        assert await world.drain(campaign) == {2: VERIFIED}


async def test_an_accepted_write_that_never_takes_is_a_mismatch(sqlite_url: str) -> None:
    """202 is not done (law 6): a dropped write is told, not counted as success."""
    behaviour = Behaviour(rate=(), lag_s=0.05, dropped=1.0)
    async with a_world(sqlite_url, behaviour=behaviour, verify_within=0.3) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1])

        assert await world.drain(campaign) == {2: ("mismatch", "no_effect")}
        ended = world.store.campaigns.get(campaign)
        assert ended is not None
        assert ended.state is CampaignState.COMPLETED_WITH_ERRORS


async def test_a_campaign_that_wants_no_proof_ends_without_reading_back(sqlite_url: str) -> None:
    """verify: none is the user's choice; the outcome says so and does not claim more."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit([1], policy=Policy(verify="none"))

        assert await world.drain(campaign) == {2: ("unverified", "no_proof_asked")}
        assert sum(r.route in {"events", "page"} for r in world.sim.requests) == 1
        ended = world.store.campaigns.get(campaign)
        assert ended is not None
        assert ended.state is CampaignState.COMPLETED


async def test_an_event_moved_out_of_the_window_is_proven_by_include_moved(
    sqlite_url: str,
) -> None:
    """Beyond 201 days the API shows nothing but what has been inside before (cronofy-api §3.1)."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1)
        campaign = world.submit({1: Patch(move=Shift(days=250))})

        assert await world.drain(campaign) == {2: VERIFIED}
        assert world.shift_of(1) == timedelta(days=250)


async def test_two_campaigns_never_edit_one_event_at_the_same_time(database_url: str) -> None:
    """The second one is told so, at submission (features §4, 14)."""
    async with a_world(database_url) as world:
        world.add_account()
        world.add_event(1)
        first = world.submit([1], key="first")
        second = world.submit({1: Patch(summary="Other")}, key="second")

        assert await world.drain(second) == {2: ("skipped", "already_in_campaign")}
        assert await world.drain(first) == {2: VERIFIED}
        world.audit_run()


async def test_batches_that_count_each_entry_stay_within_one_grant(sqlite_url: str) -> None:
    """A batch heavier than the limiter ever grants could never be sent."""
    async with a_world(sqlite_url, batch_counts_as="each", rate="20/s") as world:
        world.add_account()
        for number in range(30):
            world.add_event(number)
        campaign = world.submit(range(30))

        outcomes = await world.drain(campaign)

        assert set(outcomes.values()) == {VERIFIED}
        assert max(r.items for r in world.sim.requests if r.route == "batch") <= 20
        world.audit_run()


async def test_an_hour_by_the_wall_clock_keeps_the_zone_that_the_event_shows(
    sqlite_url: str,
) -> None:
    """The zone goes back as it was read: a reader in Paris still sees Paris time."""
    async with a_world(sqlite_url) as world:
        world.add_account()
        world.add_event(1, start_tzid="Europe/Paris", end_tzid="Europe/Paris")
        campaign = world.submit({1: Patch(move=HOUR)})

        assert await world.drain(campaign) == {2: VERIFIED}
        moved = world.sim.event(CALENDAR, event_uid(1))
        assert (moved.start_tzid, moved.end_tzid) == ("Europe/Paris", "Europe/Paris")
        assert world.shift_of(1) == timedelta(hours=1)
