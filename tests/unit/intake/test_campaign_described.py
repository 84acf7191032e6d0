"""A campaign in words: what it selects, does, spares, and how it is carried out."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.intake.campaigns import FILE, also, between, doing, like, of, read, told
from worker.intake.campaign import described, example

ALWAYS = "leaves alone recurring, locked and deleted events and those the application made"
HELD = (
    "is held when more than 5% of 50 or more fail or after 10 failures in a row with the same code"
)


def test_the_smallest_campaign_in_words() -> None:
    """What nobody said is said: these are the defaults that count."""
    assert described(read(FILE)) == [
        "campaign move: The office moves",
        "selects events of all accounts",
        "  in all calendars that may be edited",
        "  that start from 2026-03-01 to 2026-04-30, in Europe/Paris",
        "changes each, in this order:",
        "  1. moves it 1 h later, by the clock on the wall",
        f"{ALWAYS}, events that have ended",
        "what somebody changes in the meantime is left to them",
        HELD,
    ]


def test_the_example_in_words() -> None:
    """What `calpatch init` writes is understood without knowing the format."""
    assert described(read(example(), now=datetime(2026, 2, 28, 23, 30, tzinfo=UTC))) == [
        "campaign office-move-paris: The office opens an hour later",
        "selects events of all accounts",
        "  in their primary calendars",
        "  that start from 2026-03-02 to 2026-04-26, in Europe/Paris",
        "  that the account itself organizes",
        "  whose title fits /standup|review/ in any case",
        "changes each, in this order:",
        "  1. moves it 1 h later, by the clock on the wall",
        r'  2. replaces /^Room (\d+)$/ in its location with "Building B, Room \1"',
        (
            f"{ALWAYS}, events that have ended, events with anybody outside of acme.com, "
            "events that start within 20 h"
        ),
        "what somebody changes in the meantime is left to them",
        "sends edits 20:00-06:00 in Europe/Paris",
        "uses up to 70% of calpatch's limit",
        "sends 20 edits first, the others once those are verified",
        HELD,
        "is refused if it would change more than 5,000 events",
        "is refused if more than 10,000 people may get mail",
        "needs a second person above 500 changes",
    ]


def selection(text: str) -> list[str]:
    lines = described(read(text))
    return lines[1 : lines.index("changes each, in this order:")]


def test_every_condition_is_said() -> None:
    """A filter that is not shown is one that nobody agreed to."""
    match = (
        "{organizer: {domain: [a.com, b.com]}, summary: {glob: 'St*'}, location: {literal: R, "
        "ignore_case: true}, attendees: {any_domain: [c.com], only_domains: [d.com, e.com], "
        "any: [ann@f.com], at_least: 1, at_most: 9}, private: false, all_day: true, "
        "created_before: 2026-02-20, updated_before: 2026-02-21, "
        "duration: {at_least: PT15M, at_most: P1DT1H30S}}"
    )
    assert selection(like(match))[3:] == [
        "  that somebody of a.com or b.com organizes",
        "  to which somebody of c.com is invited",
        "  to which nobody outside of d.com and e.com is invited",
        "  to which ann@f.com is invited",
        "  to which 1 person or more are invited",
        "  to which 9 people or fewer are invited",
        '  whose title is like "St*"',
        '  whose location contains "R" in any case',
        "  that are not private",
        "  that last whole days",
        "  that were made before 2026-02-19 23:00 UTC",
        "  that were last changed before 2026-02-20 23:00 UTC",
        "  that last 15 min or longer",
        "  that last 1 day 1 h 30 s or shorter",
    ]
    other = selection(like("{organizer: other, private: true, all_day: false}"))[3:]
    assert other == ["  that somebody else organizes", "  that are private", "  that have times"]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("today", "today", "from 2026-03-01 to 2026-03-01"),
        ("P0D", "+P1W", "from 2026-03-01 to 2026-03-08"),
        ("-P1D", "2026-03-02", "from 2026-02-28 to 2026-03-02"),
    ],
)
def test_days_are_told_from_today_on_as_well(first: str, last: str, days: str) -> None:
    """In the zone of the campaign, where it is tomorrow already; what is said is the dates."""
    file = between(f"{{from: {first}, to: {last}, tzid: Europe/Paris}}")
    late = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    assert f"  that start {days}, in Europe/Paris" in described(read(file, now=late))


@pytest.mark.parametrize("day", ["P1M", "P1DT1H", "PT24H", "P", "P12345D", "tomorrow", "Today"])
def test_other_ways_of_telling_a_day_are_refused(day: str) -> None:
    """Months have no length, and hours make no day."""
    file = between(f"{{from: {day}, to: P9W, tzid: Europe/Paris}}")
    assert "not a day; write it as in 2026-03-01, or from today on" in told(file)[0]


def test_a_day_so_far_away_that_no_calendar_has_it_is_refused() -> None:
    """Nine thousand weeks pass for a duration."""
    file = between("{from: today, to: P9999W, tzid: Europe/Paris}")
    assert "select.between.to" in told(file)[0]


def test_accounts_and_calendars_are_named_as_far_as_they_are_few() -> None:
    """A thousand names help nobody."""
    many = of(f"[{', '.join(f'acc_{n}' for n in range(9))}]")
    assert selection(many)[0] == (
        "selects events of 9 accounts (acc_0, acc_1, acc_2, acc_3, acc_4 and 4 more)"
    )
    some = of("{labels: [paris, lyon]}\n  calendars: {only: [cal_2, cal_1]}")
    assert selection(some)[:2] == [
        "selects events of the accounts labelled lyon or paris",
        "  in 2 calendars (cal_1 and cal_2)",
    ]
    but = of("[acc_1]\n  calendars: {exclude: [cal_1]}")
    assert selection(but)[:2] == [
        "selects events of 1 account (acc_1)",
        "  in all calendars that may be edited but cal_1",
    ]


def test_every_transform_is_said() -> None:
    """In the order in which they are made."""
    lines = described(
        read(
            doing(
                "shift: {by: -P1DT2H, mode: elapsed}",
                r"replace: {field: location, literal: a, with: '', ignore_case: true}",
                "set: {description: '', transparency: opaque}",
                "move: {to_weekday: monday, to_time: 9:30}",
                "move: {to_time: 17:00, tzid: Asia/Tokyo}",
                "move: {to_weekday: sunday}",
                "duration: P2D",
                "zone: {tzid: Asia/Tokyo}",
                "zone: {tzid: Asia/Tokyo, keep: wall_clock}",
                'append: {field: summary, text: "\\n(moved)"}',
                "prepend: {field: location, text: 'At '}",
            )
        )
    )
    first = lines.index("changes each, in this order:") + 1
    assert lines[first : first + 12] == [
        "  1. moves it 1 day 2 h earlier, by time that passes",
        '  2. replaces "a" in any case in its location with ""',
        "  3. clears its description",
        '  4. sets its transparency to "opaque"',
        "  5. moves it to Monday to 09:30, in its own zone, within its week",
        "  6. moves it to 17:00, in Asia/Tokyo, within its week",
        "  7. moves it to Sunday, in its own zone, within its week",
        "  8. makes it last 2 days",
        "  9. shows it in Asia/Tokyo, at the same instant",
        "  10. shows it in Asia/Tokyo, at the same time of day",
        r'  11. puts "\n(moved)" after its summary',
        '  12. puts "At " before its location',
    ]


def rest(text: str) -> list[str]:
    """The lines on what is spared and how it is carried out."""
    lines = described(read(text))
    return lines[lines.index("  1. moves it 1 h later, by the clock on the wall") + 1 :]


def test_every_guard_is_said() -> None:
    """What is left alone, and what happens to what others change."""
    guards = (
        "guards: {past_events: true, skip: [private_event, external_attendees], "
        "internal_domains: [a.com, b.com], deny: [cal_1, '@c.com'], on_conflict: rebase}"
    )
    assert rest(also(guards))[:2] == [
        (
            f"{ALWAYS}, private events, events with anybody outside of a.com and b.com, "
            "events with @c.com or cal_1"
        ),
        "what somebody changes in the meantime is planned anew where that means the same",
    ]
    assert rest(also("guards: {on_conflict: force}"))[1] == (
        "what somebody changes in the meantime is overwritten"
    )


def test_every_gate_is_said() -> None:
    """When it begins and ends, how fast it goes, what stops it, and who is told."""
    run = (
        "run: {schedule: {at: 2026-02-25T20:00Z, deadline: 2026-02-27T06:00Z, "
        "quiet_hours: [22:00-07:00@Asia/Tokyo, 12:00-13:00@UTC]}, rate: {max_rps: 2.5}, "
        "batch: {size: 1}, canary: {items: 1}, max_failures: {percent: none, "
        "same_code_in_a_row: none, count: 25}, verify: {mode: none}, approval: {within: P2D}, "
        "priority: interactive}\n"
        "notify: {webhook: https://a.fr/HIDDEN}"
    )
    assert rest(also(run))[2:] == [
        "begins 2026-02-25 20:00 UTC",
        "ends 2026-02-27 06:00 UTC at the latest",
        "sends nothing 22:00-07:00 in Asia/Tokyo and 12:00-13:00 in UTC",
        "makes up to 2.5 calls a second",
        "sends up to 1 edit in a request",
        "sends 1 edit first, the others once those are verified",
        "is held after 25 failures",
        "must be approved within 2 days",
        "believes the API: no edit is read back",
        "goes before bulk campaigns",
        "tells a webhook when it is planned, held or finished",
    ]
    assert "is not held for any failures" in rest(also("run: {max_failures: none}"))


def test_the_owner_is_said() -> None:
    """Whoever agrees wants to know who asks."""
    text = FILE.replace("id: move,", "id: move, owner: ops@acme.com,")
    assert described(read(text))[0] == "campaign move, for ops@acme.com: The office moves"
