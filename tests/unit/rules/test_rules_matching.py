"""Matching: each rule alone, all together, and who is oneself."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.builders import all_day, an_event, timed, utc
from worker.model import UNTOLD, About, Between, Event, Match, TextRule, When
from worker.rules import matches, starts_within, utc_days

OWN = ("ann@acme.com", "ann@home.example")
BOB, EVE = "bob@acme.com", "eve@evil.example"


def an_event_about(**about: Any) -> Event:
    """Return an ordinary event with what is told of people."""
    return an_event(about=About(**about))


def matched(event: Event, *, own: tuple[str, ...] = OWN, **match: Any) -> bool:
    """Tell whether an event is like this."""
    return matches(event, Match(**match), own=own)


def test_asking_nothing_selects_everything() -> None:
    """What is left out is no rule."""
    assert matched(an_event())
    assert matched(an_event_about(organizer=EVE, attendees=(BOB,), private=True), own=())


@pytest.mark.parametrize(
    ("organizer", "attendees", "who"),
    [
        ("ann@acme.com", (BOB,), "self"),
        ("ann@home.example", (), "self"),
        (BOB, ("ann@acme.com",), "other"),
        # nobody is named: an appointment with oneself, unless somebody else is invited
        ("", (), "self"),
        ("", ("ann@acme.com",), "self"),
        ("", (BOB,), None),
        ("", (UNTOLD,), None),
        (UNTOLD, (), None),
        (UNTOLD, (BOB,), None),
    ],
)
def test_who_organizes_is_oneself_another_or_not_told(
    organizer: str, attendees: tuple[str, ...], who: str | None
) -> None:
    """What cannot be told is selected by neither rule."""
    event = an_event_about(organizer=organizer, attendees=attendees)
    assert matched(event, organizer="self") is (who == "self")
    assert matched(event, organizer="other") is (who == "other")


def test_without_own_addresses_nobody_is_known_for_oneself() -> None:
    """Or all of a person's own events would be selected as those of others."""
    event = an_event_about(organizer="ann@acme.com")
    assert not matched(event, own=(), organizer="self")
    assert not matched(event, own=(), organizer="other")
    assert matched(an_event(), own=(), organizer="self")


@pytest.mark.parametrize(
    ("organizer", "attendees", "is_theirs"),
    [
        (BOB, (), True),
        (EVE, (BOB,), False),
        ("bob@eu.acme.com", (), False),
        ("ann@home.example", (), False),
        ("", (), True),
        ("", (BOB,), False),
        (UNTOLD, (BOB,), False),
    ],
)
def test_an_organizer_is_of_a_domain(
    organizer: str, attendees: tuple[str, ...], is_theirs: bool
) -> None:
    """The whole domain, not one below it; an appointment with oneself is of one's own."""
    event = an_event_about(organizer=organizer, attendees=attendees)
    assert matched(event, organizer_domains=("acme.com", "other.example")) is is_theirs


def test_an_organizer_may_have_to_be_another_and_of_a_domain() -> None:
    """Both rules hold together."""
    rule = {"organizer": "other", "organizer_domains": ("acme.com",)}
    assert matched(an_event_about(organizer=BOB), **rule)
    assert not matched(an_event_about(organizer="ann@acme.com"), **rule)
    assert not matched(an_event_about(organizer=EVE), **rule)


@pytest.mark.parametrize(
    ("attendees", "match", "is_selected"),
    [
        ((BOB, EVE), {"attendees_any_domain": ("evil.example",)}, True),
        ((BOB,), {"attendees_any_domain": ("evil.example",)}, False),
        ((), {"attendees_any_domain": ("acme.com",)}, False),
        ((BOB,), {"attendees_only_domains": ("acme.com",)}, True),
        ((BOB, EVE), {"attendees_only_domains": ("acme.com",)}, False),
        ((BOB, UNTOLD), {"attendees_only_domains": ("acme.com",)}, False),
        ((), {"attendees_only_domains": ("acme.com",)}, True),
        ((BOB, EVE), {"attendees_any": (EVE,)}, True),
        ((BOB,), {"attendees_any": (EVE,)}, False),
        ((BOB, EVE), {"least_attendees": 2}, True),
        ((BOB,), {"least_attendees": 2}, False),
        ((BOB, UNTOLD, UNTOLD), {"least_attendees": 3}, True),
        ((), {"most_attendees": 0}, True),
        ((BOB,), {"most_attendees": 0}, False),
        ((BOB, EVE), {"least_attendees": 2, "most_attendees": 2}, True),
    ],
)
def test_those_who_are_invited_decide(
    attendees: tuple[str, ...], match: dict[str, Any], is_selected: bool
) -> None:
    """By their domains, addresses and number; whoever is not told is one more, of no domain."""
    assert matched(an_event_about(attendees=attendees), **match) is is_selected


@pytest.mark.parametrize(
    ("event", "match", "is_selected"),
    [
        (an_event(summary="Weekly standup"), {"summary": TextRule(text="standup")}, True),
        (an_event(), {"summary": TextRule(text="standup")}, False),
        (an_event(location="Room 4"), {"location": TextRule(text="Room ?", how="glob")}, True),
        (an_event(location=""), {"location": TextRule(text="Room ?", how="glob")}, False),
        (an_event(), {"all_day": True}, False),
        (an_event(), {"all_day": False}, True),
        (an_event(all_day()), {"all_day": True}, True),
        (an_event(), {"private": True}, False),
        (an_event_about(private=True), {"private": True}, True),
        (an_event_about(private=True), {"private": False}, False),
        (an_event(), {"shortest_s": 3600, "longest_s": 3600}, True),
        (an_event(), {"shortest_s": 3601}, False),
        (an_event(), {"longest_s": 3599}, False),
        (an_event(all_day()), {"longest_s": 86_400}, True),
        (an_event(all_day(days=2)), {"longest_s": 86_400}, False),
        (an_event(timed(minutes=0)), {"longest_s": 0}, True),
    ],
)
def test_what_an_event_is_like_decides(
    event: Event, match: dict[str, Any], is_selected: bool
) -> None:
    """Its texts, its kind, its length."""
    assert matched(event, **match) is is_selected


@pytest.mark.parametrize("field", ["created", "updated"])
def test_an_events_own_past_decides_where_it_is_told(field: str) -> None:
    """Strictly before; an event that does not tell is not selected by it (features §2, 27)."""
    noon = utc("2026-02-20T12:00")
    rule = {f"{field}_before": noon}
    assert matched(an_event_about(**{field: utc("2026-02-20T11:59")}), **rule)
    assert not matched(an_event_about(**{field: noon}), **rule)
    assert not matched(an_event(), **rule)


#: Each rule with a thing about an event that it does not bear.
RULES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"organizer": "self"}, {"organizer": BOB}),
    ({"organizer_domains": ("acme.com",)}, {"organizer": "ann@home.example"}),
    ({"attendees_only_domains": ("acme.com",)}, {"attendees": (BOB, EVE)}),
    ({"attendees_any_domain": ("acme.com",)}, {"attendees": (UNTOLD,)}),
    ({"attendees_any": (BOB,)}, {"attendees": ("c@acme.com",)}),
    ({"least_attendees": 1}, {"attendees": ()}),
    ({"most_attendees": 2}, {"attendees": (BOB,) * 3}),
    ({"private": True}, {"private": False}),
    ({"created_before": utc("2026-02-20T12:00")}, {"created": None}),
    ({"updated_before": utc("2026-02-20T12:00")}, {"updated": None}),
]


@pytest.mark.parametrize(("rule", "otherwise"), RULES)
def test_all_rules_hold_together(rule: dict[str, Any], otherwise: dict[str, Any]) -> None:
    """One that does not is enough, whichever it is."""
    good: dict[str, Any] = {
        "organizer": "ann@acme.com",
        "attendees": (BOB,),
        "private": True,
        "created": utc("2026-01-01T00:00"),
        "updated": utc("2026-01-02T00:00"),
    }
    every: dict[str, Any] = {name: value for rule, _ in RULES for name, value in rule.items()}
    assert matched(an_event_about(**good), **every)
    assert not matched(an_event_about(**good | otherwise), **every)
    assert not matched(an_event_about(**good | otherwise), **rule)


# ---------------------------------------------------------------- days

MARCH = Between(first=date(2026, 3, 1), after=date(2026, 4, 1), tzid="Europe/Paris")


@pytest.mark.parametrize(
    ("when", "is_within"),
    [
        (timed("2026-02-28T22:59"), False),
        (timed("2026-02-28T23:00"), True),
        (timed("2026-03-31T21:59"), True),
        (timed("2026-03-31T22:00"), False),
        (timed("2026-03-31T21:59", minutes=1440, tzid="Asia/Tokyo"), True),
        (all_day("2026-02-28", days=5), False),
        (all_day("2026-03-01"), True),
        (all_day("2026-03-31"), True),
        (all_day("2026-04-01"), False),
        (timed("0001-01-01T00:00"), False),
        (timed("9999-12-31T23:59", minutes=0), False),
    ],
)
def test_an_event_starts_on_one_of_the_days(when: When, is_within: bool) -> None:
    """Days of the zone asked for, whatever the event is shown in; where it ends does not matter."""
    assert starts_within(when, MARCH) is is_within


def test_a_moment_without_a_day_in_the_zone_is_on_none_of_them() -> None:
    """Calendars hold such years, and one of them must not end a selection."""
    east = Between(first=date(9999, 1, 1), after=date(9999, 12, 31), tzid="Pacific/Kiritimati")
    west = Between(first=date(1, 1, 1), after=date(1, 2, 1), tzid="America/New_York")
    assert not starts_within(timed("9999-12-31T23:00", minutes=0), east)
    assert not starts_within(timed("0001-01-01T00:30"), west)


@pytest.mark.parametrize(
    ("tzid", "first", "last"),
    [
        ("Etc/UTC", date(2026, 3, 1), date(2026, 4, 1)),
        ("Europe/Paris", date(2026, 2, 28), date(2026, 4, 1)),
        ("America/New_York", date(2026, 3, 1), date(2026, 4, 1)),
        ("Pacific/Kiritimati", date(2026, 2, 28), date(2026, 4, 1)),
    ],
)
def test_the_days_to_read_hold_all_that_can_start_on_those_asked_for(
    tzid: str, first: date, last: date
) -> None:
    """All-day events are read by their own dates, whatever the zone."""
    days = utc_days(Between(first=date(2026, 3, 1), after=date(2026, 4, 1), tzid=tzid))
    assert days == (first, last)
