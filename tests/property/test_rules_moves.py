"""Moving by any shift, in any zone, at any time: what must hold always."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.builders import all_day, timed
from worker.model import AllDay, Policy, Reschedule, Shift, Timed, When
from worker.rules import (
    Ambiguous,
    EndBeforeStart,
    KindMismatch,
    NotForAllDay,
    find_zone,
    format_shift,
    moved,
    parse_moment,
    parse_shift,
    rescheduled,
)
from worker.rules.zones import local_time, resolved

STRICT = Policy()
ZONES = sorted(name for name in available_timezones() if find_zone(name) is not None)
#: Zones with odd habits: half hours, two hours, a skipped day, a change in Ramadan, none at all.
ODD = [
    "Africa/Casablanca",
    "America/New_York",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Etc/UTC",
    "Europe/Dublin",
    "Europe/Paris",
    "Pacific/Apia",
]

zones = st.sampled_from(ODD) | st.sampled_from(ZONES)
instants = st.datetimes(
    min_value=datetime(2011, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=0))
walls = instants.map(lambda moment: moment.replace(tzinfo=None))
events = st.builds(
    timed, instants, minutes=st.integers(0, 3000), tzid=zones, end_tzid=st.none() | zones
)
days_off = st.builds(all_day, st.dates(date(2011, 1, 1), date(2030, 1, 1)), days=st.integers(1, 30))
signs = st.sampled_from([-1, 1])


@st.composite
def shifts(draw: st.DrawFn) -> Shift:
    """Draw a shift that a text can ask for."""
    days, seconds = draw(st.integers(0, 200)), draw(st.integers(0, 200_000))
    sign = draw(signs)
    elapsed = draw(st.booleans())
    return Shift(days=sign * days, seconds=sign * (seconds or (not days)), elapsed=elapsed)


def reversed_shift(shift: Shift) -> Shift:
    """Return the shift that undoes one."""
    return Shift(days=-shift.days, seconds=-shift.seconds, elapsed=shift.elapsed)


def is_clear(when: Timed, tzid: str | None) -> bool:
    """Tell whether both wall clock times of an event name its instants and no others."""
    return all(
        resolved(wall, zone, policy=STRICT) == instant
        for instant, zone in (
            (when.start, tzid or when.start_tzid),
            (when.end, tzid or when.end_tzid),
        )
        if isinstance(wall := local_time(instant, zone), datetime)
    )


def readings_of(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """Return all instants at which the clock shows a time, by trying each offset of those days."""
    noon = wall.replace(tzinfo=UTC)
    offsets = {
        (noon + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-48, 49, 6)
    }
    candidates = {noon - offset for offset in offsets if offset is not None}
    return sorted(
        instant
        for instant in candidates
        if instant.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    )


def check_against_all_readings(wall: datetime, tzid: str) -> None:
    """Assert that a wall clock time is resolved exactly if it has exactly one reading."""
    answer = resolved(wall, tzid, policy=STRICT)
    match readings_of(wall, ZoneInfo(tzid)):
        case []:
            assert isinstance(answer, Ambiguous)
            assert answer.why == "gap"
        case [only]:
            assert answer == only
        case readings:
            assert answer == Ambiguous(why="fold", readings=(readings[0], readings[-1]))


def transitions_of(tzid: str, year: int) -> list[datetime]:
    """Return the instants (to the second) at which a zone's offset changes in a year."""
    zone = ZoneInfo(tzid)

    def offset(instant: datetime) -> timedelta | None:
        return instant.astimezone(zone).utcoffset()

    found = []
    for number in range(365):
        low = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=number)
        high = low + timedelta(days=1)
        if offset(low) == offset(high):
            continue
        while high - low > timedelta(seconds=1):
            middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
            low, high = (low, middle) if offset(middle) == offset(high) else (middle, high)
        found.append(high)
    return found


@pytest.mark.parametrize("year", [2011, 2026])
@pytest.mark.row(33)
def test_every_change_of_every_zone_is_refused_exactly_where_it_is_unclear(year: int) -> None:
    """The hours around each transition, against all readings found by trying (faults 33)."""
    count = 0
    for tzid in ZONES:
        for change in transitions_of(tzid, year):
            count += 1
            for before in (change - timedelta(seconds=1), change):
                wall = local_time(before, tzid)
                assert isinstance(wall, datetime)
                for minutes in (-61, -30, -1, 0, 1, 29, 61):
                    check_against_all_readings(wall + timedelta(minutes=minutes), tzid)
    assert count > 300


@given(wall=walls, tzid=zones)
@example(wall=datetime(2011, 12, 30, 12), tzid="Pacific/Apia")  # noqa: DTZ001 - a day that never was
@example(wall=datetime(2026, 4, 5, 1, 45), tzid="Australia/Lord_Howe")  # noqa: DTZ001 - half an hour
def test_a_wall_clock_time_is_resolved_iff_it_has_one_reading(wall: datetime, tzid: str) -> None:
    """Neither a guess nor a refusal without need."""
    check_against_all_readings(wall, tzid)


@given(wall=walls, tzid=zones)
def test_a_policy_takes_one_of_the_two_readings(wall: datetime, tzid: str) -> None:
    """Earlier is before later, and both are among what a refusal would have named."""
    strict = resolved(wall, tzid, policy=STRICT)
    early = resolved(wall, tzid, policy=Policy(dst_gap="earlier", dst_fold="earlier"))
    late = resolved(wall, tzid, policy=Policy(dst_gap="later", dst_fold="later"))
    if isinstance(strict, Ambiguous):
        assert (early, late) == strict.readings
    else:
        assert early == late == strict


@given(when=events, move=shifts(), tzid=st.none() | zones)
def test_a_shift_and_its_reverse_give_back_the_event(
    when: Timed, move: Shift, tzid: str | None
) -> None:
    """Exactly, or not at all: an undo by shift never lands an hour off."""
    there = moved(when, move, tzid=tzid, policy=STRICT)
    if not isinstance(there, Timed):
        assert isinstance(there, Ambiguous)
        return
    back = moved(there, reversed_shift(move), tzid=tzid, policy=STRICT)
    if move.elapsed or is_clear(when, tzid):
        assert back == when
    else:
        assert isinstance(back, Ambiguous)


@given(when=events, move=shifts())
def test_a_moved_event_keeps_its_zones_and_its_order(when: Timed, move: Shift) -> None:
    """Whatever the clocks do, an end does not come before its start."""
    there = moved(when, move, tzid=None, policy=Policy(dst_gap="later", dst_fold="earlier"))
    if isinstance(there, Timed):
        assert (there.start_tzid, there.end_tzid) == (when.start_tzid, when.end_tzid)
        assert there.start <= there.end
        assert (there.start == there.end) == (when.start == when.end)


@given(when=events, move=shifts())
def test_whole_days_keep_the_time_on_the_clock(when: Timed, move: Shift) -> None:
    """What people mean by "a day later" (features §2, 26)."""
    there = moved(when, Shift(days=move.days), tzid=None, policy=STRICT)
    if isinstance(there, Timed):
        old = local_time(when.start, when.start_tzid)
        new = local_time(there.start, there.start_tzid)
        assert isinstance(old, datetime)
        assert new == old + timedelta(days=move.days)


@given(when=days_off, move=shifts())
@pytest.mark.row(34)
def test_an_all_day_event_stays_all_day_and_as_long(when: AllDay, move: Shift) -> None:
    """By days it moves, by anything else it does not (faults 34)."""
    there = moved(when, move, tzid=None, policy=STRICT)
    if move.seconds:
        assert there == NotForAllDay()
        return
    assert isinstance(there, AllDay)
    assert there.end - there.start == when.end - when.start
    assert moved(there, reversed_shift(move), tzid=None, policy=STRICT) == when


@given(move=shifts())
def test_a_shift_written_and_read_is_the_same(move: Shift) -> None:
    """Reports can be used as input."""
    assert parse_shift(format_shift(move), elapsed=move.elapsed) == move


@given(days=st.integers(-400, 400), seconds=st.integers(-90_000, 90_000))
def test_any_shift_is_written_as_the_same_distance(days: int, seconds: int) -> None:
    """Also one with mixed signs, which only code can make."""
    shift = Shift(days=days, seconds=seconds)
    if shift.delta and abs(shift.delta) <= timedelta(days=400):
        assert parse_shift(format_shift(shift)).delta == shift.delta


@given(text=st.text(max_size=40) | st.from_regex(r"[+-]?P[0-9.,YMWDTHS]{0,30}", fullmatch=True))
def test_any_text_is_a_shift_or_refused_with_a_reason(text: str) -> None:
    """A cell of a file can hold anything, and must not end the program."""
    try:
        shift = parse_shift(text)
    except ValueError as refusal:
        reason = str(refusal)
    else:
        reason = "read"
        assert timedelta() != shift.delta
        assert abs(shift.delta) <= timedelta(days=400)
    assert reason


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9T:Z+\- .]{0,30}", fullmatch=True))
@example(text="2026-03-02T15:00+23:59")
@example(text="2026-03-02T15:00+24:00")
def test_any_text_is_a_moment_or_refused_with_a_reason(text: str) -> None:
    """As above."""
    try:
        moment = parse_moment(text)
    except ValueError as refusal:
        reason = str(refusal)
    else:
        reason = "read"
        assert not isinstance(moment, datetime) or moment.microsecond == 0
    assert reason


moments = (
    st.dates()
    | st.datetimes().map(lambda moment: moment.replace(microsecond=0))
    | st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))
).map(lambda moment: moment.isoformat())


@given(
    when=events | days_off,
    start=st.none() | moments,
    end=st.none() | moments,
    tzid=st.none() | zones | st.text(max_size=10),
)
@pytest.mark.row(34)
def test_rescheduling_keeps_kind_and_order_or_says_why_not(
    when: When, start: str | None, end: str | None, tzid: str | None
) -> None:
    """Any two moments of the whole calendar, in any zone or none (faults 34)."""
    answer = rescheduled(when, Reschedule(start=start, end=end), tzid=tzid, policy=STRICT)
    if isinstance(answer, get_args(When)):
        assert type(answer) is type(when)
        assert answer.start < answer.end or when.start == when.end
    else:
        assert isinstance(answer, Ambiguous | KindMismatch | EndBeforeStart)


@given(when=events, tzid=st.text(max_size=30))
@pytest.mark.row(33)
def test_any_zone_name_moves_or_refuses(when: Timed, tzid: str) -> None:
    """Providers and files deliver zone names that no database knows (faults 33)."""
    answer = moved(when, Shift(days=1), tzid=tzid, policy=STRICT)
    assert isinstance(answer, Timed | Ambiguous)
