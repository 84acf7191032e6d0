"""Transforms: each alone, and one after the other."""

from __future__ import annotations

import pytest

from tests.builders import a_policy, all_day, an_image, timed
from worker.model import (
    AddText,
    AllDay,
    Image,
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
    When,
)
from worker.rules import Ambiguous, NotForAllDay, is_relative, transformed
from worker.rules.transform import TooLong

PARIS, TOKYO, NEW_YORK = "Europe/Paris", "Asia/Tokyo", "America/New_York"


def made(
    image: Image, *ops: Op, policy: Policy | None = None
) -> Image | Ambiguous | NotForAllDay | TooLong:
    """Return what transforms make of an image."""
    return transformed(image, ops, policy=policy or a_policy())


def moved(
    when: When, *ops: Op, policy: Policy | None = None
) -> When | Ambiguous | NotForAllDay | TooLong:
    """Return where transforms put an event."""
    answer = made(an_image(when), *ops, policy=policy)
    return answer.when if isinstance(answer, Image) else answer


def retitled(title: str, *ops: Op) -> str:
    """Return what transforms make of a title."""
    answer = made(an_image(summary=title), *ops)
    assert isinstance(answer, Image)
    return answer.summary


# ---------------------------------------------------------------- weekdays and times of day


@pytest.mark.parametrize(
    ("when", "op", "there"),
    [
        # Tuesday, the 2nd of June 2026
        (timed(tzid=PARIS), ToTime(weekday=3), timed("2026-06-04T09:00", tzid=PARIS)),
        (timed(tzid=PARIS), ToTime(weekday=0), timed("2026-06-01T09:00", tzid=PARIS)),
        (timed(tzid=PARIS), ToTime(weekday=1), timed(tzid=PARIS)),
        (timed(tzid=PARIS), ToTime(time="10:30"), timed("2026-06-02T08:30", tzid=PARIS)),
        (timed(tzid=PARIS), ToTime(time="10:30:15"), timed("2026-06-02T08:30:15", tzid=PARIS)),
        (
            timed(tzid=PARIS),
            ToTime(weekday=6, time="23:30"),
            timed("2026-06-07T21:30", tzid=PARIS),
        ),
        # the week is that of the zone asked for: in Tokyo it is Monday already
        (
            timed("2026-06-07T16:00", tzid=PARIS),
            ToTime(weekday=0, tzid=TOKYO),
            timed("2026-06-07T16:00", tzid=PARIS),
        ),
        (
            timed("2026-06-07T16:00", tzid=PARIS),
            ToTime(weekday=0),
            timed("2026-06-01T16:00", tzid=PARIS),
        ),
        # ISO weeks at the end of a year: Friday, the 1st of January 2027 is in week 53 of 2026
        (timed("2027-01-01T09:00"), ToTime(weekday=0), timed("2026-12-28T09:00")),
        (timed("2026-12-28T09:00"), ToTime(weekday=6), timed("2027-01-03T09:00")),
        (timed("2024-12-31T09:00"), ToTime(weekday=3), timed("2025-01-02T09:00")),
        (all_day("2027-01-01"), ToTime(weekday=0), all_day("2026-12-28")),
        (all_day(days=3), ToTime(weekday=4), all_day("2026-06-05", days=3)),
        (all_day(), ToTime(weekday=1), all_day()),
        # both ends by the clock: what begins at nine and ends at ten does so in winter too
        (
            timed("2026-10-24T08:00", minutes=60, tzid=PARIS),
            ToTime(weekday=6),
            timed("2026-10-25T09:00", minutes=60, tzid=PARIS),
        ),
        # each end by its own clock
        (
            timed("2026-10-24T08:00", minutes=480, tzid=PARIS, end_tzid=NEW_YORK),
            ToTime(weekday=6),
            Timed(
                start=timed("2026-10-25T09:00").start,
                end=timed("2026-10-25T16:00").start,
                start_tzid=PARIS,
                end_tzid=NEW_YORK,
            ),
        ),
        # a moment has no length before and after
        (timed(minutes=0), ToTime(weekday=4), timed("2026-06-05T09:00", minutes=0)),
        # the second of two hours alike stays where it is
        (timed("2026-10-25T01:30", tzid=PARIS), ToTime(time="02:30"),
         timed("2026-10-25T01:30", tzid=PARIS)),
    ],
)  # fmt: skip
def test_an_event_moves_within_its_week(when: When, op: ToTime, there: When) -> None:
    """To a weekday, to a time on the clock, or both; the zones shown stay."""
    assert moved(when, op) == there


@pytest.mark.parametrize(
    ("when", "op", "why"),
    [
        (timed("2026-03-28T01:30", tzid=PARIS), ToTime(weekday=6, time="02:30"), "gap"),
        (timed("2026-10-24T01:30", tzid=PARIS), ToTime(weekday=6, time="02:30"), "fold"),
        (timed(tzid="Mars/Olympus"), ToTime(weekday=6), "zone"),
        (timed(), ToTime(weekday=6, tzid="Mars/Olympus"), "zone"),
        (timed("0001-01-01T05:00"), ToTime(time="01:00", tzid=NEW_YORK), None),
        (timed("0001-01-01T04:00"), ToTime(time="01:00", tzid=NEW_YORK), "range"),
        (timed("9999-12-31T09:00"), ToTime(weekday=6), "range"),
        (all_day("9999-12-30"), ToTime(weekday=6), "range"),
    ],
)
def test_what_the_clock_does_not_show_is_told(when: When, op: ToTime, why: str | None) -> None:
    """Nothing is guessed, as for any other move."""
    answer = moved(when, op)
    assert getattr(answer, "why", None) == why


def test_a_policy_chooses_between_two_readings() -> None:
    """As it does for a shift; and asked again, the event stays."""
    policy = a_policy(dst_fold="later", dst_gap="earlier")
    op = ToTime(weekday=6, time="02:30")
    autumn = moved(timed("2026-10-24T01:30", minutes=30, tzid=PARIS), op, policy=policy)
    assert autumn == timed("2026-10-25T01:30", minutes=30, tzid=PARIS)
    assert moved(autumn, op, policy=policy) == autumn
    spring = moved(timed("2026-03-28T01:30", minutes=120, tzid=PARIS), op, policy=policy)
    assert isinstance(spring, Timed)
    assert moved(spring, op, policy=policy) == spring


@pytest.mark.parametrize(
    "op",
    [
        ToTime(time="09:00"),
        ToTime(weekday=2, time="09:00"),
        Shift(seconds=3600),
        Lasting(seconds=3600),
        Lasting(days=1, seconds=3600),
    ],
)
def test_an_all_day_event_has_no_times(op: Op) -> None:
    """And gets none by a slip of the hand."""
    assert moved(all_day(), op) == NotForAllDay()


# ---------------------------------------------------------------- lengths


@pytest.mark.parametrize(
    ("when", "op", "there"),
    [
        (timed(), Lasting(seconds=1500), timed(minutes=25)),
        (timed(minutes=0), Lasting(seconds=1500), timed(minutes=25)),
        (timed(), Lasting(days=1), timed(minutes=1440)),
        (all_day(), Lasting(days=3), all_day(days=3)),
        # elapsed: over a change of the clocks, an hour is an hour
        (
            timed("2026-10-25T00:30", minutes=30, tzid=PARIS),
            Lasting(seconds=3600),
            timed("2026-10-25T00:30", minutes=60, tzid=PARIS),
        ),
        (timed(tzid=PARIS, end_tzid=TOKYO), Lasting(seconds=60),
         timed(minutes=1, tzid=PARIS, end_tzid=TOKYO)),
    ],
)  # fmt: skip
def test_an_event_lasts_as_long_as_asked(when: When, op: Lasting, there: When) -> None:
    """From the start that it has."""
    assert moved(when, op) == there


def test_a_length_beyond_the_calendar_is_told() -> None:
    """As a move there is."""
    assert moved(timed("9999-12-31T09:00"), Lasting(days=2)) == Ambiguous(why="range")
    assert moved(all_day("9999-12-30"), Lasting(days=5)) == Ambiguous(why="range")


# ---------------------------------------------------------------- zones


@pytest.mark.parametrize(
    ("when", "op", "there"),
    [
        (timed(tzid=PARIS), InZone(tzid=TOKYO), timed(tzid=TOKYO)),
        (timed(tzid=PARIS, end_tzid=NEW_YORK), InZone(tzid=TOKYO), timed(tzid=TOKYO)),
        (timed(tzid="Mars/Olympus"), InZone(tzid=TOKYO), timed(tzid=TOKYO)),
        (all_day(), InZone(tzid=TOKYO), all_day()),
        (all_day(), InZone(tzid=TOKYO, keep="wall_clock"), all_day()),
        # eleven in Paris becomes eleven in Tokyo
        (
            timed(tzid=PARIS),
            InZone(tzid=TOKYO, keep="wall_clock"),
            timed("2026-06-02T02:00", tzid=TOKYO),
        ),
        (
            timed(tzid=PARIS, minutes=0),
            InZone(tzid=TOKYO, keep="wall_clock"),
            timed("2026-06-02T02:00", tzid=TOKYO, minutes=0),
        ),
        (timed(tzid=PARIS), InZone(tzid=PARIS, keep="wall_clock"), timed(tzid=PARIS)),
        # both clocks show the second of two hours alike: nothing moves
        (
            timed("2026-10-25T01:30", minutes=15, tzid=PARIS),
            InZone(tzid="Europe/Berlin", keep="wall_clock"),
            timed("2026-10-25T01:30", minutes=15, tzid="Europe/Berlin"),
        ),
    ],
)
def test_an_event_is_shown_in_another_zone(when: When, op: InZone, there: When) -> None:
    """At the same instant, or at the same time on the wall."""
    assert moved(when, op) == there


@pytest.mark.parametrize(
    ("when", "op", "why"),
    [
        (timed(), InZone(tzid="Mars/Olympus"), "zone"),
        (timed(tzid="Mars/Olympus"), InZone(tzid=PARIS, keep="wall_clock"), "zone"),
        (timed(end_tzid="Mars/Olympus"), InZone(tzid=PARIS, keep="wall_clock"), "zone"),
        (timed("2026-03-29T02:30"), InZone(tzid=PARIS, keep="wall_clock"), "gap"),
        (timed("2026-03-29T01:30"), InZone(tzid=PARIS, keep="wall_clock"), "gap"),
        (timed("2026-10-25T02:30"), InZone(tzid=PARIS, keep="wall_clock"), "fold"),
        # five in the afternoon in Tokyo to noon in Paris, an hour's flight later: no such meeting
        (timed(tzid=TOKYO, end_tzid=PARIS), InZone(tzid=PARIS, keep="wall_clock"), "order"),
        (timed("0001-01-01T05:00"), InZone(tzid=TOKYO, keep="wall_clock"), "range"),
    ],
)
def test_a_zone_in_which_the_event_cannot_be_is_told(when: When, op: InZone, why: str) -> None:
    """Unknown, or with a clock that does not show such times."""
    answer = moved(when, op)
    assert isinstance(answer, Ambiguous)
    assert answer.why == why


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("op", "image"),
    [
        (SetText(field="location", value=""), an_image(location="")),
        (SetText(field="transparency", value="transparent"), an_image(transparency="transparent")),
        (SetText(field="summary", value=" Planning\n"), an_image()),
        (Replace(field="summary", pattern="ann", with_text="ay"), an_image(summary="Playing")),
        (Replace(field="location", pattern="ann", with_text="ay"), an_image()),
        (AddText(field="summary", text=" (moved)"), an_image(summary="Planning (moved)")),
        (AddText(field="summary", text="Old: ", before=True), an_image(summary="Old: Planning")),
    ],
)
def test_only_the_field_named_is_written(op: Op, image: Image) -> None:
    """And not at all where it means the same already."""
    assert made(an_image(), op) == image


@pytest.mark.parametrize(
    ("title", "text", "becomes"),
    [
        ("Planning", " (moved)", "Planning (moved)"),
        ("Planning (moved)", " (moved)", "Planning (moved)"),
        ("Planning (moved) ", " (moved)", "Planning (moved) "),
        ("(moved)", " (moved)", "(moved)"),
        ("", " (moved)", " (moved)"),
        ("Room 12", " 2", "Room 12 2"),
        ("2", " 2", "2"),
        ("x\r\n-- \r\nACME", "\n-- \nACME\n", "x\r\n-- \r\nACME"),
        ("-- \r\nACME", "\n-- \nACME\n", "-- \r\nACME"),
        ("Planning", "  ", "Planning"),
        ("Planning (MOVED)", " (moved)", "Planning (MOVED) (moved)"),
    ],
)
def test_a_text_is_put_at_the_end_once(title: str, text: str, becomes: str) -> None:
    """Also where the provider has taken its outer white space away, or has other line ends."""
    assert retitled(title, AddText(field="summary", text=text)) == becomes


@pytest.mark.parametrize(
    ("title", "text", "becomes"),
    [
        ("Planning", "Old: ", "Old: Planning"),
        ("Old: Planning", "Old: ", "Old: Planning"),
        ("Old:", "Old: ", "Old:"),
        ("", "Old: ", "Old: "),
        (" Old: Planning", "Old: ", " Old: Planning"),
        ("Old: Planning", "\nOld: ", "Old: Planning"),
        ("Older", "Old: ", "Old: Older"),
    ],
)
def test_a_text_is_put_before_once(title: str, text: str, becomes: str) -> None:
    """As above."""
    assert retitled(title, AddText(field="summary", text=text, before=True)) == becomes


@pytest.mark.parametrize(
    "ops",
    [
        (AddText(field="summary", text=" a"), AddText(field="summary", text=" b")),
        (
            AddText(field="summary", text=" a"),
            AddText(field="summary", text="b ", before=True),
            AddText(field="location", text=" c"),
            SetText(field="location", value="d"),
            AddText(field="summary", text=" e"),
            AddText(field="summary", text="f ", before=True),
        ),
        (
            AddText(field="summary", text=" a"),
            SetText(field="summary", value="new"),
            AddText(field="summary", text=" a"),
        ),
        (
            AddText(field="summary", text=" a"),
            Replace(field="summary", pattern=" a", with_text=" b"),
            Replace(field="summary", pattern=" b b", with_text=" b"),
        ),
    ],
)
def test_several_additions_are_not_made_again_either(ops: tuple[Op, ...]) -> None:
    """The second hides that the first stands there."""
    once = made(an_image(), *ops)
    assert isinstance(once, Image)
    assert once != an_image()
    assert made(once, *ops) == once


def test_additions_stand_in_the_order_of_the_list() -> None:
    """The last one outermost."""
    ops = [AddText(field="summary", text=each, before=side) for each in "ab" for side in (0, 1)]  # type: ignore[arg-type]
    assert retitled("-", *ops) == "ba-ab"


def test_another_spelling_does_not_ride_along() -> None:
    """Neither one that was set, nor one that came and went."""
    ops = [
        SetText(field="summary", value="Else"),
        SetText(field="summary", value="Planning  "),
        SetText(field="location", value="Room 5"),
    ]
    assert made(an_image(summary="Planning\r\n"), *ops) == an_image(
        summary="Planning\r\n", location="Room 5"
    )


def test_a_text_that_grows_beyond_all_bounds_is_told() -> None:
    """Ten such transforms would take all memory there is."""
    ops = [Replace(field="summary", pattern="a", with_text="a" * 1000)] * 10
    assert made(an_image(summary="aaa"), *ops) == TooLong()


# ---------------------------------------------------------------- one after the other


def test_transforms_are_applied_in_their_order() -> None:
    """Each to what the one before has made."""
    ops = [
        Shift(seconds=1800),
        ToTime(weekday=4),
        Lasting(seconds=900),
        InZone(tzid=TOKYO),
        Replace(field="summary", pattern="Plan", with_text="Scan"),
        AddText(field="summary", text="!"),
    ]
    assert made(an_image(timed(tzid=PARIS)), *ops) == an_image(
        timed("2026-06-05T09:30", minutes=15, tzid=TOKYO), summary="Scanning!"
    )


def test_nothing_is_made_of_an_image_that_one_transform_has_no_answer_for() -> None:
    """Half a campaign is none."""
    ops = [SetText(field="summary", value="Review"), Shift(seconds=60)]
    assert made(an_image(all_day()), *ops) == NotForAllDay()


@pytest.mark.parametrize(
    ("patch", "is_it"),
    [
        (Patch(move=Shift(days=1)), True),
        (Patch(move=Reschedule(start="2026-06-02")), False),
        (Patch(summary="x"), False),
        (Patch(ops=(Shift(days=1, elapsed=True),)), True),
        (Patch(ops=(ToTime(weekday=1),)), False),
        (Patch(ops=(ToTime(weekday=1, time="10:00"), SetText(field="summary", value="x"))), False),
        (Patch(ops=(ToTime(time="10:00"), InZone(tzid=TOKYO))), True),
        (Patch(ops=(Lasting(days=1),)), False),
        (Patch(ops=(InZone(tzid=TOKYO),)), False),
        (Patch(ops=(InZone(tzid=TOKYO, keep="wall_clock"),)), True),
        (Patch(ops=(Replace(field="summary", pattern="a", with_text="aa"),)), True),
        (
            Patch(ops=(AddText(field="summary", text="a"), AddText(field="summary", text="b"))),
            False,
        ),
        (Patch(undo="c_1:2"), False),
    ],
)
def test_what_asked_twice_may_change_twice_is_known(patch: Patch, is_it: bool) -> None:
    """For these, intake notes where an equal earlier edit has left the event."""
    assert is_relative(patch) is is_it


def test_whole_days_stay_whole_days() -> None:
    """Whatever the transforms are."""
    there = moved(all_day(), Shift(days=1), ToTime(weekday=0), Lasting(days=2), InZone(tzid=PARIS))
    assert there == AllDay(start=all_day("2026-06-01").start, end=all_day("2026-06-03").start)
