"""Rows 1 and 7 to 14 of the notes' list: what a single write does, and what is refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from tests.unit.simulator.worlds import (
    BOBS,
    MONDAY,
    TEAM,
    WORK,
    TurnedClock,
    a_body,
    a_world,
    an_event,
    calling,
    uid,
)
from worker.simulator.values import Attendee, Location, Options, Person


async def test_a_202_is_empty_and_shows_only_after_the_lag() -> None:
    """Row 1: an accepted write is a promise; reads show the old state until it takes."""
    clock = TurnedClock()
    async with calling(a_world(an_event(), clock=clock, lag_s=30)) as ann:
        assert await ann.edit(a_body()) == (202, "")
        assert (await ann.read())[0]["start"] == "2026-03-03T09:00:00Z"
        clock.advance(30)
        shown = (await ann.read())[0]
        assert (shown["start"], shown["updated"]) == (
            "2026-03-03T10:00:00Z",
            "2026-03-02T09:00:30Z",
        )


async def test_a_dropped_write_is_accepted_and_never_takes() -> None:
    """Row 1: some writes never show, and the answer does not tell."""
    async with calling(a_world(an_event(), lag_s=0, dropped=1.0)) as ann:
        assert await ann.edit(a_body()) == (202, "")
        assert ann.sim.event(WORK, uid(1)).start == MONDAY + timedelta(days=1)
        assert [write.taken for write in ann.sim.writes] == [False]


async def test_writes_on_one_event_keep_their_order() -> None:
    """A later write of the same event is never overtaken by an earlier one with a longer lag."""
    async with calling(a_world(an_event(), lag_s=0, lag_max_s=60)) as ann:
        for number in range(8):
            await ann.edit(a_body(summary=f"Version {number}"))
        ann.sim.settle(all_of_them=True)
        assert ann.sim.event(WORK, uid(1)).summary == "Version 7"


@pytest.mark.parametrize("field", ["summary", "start", "end"])
async def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    """Row 9: summary, start and end have to be sent with every edit."""
    async with calling(a_world(an_event())) as ann:
        status, body = await ann.edit(a_body(**{field: ...}))
        assert status == 422
        assert body["errors"][field][0]["key"] == "errors.required"


async def test_every_problem_is_named_at_once() -> None:
    """Row 9: the 422 lists all fields, so that a client can report them all."""
    async with calling(a_world(an_event())) as ann:
        _, body = await ann.edit({"event_uid": uid(1), "transparency": "unknown"})
        assert set(body["errors"]) == {"summary", "start", "end", "transparency"}


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"summary": "s" * 1024}, 202),
        ({"summary": "s" * 1025}, 422),
        ({"description": "d" * 4096}, 202),
        ({"description": "d" * 4097}, 422),
        ({"end": "2026-03-03T09:59:59Z"}, 422),
        ({"end": "2026-03-04"}, 422),
        ({"end": "2026-03-03T10:00:00Z"}, 202),
        ({"start": "2026-03-03 10:00:00Z"}, 202),
        ({"start": "2026-03-03T10:00:00.000Z"}, 202),
        ({"start": "2026-03-03T10:00:00.500Z"}, 422),
        ({"start": "2026-03-03T10:00:00+01:00"}, 422),
        ({"start": "2026-03-03T10:00:00"}, 422),
        ({"start": "2026-02-30", "end": "2026-03-03"}, 422),
        ({"start": 5}, 422),
        ({"start": {"time": "2026-03-03T10:00:00Z", "tzid": "Europe/Paris"}}, 202),
        ({"start": {"time": "2026-03-03T10:00:00Z", "tzid": "Mars/Olympus"}}, 422),
        ({"tzid": "../../etc/passwd"}, 422),
        ({"location": "Room 1"}, 422),
        ({"location": {"description": "Room 1", "lat": 4}}, 422),
        ({"transparency": "unknown"}, 422),
        ({"event_private": "yes"}, 422),
        ({"attendees": {"invite": [{"email": "nobody"}]}}, 422),
        ({"reminders": [{"minutes": 5}] * 6}, 422),
        ({"event_uid": "evt_external_1"}, 422),
        ({"event_uid": 7}, 422),
    ],
)
async def test_fields_are_checked_as_documented(fields: dict[str, Any], status: int) -> None:
    """Rows 7 and 9: kinds of times, limits of lengths, enums and zones."""
    async with calling(a_world(an_event())) as ann:
        assert (await ann.edit(a_body(**fields)))[0] == status


async def test_zones_of_both_ends_may_differ() -> None:
    """Row 7: `{time, tzid}` sets each end's display zone, the time stays UTC."""
    async with calling(a_world(an_event(), lag_s=0)) as ann:
        start = {"time": "2026-03-03T10:00:00Z", "tzid": "Europe/Paris"}
        await ann.edit(a_body(start=start, tzid="Asia/Tokyo"))
        shown = (await ann.read(localized_times="true"))[0]
        assert shown["start"] == {"time": "2026-03-03T11:00:00+01:00", "tzid": "Europe/Paris"}
        assert shown["end"] == {"time": "2026-03-03T20:00:00+09:00", "tzid": "Asia/Tokyo"}


async def test_an_all_day_event_is_written_and_read_as_dates() -> None:
    """Row 7: an all-day event stays one when it is moved by its dates."""
    async with calling(a_world(an_event(start=date(2026, 3, 5)), lag_s=0)) as ann:
        await ann.edit(a_body(start="2026-03-06", end="2026-03-07"))
        shown = (await ann.read(localized_times="true"))[0]
        assert shown["start"] == {"time": "2026-03-06", "tzid": "Etc/UTC"}
        assert (await ann.read())[0]["end"] == "2026-03-07"


async def test_event_id_makes_a_managed_event_and_leaves_the_other_alone() -> None:
    """Row 8, the trap: any event_id creates a new event, the uid beside it is ignored."""
    async with calling(a_world(an_event(), lag_s=0)) as ann:
        assert (await ann.edit(a_body(event_id="mine", summary="New")))[0] == 202
        assert [each["summary"] for each in await ann.read()] == ["Meeting 1"]
        managed = await ann.read(only_managed="true")
        assert [(each["event_id"], each["summary"]) for each in managed] == [("mine", "New")]


async def test_a_second_upsert_updates_the_managed_event() -> None:
    """Row 8: event_id is the application's own key, so writing it twice makes one event."""
    async with calling(a_world(lag_s=1)) as ann:
        for summary in ("First", "Second"):
            await ann.edit(a_body(event_id="mine", event_uid=..., summary=summary))
        ann.sim.settle(all_of_them=True)
        assert [event.summary for event in ann.sim.events.values()] == ["Second"]


@pytest.mark.parametrize(
    ("switches", "kept"),
    [
        ({}, ("Room 1", "transparent")),
        ({"omitted_location": "reset"}, (None, "transparent")),
        ({"omitted_transparency": "reset"}, ("Room 1", "opaque")),
    ],
)
async def test_left_out_fields_follow_the_switches(
    switches: dict[str, Any], kept: tuple[str | None, str]
) -> None:
    """Row 10: location and transparency are the unknown rows; everything else is kept."""
    event = an_event(
        location=Location("Room 1"),
        transparency="transparent",
        description="Notes",
        url="https://e.x",
    )
    async with calling(a_world(event, lag_s=0, **switches)) as ann:
        await ann.edit(a_body())
        after = ann.sim.event(WORK, uid(1))
        assert (after.location and after.location.description, after.transparency) == kept
        assert (after.description, after.url) == ("Notes", "https://e.x")


async def test_explicit_clears_clear() -> None:
    """Row 11: an empty description, a null url and empty reminders are clears."""
    event = an_event(description="Notes", url="https://e.x", reminders=(5,))
    async with calling(a_world(event, lag_s=0)) as ann:
        await ann.edit(a_body(description="", url=None, reminders=[]))
        after = ann.sim.event(WORK, uid(1))
        assert (after.description, after.url, after.reminders) == ("", None, ())


async def test_attendees_are_a_change_set() -> None:
    """Row 11: invite adds, remove removes, whoever is not named stays."""
    event = an_event(attendees=(Attendee("a@example.com"), Attendee("b@example.com")))
    async with calling(a_world(event, lag_s=0)) as ann:
        change = {"invite": [{"email": "c@example.com"}], "remove": [{"email": "A@example.com"}]}
        await ann.edit(a_body(attendees=change))
        after = ann.sim.event(WORK, uid(1))
        assert [each.email for each in after.attendees] == ["b@example.com", "c@example.com"]


LOCKED = an_event(2, options=Options(update=False, delete=False), organizer=Person("x@example.com"))
SERIES = an_event(3, recurring=True, series_identifier="s", options=Options(update=False))
GONE = an_event(4, deleted=True)


@pytest.mark.parametrize(
    ("number", "switch", "codes"),
    [
        (2, "locked_code", (422, 403, 202)),
        (3, "recurring_code", (422, 403, 202)),
        (4, "gone_code", (202, 404, 422)),
        (9, "gone_code", (202, 404, 422)),
    ],
)
async def test_what_may_not_be_edited_is_refused_or_ignored(
    number: int, switch: str, codes: tuple[int, ...]
) -> None:
    """Rows 12 to 14: the code is unknown, so it is a switch; the event stays as it was."""
    sim = a_world(LOCKED, SERIES, GONE, lag_s=0)
    async with calling(sim) as ann:
        for code in codes:
            sim.behave(**{switch: code})
            assert (await ann.edit(a_body(number)))[0] == code
        assert sim.events == sim.initial


async def test_an_edit_of_a_managed_event_by_uid_is_refused() -> None:
    """A managed event is not an external one, whatever its uid looks like."""
    async with calling(a_world(an_event(event_id="mine"))) as ann:
        status, body = await ann.edit(a_body())
        assert status == 422
        assert body["errors"]["event_uid"][0]["key"] == "errors.must_be_external_event_uid"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("readonly", True, 403),
        ("deleted", True, 404),
        ("permission_level", "sandbox", 403),
        ("sub", "acc_bob", 404),
    ],
)
async def test_a_calendar_that_may_not_be_written_refuses(
    field: str, value: Any, code: int
) -> None:
    """Rows 12 and 23: read-only, deleted, not elevated and foreign calendars."""
    sim = a_world(an_event())
    setattr(sim.calendars[WORK], field, value)
    async with calling(sim) as ann:
        assert (await ann.edit(a_body()))[0] == code


async def test_a_uid_of_another_calendar_is_unknown_here() -> None:
    """A uid is looked up with its calendar as a pair."""
    async with calling(a_world(an_event(), gone_code=404)) as ann:
        assert (await ann.edit(a_body(), TEAM))[0] == 404
        assert (await ann.edit(a_body(), BOBS))[0] == 404
        assert (await ann.edit(a_body(), "cal_nobody"))[0] == 404


async def test_an_edit_never_brings_back_what_its_owner_deleted() -> None:
    """Row 14: a write that takes after the deletion has no effect."""
    clock = TurnedClock()
    async with calling(a_world(an_event(), clock=clock, lag_s=5)) as ann:
        await ann.edit(a_body())
        ann.sim.delete_as_user(WORK, uid(1))
        clock.advance(5)
        assert ann.sim.event(WORK, uid(1)).deleted
        assert ann.sim.event(WORK, uid(1)).start == MONDAY + timedelta(days=1)


async def test_an_external_event_is_deleted_and_stays_known() -> None:
    """Rows 1 and 14: 202, gone from reads, back with include_deleted."""
    async with calling(a_world(an_event(), lag_s=0)) as ann:
        path = f"/v1/calendars/{WORK}/events"
        assert await ann.call("DELETE", path, json={"event_uid": uid(1)}) == (202, "")
        assert await ann.read() == []
        assert [each["deleted"] for each in await ann.read(include_deleted="true")] == [True]


async def test_a_managed_event_is_deleted_by_its_own_id() -> None:
    """DELETE takes event_id for the application's own events, alone and in bulk."""
    events = [an_event(number, event_id=f"own-{number}") for number in (1, 2)]
    async with calling(a_world(*events, an_event(3), lag_s=0)) as ann:
        path = f"/v1/calendars/{WORK}/events"
        assert (await ann.call("DELETE", path, json={"event_id": "own-1"}))[0] == 202
        assert len(await ann.read(only_managed="true")) == 1
        assert (await ann.call("DELETE", "/v1/events", json={"delete_all": True}))[0] == 202
        assert len(await ann.read(include_managed="true")) == 1
        both = {"delete_all": True, "calendar_ids": [WORK]}
        assert (await ann.call("DELETE", "/v1/events", json=both))[0] == 422


async def test_participation_is_changed_where_it_may_be() -> None:
    """Section 5.4: three answers, a refusal where the option is false, 404 for an unknown event."""
    locked = an_event(2, options=Options(change_participation_status=False))
    async with calling(a_world(an_event(), locked, lag_s=0)) as ann:
        path = f"/v1/calendars/{WORK}/events/{{}}/participation_status"
        answers = [
            (await ann.call("POST", path.format(uid(number)), json={"status": status}))[0]
            for number, status in (
                (1, "tentative"),
                (1, "unknown"),
                (2, "accepted"),
                (9, "accepted"),
            )
        ]
        assert answers == [202, 422, 422, 404]
        assert ann.sim.event(WORK, uid(1)).participation_status == "tentative"


async def test_a_provider_that_normalises_changes_what_was_written() -> None:
    """Row 22: summaries are trimmed, line ends become CRLF, HTML goes."""
    async with calling(a_world(an_event(), lag_s=0, normalise=True)) as ann:
        await ann.edit(a_body(summary="  Tidy ", description="<b>one</b>\ntwo"))
        after = ann.sim.event(WORK, uid(1))
        assert (after.summary, after.description) == ("Tidy", "one\r\ntwo")


async def test_a_body_that_is_no_object_is_refused() -> None:
    """A client's broken body is its own fault, and answered as such."""
    async with calling(a_world(an_event())) as ann:
        assert (await ann.edit([1, 2]))[0] == 422
        path = f"/v1/calendars/{WORK}/events"
        assert (await ann.call("POST", path, data=b"{broken"))[0] == 422
