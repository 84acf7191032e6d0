"""Rescheduling: reading moments, and moving events to them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tests.builders import a_policy, all_day, timed, utc
from worker.model import AllDay, Policy, Reschedule, Timed
from worker.rules import Ambiguous, EndBeforeStart, KindMismatch, parse_moment, rescheduled

STRICT = Policy()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02", date(2026, 3, 2)),
        ("2026-03-02T15:00", datetime(2026, 3, 2, 15)),  # noqa: DTZ001 - naive is the point
        (" 2026-03-02 15:00:07 ", datetime(2026, 3, 2, 15, 0, 7)),  # noqa: DTZ001 - as above
        ("2026-03-02t15:00z", datetime(2026, 3, 2, 15, tzinfo=UTC)),
        ("2026-03-02T15:00:00.000Z", datetime(2026, 3, 2, 15, tzinfo=UTC)),
        (
            "2026-03-02T15:00+05:30",
            datetime(2026, 3, 2, 15, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        ),
        ("2026-03-02T15:00-0800", datetime(2026, 3, 2, 15, tzinfo=timezone(timedelta(hours=-8)))),
        ("2026-03-02T15:00+01", datetime(2026, 3, 2, 15, tzinfo=timezone(timedelta(hours=1)))),
    ],
)
def test_dates_and_times_are_read(text: str, moment: date) -> None:
    """What has no offset stays naive: in which zone it is meant is known later."""
    parsed = parse_moment(text)
    assert parsed == moment
    assert type(parsed) is type(moment)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither a date nor a time"),
        ("tomorrow", "neither a date nor a time"),
        ("02.03.2026", "neither a date nor a time"),
        ("03/02/2026", "neither a date nor a time"),
        ("20260302", "neither a date nor a time"),
        ("2026-W10-1", "neither a date nor a time"),
        ("2026-03-02T15", "neither a date nor a time"),
        ("2026-03-02T15:00 Europe/Paris", "neither a date nor a time"),
        ("2026-02-30", "no such day"),
        ("2026-02-30T10:00", "no such day"),
        ("2026-03-02T24:00", "no such day"),
        ("2026-03-02T23:59:60Z", "no such day"),
        ("2026-03-02T15:00+25:00", "no such day"),
        ("0000-01-01", "no such day"),
        ("2026-03-02T15:00:00.5Z", "whole seconds"),
    ],
)
def test_other_texts_are_refused_with_the_reason(text: str, reason: str) -> None:
    """A date in another order than ISO 8601's means two days; none of them is chosen."""
    with pytest.raises(ValueError, match=reason):
        parse_moment(text)


def test_with_a_new_start_alone_a_timed_event_keeps_its_length() -> None:
    """Its length in elapsed time: 90 minutes stay 90 minutes across a clock change."""
    event = timed(minutes=90, tzid="Europe/Paris")
    move = Reschedule(start="2026-10-25T00:00Z")
    assert rescheduled(event, move, tzid=None, policy=STRICT) == timed(
        "2026-10-25T00:00", minutes=90, tzid="Europe/Paris"
    )


def test_with_a_new_start_alone_an_all_day_event_keeps_its_days() -> None:
    """Three days stay three days."""
    move = Reschedule(start="2026-07-01")
    assert rescheduled(all_day(days=3), move, tzid=None, policy=STRICT) == all_day(
        "2026-07-01", days=3
    )


def test_with_a_new_end_alone_the_start_stays() -> None:
    """Making a meeting longer does not move it."""
    move = Reschedule(end="2026-06-02T11:00Z")
    assert rescheduled(timed(), move, tzid=None, policy=STRICT) == timed(minutes=120)
    days = Reschedule(end="2026-06-05")
    assert rescheduled(all_day(), days, tzid=None, policy=STRICT) == all_day(days=3)


def test_with_neither_nothing_moves() -> None:
    """An empty reschedule is the identity, not an error in the middle of a chunk."""
    assert rescheduled(timed(), Reschedule(), tzid=None, policy=STRICT) == timed()


def test_an_offset_is_taken_at_its_word() -> None:
    """A text with an offset names an instant, whatever zones there are."""
    move = Reschedule(start="2026-07-01T10:00+05:30", end="2026-07-01T11:00+05:30")
    assert rescheduled(timed(), move, tzid="Europe/Paris", policy=STRICT) == timed(
        "2026-07-01T04:30"
    )


def test_naive_times_are_read_in_the_edits_zone() -> None:
    """The edit's tzid comes before the event's own, and is not what the event is shown in."""
    event = timed(tzid="Asia/Tokyo")
    move = Reschedule(start="2026-07-01T10:00", end="2026-07-01T11:00")
    assert rescheduled(event, move, tzid="Europe/Paris", policy=STRICT) == timed(
        "2026-07-01T08:00", tzid="Asia/Tokyo"
    )


def test_naive_times_are_else_read_in_the_zone_of_their_end() -> None:
    """Departure by the clock at the start, arrival by the clock at the end."""
    flight = timed(tzid="Europe/Paris", end_tzid="America/New_York")
    move = Reschedule(start="2026-07-01T10:00", end="2026-07-01T12:00")
    answer = rescheduled(flight, move, tzid=None, policy=STRICT)
    assert isinstance(answer, Timed)
    assert (answer.start, answer.end) == (utc("2026-07-01T08:00"), utc("2026-07-01T16:00"))


@pytest.mark.parametrize(
    "move",
    [
        Reschedule(start="2026-03-29T02:30"),
        Reschedule(start="2026-03-29T01:30", end="2026-03-29T02:30"),
    ],
)
def test_a_skipped_time_is_refused_or_chosen_by_policy(move: Reschedule) -> None:
    """The same rule as for shifts, at either end."""
    event = timed(tzid="Europe/Paris")
    answer = rescheduled(event, move, tzid=None, policy=STRICT)
    assert isinstance(answer, Ambiguous)
    assert answer.why == "gap"
    chosen = rescheduled(event, move, tzid=None, policy=a_policy(dst_gap="later"))
    assert isinstance(chosen, Timed)


def test_a_naive_time_in_an_unknown_zone_is_refused() -> None:
    """A mistyped zone must not silently become UTC."""
    move = Reschedule(start="2026-07-01T10:00")
    assert rescheduled(timed(), move, tzid="Europe/Pariss", policy=STRICT) == Ambiguous(why="zone")


@pytest.mark.parametrize(
    "move",
    [Reschedule(start="2026-07-01"), Reschedule(end="2026-07-02")],
)
@pytest.mark.row(34)
def test_a_date_does_not_fit_a_timed_event(move: Reschedule) -> None:
    """A timed event never becomes an all-day one by accident."""
    assert rescheduled(timed(), move, tzid=None, policy=STRICT) == KindMismatch()


@pytest.mark.parametrize(
    "move",
    [Reschedule(start="2026-07-01T10:00Z"), Reschedule(end="2026-07-01T10:00")],
)
def test_a_time_does_not_fit_an_all_day_event(move: Reschedule) -> None:
    """An all-day event stays all-day."""
    assert rescheduled(all_day(), move, tzid=None, policy=STRICT) == KindMismatch()


@pytest.mark.parametrize(
    ("event", "move"),
    [
        (timed(), Reschedule(end="2026-06-02T08:59Z")),
        (timed(), Reschedule(end="2026-06-02T09:00Z")),
        (timed(), Reschedule(start="2026-07-01T10:00Z", end="2026-07-01T09:00Z")),
        (all_day(), Reschedule(end="2026-06-01")),
        (all_day(), Reschedule(end="2026-06-02")),
    ],
)
@pytest.mark.row(34)
def test_an_end_that_is_not_after_the_start_is_refused(
    event: AllDay | Timed, move: Reschedule
) -> None:
    """The API would answer 422; it is told before a call is spent (cronofy-api §4.2)."""
    assert rescheduled(event, move, tzid=None, policy=STRICT) == EndBeforeStart()


@pytest.mark.parametrize(
    ("event", "move"),
    [
        (timed(minutes=0), Reschedule(start="2026-07-01T10:00Z", end="2026-07-01T10:00Z")),
        (all_day(days=0), Reschedule(start="2026-07-01")),
    ],
)
def test_an_event_without_length_may_stay_so(event: AllDay | Timed, move: Reschedule) -> None:
    """Otherwise the undo of such an event's move would be refused."""
    answer = rescheduled(event, move, tzid=None, policy=STRICT)
    assert isinstance(answer, AllDay | Timed)
    assert answer.end == answer.start


@pytest.mark.parametrize(
    ("event", "move"),
    [
        (timed(), Reschedule(start="9999-12-31T23:30Z")),
        (timed(), Reschedule(start="0001-01-01T00:00+05:00")),
        (timed(tzid="Asia/Tokyo"), Reschedule(start="0001-01-01T00:00")),
        (all_day(days=3), Reschedule(start="9999-12-31")),
    ],
)
@pytest.mark.row(34)
def test_beyond_the_calendar_is_refused(event: AllDay | Timed, move: Reschedule) -> None:
    """Years 1 and 9999 are texts like any other; they must not end a worker."""
    assert rescheduled(event, move, tzid=None, policy=STRICT) == Ambiguous(why="range")
