"""Deciding: what must not be touched, what conflicts, and what an edit changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.builders import (
    KEY,
    NOW,
    a_calendar,
    a_patch,
    a_policy,
    a_wanted,
    all_day,
    an_event,
    an_image,
    timed,
    utc,
)
from worker.model import (
    AddText,
    AllDay,
    Calendar,
    Code,
    Event,
    EventKey,
    InZone,
    Lasting,
    Op,
    Patch,
    Policy,
    Replace,
    Reschedule,
    SetText,
    Shift,
    Timed,
    ToTime,
)
from worker.rules import (
    Change,
    Conflict,
    Decision,
    Refuse,
    Skip,
    Unchanged,
    Wanted,
    decide,
)


def decided(
    wanted: Wanted | Patch | None = None,
    event: Event | None = None,
    *,
    calendar: Calendar | None = None,
    policy: Policy | None = None,
    now: datetime = NOW,
) -> Decision:
    """Decide with an ordinary event, calendar and policy wherever a test names none."""
    return decide(
        a_wanted(wanted) if isinstance(wanted, Patch) else wanted or a_wanted(),
        event or an_event(),
        calendar=calendar or a_calendar(),
        policy=policy or a_policy(),
        now=now,
    )


# ---------------------------------------------------------------- what changes


def test_an_ordinary_event_is_shifted() -> None:
    """The target is absolute: whatever happens later, nothing is added twice (law 3)."""
    assert decided() == Change(
        before=an_image(), target=an_image(timed("2026-06-03T09:00")), fields=("start", "end")
    )


@pytest.mark.parametrize(
    ("patch", "fields"),
    [
        (a_patch(summary="Review"), ("summary",)),
        (a_patch(description="", location=""), ("description", "location")),
        (a_patch(transparency="transparent"), ("transparency",)),
        (a_patch(move=Reschedule(end="2026-06-02T11:00Z")), ("end",)),
        (
            a_patch(move=Reschedule(start="2026-06-02T08:00Z"), summary="R"),
            ("start", "end", "summary"),
        ),
    ],
)
def test_only_what_changes_is_named(patch: Patch, fields: tuple[str, ...]) -> None:
    """Fields that are not named are not sent (cronofy-api §4.3)."""
    change = decided(patch)
    assert isinstance(change, Change)
    assert change.fields == fields


def test_what_is_not_asked_for_is_in_the_target_as_it_was() -> None:
    """Title, ends and transparency go out with every edit, so they must be the event's own."""
    before = an_image(timed(tzid="Asia/Tokyo"), transparency="transparent", conference=True)
    change = decided(a_patch(location="Room 5"), an_event(image=before))
    assert isinstance(change, Change)
    assert change.target == an_image(
        timed(tzid="Asia/Tokyo"), transparency="transparent", conference=True, location="Room 5"
    )


@pytest.mark.parametrize(
    "patch",
    [
        a_patch(summary=" Planning "),
        a_patch(description="What comes next\r\n"),
        a_patch(transparency="opaque"),
        a_patch(transparency="unknown"),
        a_patch(move=Reschedule(start="2026-06-02T11:00+02:00")),
        a_patch(summary="Planning", location="Room 4"),
    ],
)
def test_an_event_that_is_as_asked_is_left_alone(patch: Patch) -> None:
    """Each write may mail every guest; one that changes nothing is not sent (features §2, 19)."""
    assert decided(patch) == Unchanged()


def test_another_spelling_of_the_same_text_does_not_ride_along() -> None:
    """The title goes out with each edit, and shall be the event's own unless it changes."""
    change = decided(a_patch(summary=" Planning ", location="Room 5"))
    assert isinstance(change, Change)
    assert change.target == an_image(location="Room 5")
    assert change.fields == ("location",)


def test_an_unknown_transparency_is_set_when_asked_for() -> None:
    """Nothing shows that it already is as asked, so "already as asked" would be a claim too far."""
    change = decided(a_patch(transparency="opaque"), an_event(transparency="unknown"))
    assert isinstance(change, Change)
    assert change.fields == ("transparency",)


def test_a_target_in_the_past_or_out_of_sight_is_fine() -> None:
    """Where an event goes is its owner's affair; only what cannot be read back is told later."""
    for start in ("2020-01-01T09:00Z", "2030-01-01T09:00Z"):
        assert isinstance(decided(a_patch(move=Reschedule(start=start))), Change)


# ---------------------------------------------------------------- what must not be touched


@pytest.mark.parametrize(
    ("calendar", "code"),
    [
        (a_calendar(deleted=True), Code.CALENDAR_READ_ONLY),
        (a_calendar(read_only=True), Code.CALENDAR_READ_ONLY),
        (a_calendar(elevated=False), Code.PERMISSION_MISSING),
        (a_calendar(read_only=True, elevated=False), Code.CALENDAR_READ_ONLY),
        (a_calendar(calendar_id="cal_2"), Code.NOT_FOUND),
    ],
)
def test_a_calendar_that_may_not_be_written_to_is_skipped(calendar: Calendar, code: Code) -> None:
    """Law 4; and what the calendar forbids is said before anything about the event."""
    assert decided(event=an_event(deleted=True), calendar=calendar) == Skip(code=code)


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        ({"deleted": True, "managed": True}, Code.DELETED),
        ({"managed": True, "recurring": True}, Code.MANAGED_EVENT),
        ({"recurring": True}, Code.RECURRING),
        ({"recurring": True, "can_update": False}, Code.RECURRING),
        ({"can_update": False}, Code.EVENT_LOCKED),
        ({"event_uid": "evt_external_2"}, Code.NOT_FOUND),
        ({"calendar_id": "cal_2"}, Code.NOT_FOUND),
    ],
)
@pytest.mark.row(38)
def test_an_event_that_must_not_be_touched_is_skipped(flags: dict[str, Any], code: Code) -> None:
    """Law 4, in the order of what the owner can do least about."""
    assert decided(event=an_event(**flags)) == Skip(code=code)


@pytest.mark.parametrize(
    ("calendar", "event"), [(None, an_event()), (a_calendar(), None), (None, None)]
)
@pytest.mark.row(38)
def test_what_was_not_read_is_not_found(calendar: Calendar | None, event: Event | None) -> None:
    """An unknown calendar and an unknown event are never written to blindly."""
    answer = decide(a_wanted(), event, calendar=calendar, policy=a_policy(), now=NOW)
    assert answer == Skip(code=Code.NOT_FOUND)


def test_even_an_event_that_already_is_as_asked_is_skipped_by_rule() -> None:
    """The rules come first, so that a report does not depend on chance values."""
    locked = an_event(can_update=False)
    assert decided(a_patch(summary="Planning"), locked) == Skip(code=Code.EVENT_LOCKED)


# ---------------------------------------------------------------- the past


@pytest.mark.parametrize(
    ("when", "is_past"),
    [
        (timed("2026-06-01T10:59"), True),
        (timed("2026-06-01T11:00"), True),
        (timed("2026-06-01T11:01"), False),
        (all_day("2026-05-30"), True),
        (all_day("2026-05-31"), False),
        (all_day("2026-06-01"), False),
    ],
)
def test_events_that_have_ended_are_skipped(when: AllDay | Timed, is_past: bool) -> None:
    """Guests of old events are mailed too; days end half a day later in the west than in UTC."""
    answer = decided(event=an_event(when))
    assert (answer == Skip(code=Code.PAST_EVENT)) is is_past


def test_past_events_are_edited_when_the_policy_says_so() -> None:
    """Corrections of the record are a use of their own."""
    old = an_event(timed("2026-05-01T09:00"))
    assert isinstance(decided(event=old, policy=a_policy(past_events=True)), Change)


def test_now_may_come_in_any_zone() -> None:
    """West of UTC it still is yesterday; the days that decide are UTC's."""
    now = datetime(2026, 5, 31, 20, tzinfo=timezone(timedelta(hours=-6)))
    assert decided(event=an_event(all_day("2026-05-30")), now=now) == Skip(code=Code.PAST_EVENT)


# ---------------------------------------------------------------- the row's own guard


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (timed(), "2026-06-02T09:00Z"),
        (timed(), "2026-06-02T11:00+02:00"),
        (timed(), "2026-06-02T09:00"),
        (timed(tzid="Europe/Paris"), "2026-06-02T11:00:00"),
        (all_day(), "2026-06-02"),
    ],
)
def test_an_expected_start_lets_the_edit_through(when: AllDay | Timed, expected: str) -> None:
    """Offsets are instants, wall clocks are read where the event is, days are days."""
    assert isinstance(
        decided(Patch(move=Shift(days=1), expect_start=expected), an_event(when)), Change
    )


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (timed(), "2026-06-02T09:01Z"),
        (timed(), "2026-06-02T11:00"),
        (timed(), "2026-06-02"),
        (timed(tzid="Mars/Olympus"), "2026-06-02T09:00"),
        (timed("9999-12-31T22:00", tzid="Asia/Tokyo"), "9999-12-31T22:00"),
        (timed("9999-12-31T22:00"), "0001-01-01T00:00+14:00"),
        (all_day(), "2026-06-03"),
        (all_day(), "2026-06-02T00:00"),
    ],
)
def test_an_unexpected_start_is_a_conflict(when: AllDay | Timed, expected: str) -> None:
    """Somebody has moved the event since the file was made, or it cannot be told."""
    patch = Patch(move=Shift(days=1), expect_start=expected)
    assert decided(patch, an_event(when)) == Conflict(
        code=Code.EXPECTATION_FAILED, fields=("start",)
    )


def test_the_expected_start_is_read_in_the_edits_zone() -> None:
    """As every other naive time of the same row."""
    patch = Patch(move=Shift(days=1), expect_start="2026-06-02T11:00", tzid="Europe/Paris")
    assert isinstance(decided(patch), Change)


def test_what_is_as_asked_already_needs_no_expectation() -> None:
    """The row that moved it last night expects the start that it had before that."""
    patch = Patch(move=Reschedule(start="2026-06-02T11:00+02:00"), expect_start="2026-06-02T10:00Z")
    assert decided(patch) == Unchanged()


def test_a_shift_that_was_made_needs_none_either() -> None:
    """It stands where last night's run has put it, and is left there."""
    patch = Patch(move=Shift(days=1), expect_start="2026-06-01T09:00Z")
    assert decided(a_wanted(patch, made=an_image())) == Skip(code=Code.ALREADY_IN_CAMPAIGN)


# ---------------------------------------------------------------- never twice


def test_a_shift_that_was_made_is_not_made_again() -> None:
    """The same file sent twice under two names must not move everything by two days."""
    wanted = a_wanted(made=an_image(timed(tzid="Europe/Paris")))
    assert decided(wanted) == Skip(code=Code.ALREADY_IN_CAMPAIGN)


def test_an_absolute_edit_may_be_made_again() -> None:
    """It cannot add up; the title that somebody changed since is set again, the time left alone."""
    patch = a_patch(move=Reschedule(start="2026-06-02T09:00Z"), summary="Review")
    change = decided(a_wanted(patch, made=an_image(summary="Review")))
    assert isinstance(change, Change)
    assert change.fields == ("summary",)


def test_a_shift_is_made_again_where_somebody_moved_the_event_since() -> None:
    """It no longer is where the first shift put it, so this is a new wish."""
    assert isinstance(decided(a_wanted(made=an_image(timed("2026-06-01T09:00")))), Change)


def test_a_shift_is_made_again_when_the_policy_says_so() -> None:
    """Two days one after the other can be meant."""
    wanted = a_wanted(made=an_image())
    assert isinstance(decided(wanted, policy=a_policy(allow_repeat=True)), Change)


def test_a_replacement_that_was_made_is_not_made_in_what_it_made() -> None:
    """Sent every night, it would else put the building before the room once more each time."""
    ops = (Replace(field="location", pattern="Room", with_text="Building B, Room"),)
    once = an_image(location="Building B, Room 4")
    wanted = a_wanted(a_patch(ops=ops), made=once)
    assert decided(wanted, an_event(image=once)) == Skip(code=Code.ALREADY_IN_CAMPAIGN)
    theirs = decided(wanted, an_event(location="Room 9"))
    assert isinstance(theirs, Change)
    assert theirs.target.location == "Building B, Room 9"


def test_a_text_that_was_added_is_there_already() -> None:
    """Which is the better word for it."""
    patch = a_patch(ops=(AddText(field="summary", text=" (moved)"),))
    once = an_image(summary="Planning (moved)")
    assert decided(a_wanted(patch, made=once), an_event(image=once)) == Unchanged()


def test_transforms_of_the_time_that_depend_on_each_other_are_not_made_again() -> None:
    """At ten by its own clock, then shown in Tokyo: once more, and it would be ten there."""
    patch = a_patch(ops=(ToTime(time="10:00"), InZone(tzid="Asia/Tokyo")))
    once = decided(patch)
    assert isinstance(once, Change)
    wanted = a_wanted(patch, made=once.target)
    again = decided(wanted, an_event(image=once.target))
    assert again == Skip(code=Code.ALREADY_IN_CAMPAIGN)


def test_a_shift_that_was_made_is_known_though_it_could_not_be_made_again() -> None:
    """Not by the next day's gap, nor by a title that has gone since."""
    there = timed("2026-10-24T00:30", minutes=15, tzid="Europe/Paris")
    wanted = a_wanted(made=an_image(there))
    for now in (an_event(there), an_event(there, summary="")):
        assert decided(wanted, now) == Skip(code=Code.ALREADY_IN_CAMPAIGN)


def test_an_edit_that_does_not_shift_is_refused_by_its_own_rule() -> None:
    """That it was made before says nothing of the title that has gone since."""
    wanted = a_wanted(a_patch(location="Room 5"), made=an_image(location="Room 5"))
    assert decided(wanted, an_event(summary="")) == Skip(code=Code.SUMMARY_MISSING)


# ---------------------------------------------------------------- transforms


def test_transforms_are_resolved_to_a_target() -> None:
    """Absolute, as that of a row is."""
    ops = (Shift(days=1), AddText(field="summary", text="!"), InZone(tzid="Europe/Paris"))
    assert decided(a_patch(ops=ops)) == Change(
        before=an_image(),
        target=an_image(timed("2026-06-03T09:00", tzid="Europe/Paris"), summary="Planning!"),
        fields=("start", "end", "zone", "summary"),
    )


@pytest.mark.parametrize(
    ("op", "when", "answer"),
    [
        (Shift(seconds=60), all_day(), Skip(code=Code.ALL_DAY_SHIFT)),
        (ToTime(weekday=6), timed("9999-12-31T09:00"), Skip(code=Code.OUTSIDE_WINDOW)),
        (
            InZone(tzid="Mars/Olympus"),
            timed(),
            Skip(code=Code.DST_AMBIGUOUS, detail="zone"),
        ),
        (
            Replace(field="description", pattern="a", with_text="a" * 32_768),
            timed(),
            Skip(code=Code.WOULD_TRUNCATE),
        ),
        (
            AddText(field="description", text="a" * 4096),
            timed(),
            Skip(code=Code.WOULD_TRUNCATE),
        ),
        (SetText(field="summary", value=" "), timed(), Skip(code=Code.SUMMARY_MISSING)),
        (Lasting(), timed(), Refuse(code=Code.END_BEFORE_START)),
        (Lasting(), all_day(), Refuse(code=Code.END_BEFORE_START)),
        (Lasting(), timed(minutes=0), Unchanged()),
        (SetText(field="transparency", value="unknown"), timed(), Unchanged()),
        (Replace(field="summary", pattern="x", with_text="y"), timed(), Unchanged()),
    ],
)
def test_a_transform_without_an_answer_ends_by_name(
    op: Op, when: AllDay | Timed, answer: Decision
) -> None:
    """As every edit does."""
    assert decided(a_patch(ops=(op,)), an_event(when)) == answer


def test_an_event_that_ends_before_it_starts_can_be_retitled() -> None:
    """Its times are not ours."""
    reversed_ = timed(minutes=-60)
    patch = a_patch(ops=(SetText(field="summary", value="Review"),))
    policy = a_policy(past_events=True)
    assert isinstance(decided(patch, an_event(reversed_), policy=policy), Change)


# ---------------------------------------------------------------- targets that cannot be


def test_an_ambiguous_wall_clock_is_skipped_with_both_readings() -> None:
    """The detail is what the person needs to choose a policy."""
    night = an_event(timed("2026-10-24T00:30", minutes=15, tzid="Europe/Paris"))
    assert decided(event=night) == Skip(
        code=Code.DST_AMBIGUOUS, detail="fold: 2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z"
    )


@pytest.mark.parametrize(
    ("when", "patch"),
    [
        (all_day(), a_patch(move=Shift(seconds=3600))),
        (all_day(), a_patch(move=Reschedule(start="2026-07-01T10:00Z"))),
        (timed(), a_patch(move=Reschedule(start="2026-07-01"))),
    ],
)
def test_hours_and_days_are_not_mixed(when: AllDay | Timed, patch: Patch) -> None:
    """An all-day event stays all-day, and a timed one timed."""
    assert decided(patch, an_event(when)) == Skip(code=Code.ALL_DAY_SHIFT)


def test_an_end_before_the_start_is_refused() -> None:
    """The edit itself is wrong, not the event."""
    patch = a_patch(move=Reschedule(end="2026-06-01T09:00Z"))
    assert decided(patch) == Refuse(code=Code.END_BEFORE_START)


def test_beyond_the_last_year_is_outside_of_any_window() -> None:
    """An event in year 9999 is skipped by name and does not end the worker."""
    late = an_event(timed("9999-12-31T09:00"))
    assert decided(event=late) == Skip(code=Code.OUTSIDE_WINDOW)


@pytest.mark.parametrize(
    ("summary", "patch", "code"),
    [
        ("", a_patch(), Code.SUMMARY_MISSING),
        (" \n", a_patch(), Code.SUMMARY_MISSING),
        ("Planning", a_patch(summary=""), Code.SUMMARY_MISSING),
        ("x" * 1025, a_patch(), Code.WOULD_TRUNCATE),
        ("Planning", a_patch(summary="x" * 1025), Code.WOULD_TRUNCATE),
        ("Planning", a_patch(description="x" * 4097), Code.WOULD_TRUNCATE),
    ],
)
@pytest.mark.row(35)
def test_an_edit_that_would_lose_the_title_or_cut_a_text_is_skipped(
    summary: str, patch: Patch, code: Code
) -> None:
    """The title is sent with each edit, and the API takes 1 to 1024 characters (cronofy-api §4)."""
    assert decided(patch, an_event(summary=summary)) == Skip(code=code)


@pytest.mark.parametrize(
    ("event", "patch"),
    [
        (an_event(summary=""), a_patch(summary="Review")),
        (an_event(summary="x" * 1025), a_patch(summary="Review")),
        (an_event(summary="x" * 1024), a_patch()),
        (an_event(description="x" * 4097), a_patch()),
        (an_event(), a_patch(description="x" * 4096)),
    ],
)
def test_texts_that_fit_or_are_not_sent_are_no_hindrance(event: Event, patch: Patch) -> None:
    """A long description that the edit does not touch is not sent, so it cannot be cut."""
    assert isinstance(decided(patch, event), Change)


def test_the_wanted_key_is_what_is_looked_up() -> None:
    """Builders and rules mean the same event."""
    assert EventKey("cal_1", an_event().event_uid) == KEY
    assert utc("2026-06-01T12:00") == NOW.astimezone(UTC)
