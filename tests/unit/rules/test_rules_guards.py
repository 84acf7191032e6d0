"""Guards: the people, and the nearness, that a campaign spares an event for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import KEY, NOW, a_calendar, a_policy, a_wanted, all_day, an_event, timed
from worker.model import UNTOLD, About, Code, Policy, When
from worker.rules import Change, Decision, Skip, asks_for_people, decide

ANN, BOB, EVE = "ann@acme.com", "bob@acme.com", "eve@evil.example"
EXTERNAL = a_policy(skip=("external_attendees",), internal_domains=("acme.com", "acme.example"))


def decided(policy: Policy, *, when: When | None = None, **about: Any) -> Decision:
    """Decide about an ordinary shift of an event of which this is told."""
    return decide(
        a_wanted(),
        an_event(when, about=About(**about)),
        calendar=a_calendar(),
        policy=policy,
        now=NOW,
    )


def is_spared(code: Code, policy: Policy, *, when: When | None = None, **about: Any) -> bool:
    """Tell whether an event is left alone for this code, and changed otherwise."""
    answer = decided(policy, when=when, **about)
    assert answer == Skip(code=code) or isinstance(answer, Change)
    return not isinstance(answer, Change)


@pytest.mark.parametrize(
    ("about", "spared"),
    [
        ({}, False),
        ({"organizer": ANN, "attendees": (BOB,)}, False),
        ({"organizer": ANN, "attendees": (BOB, EVE)}, True),
        ({"organizer": EVE, "attendees": (BOB,)}, True),
        ({"attendees": ("x@sub.acme.com",)}, True),
        ({"attendees": ("x@notacme.com",)}, True),
        ({"attendees": ("x@acme.example",)}, False),
        ({"attendees": (UNTOLD,)}, True),
        ({"organizer": UNTOLD}, True),
    ],
)
def test_whoever_is_not_surely_internal_is_spared(about: dict[str, Any], spared: bool) -> None:
    """Mail to a customer cannot be taken back."""
    assert is_spared(Code.EXTERNAL_ATTENDEES, EXTERNAL, **about) is spared


@pytest.mark.parametrize(
    ("deny", "spared"),
    [
        ((), False),
        ((KEY.calendar_id,), True),
        (("cal_2",), False),
        ((EVE,), True),
        ((ANN,), True),
        (("@evil.example",), True),
        (("evil.example",), False),
        (("@acme.com",), True),
        (("@example",), False),
    ],
)
def test_what_is_denied_is_never_touched(deny: tuple[str, ...], spared: bool) -> None:
    """A calendar, somebody who takes part, or a domain of somebody's."""
    policy = a_policy(deny=deny)
    assert is_spared(Code.DENY_LISTED, policy, organizer=ANN, attendees=(BOB, EVE)) is spared


def test_private_events_are_spared_when_asked() -> None:
    """And only then: the application may see them, so it may edit them."""
    policy = a_policy(skip=("private_event",))
    assert is_spared(Code.PRIVATE_EVENT, policy, private=True)
    assert not is_spared(Code.PRIVATE_EVENT, policy, private=False)
    assert not is_spared(Code.PRIVATE_EVENT, a_policy(), private=True)


def test_what_is_denied_is_said_first() -> None:
    """It is the strongest word that a campaign has."""
    policy = a_policy(
        deny=("@evil.example",), skip=("private_event", "external_attendees"),
        internal_domains=("acme.com",),
    )  # fmt: skip
    assert decided(policy, private=True, attendees=(EVE,)) == Skip(code=Code.DENY_LISTED)
    assert decided(policy, private=True, attendees=("x@y.z",)) == Skip(code=Code.PRIVATE_EVENT)


@pytest.mark.parametrize(
    ("policy", "asks"),
    [
        (a_policy(), False),
        (a_policy(skip=("private_event",)), True),
        (EXTERNAL, True),
        (a_policy(deny=("@evil.example",)), True),
        (a_policy(not_within_s=60), False),
    ],
)
def test_a_policy_asks_for_people_where_it_looks_at_them(policy: Policy, asks: bool) -> None:
    """An event that was read without them would pass every guard."""
    assert asks_for_people(policy) is asks


@pytest.mark.parametrize(
    ("when", "spared"),
    [
        # it is noon in UTC
        (timed("2026-06-02T07:59"), True),
        (timed("2026-06-02T08:00"), False),
        (timed("2026-06-01T11:30"), True),
        # the day begins fourteen hours before UTC's in the farthest east: at ten this morning
        (all_day("2026-06-02"), True),
        (all_day("2026-06-03"), False),
        (all_day("2026-06-01"), True),
    ],
)
def test_an_event_that_starts_soon_is_left_alone(when: When, spared: bool) -> None:
    """Nobody reads the mail in time; one that goes on already is no exception."""
    assert is_spared(Code.STARTS_TOO_SOON, a_policy(not_within_s=20 * 3600), when=when) is spared


def test_an_event_that_is_over_does_not_start_soon() -> None:
    """Corrections of the record are a use of their own; the past is judged by its own rule."""
    old = timed("2026-05-01T09:00")
    assert decided(a_policy(not_within_s=60), when=old) == Skip(code=Code.PAST_EVENT)
    assert isinstance(decided(a_policy(not_within_s=60, past_events=True), when=old), Change)


@pytest.mark.parametrize("when", [timed("0001-01-01T00:00", minutes=1), all_day("0001-01-01")])
def test_the_first_day_of_all_is_past_like_any_other(when: When) -> None:
    """Calendars hold such years; there is no time before them to compare with."""
    assert decided(a_policy(not_within_s=60), when=when) == Skip(code=Code.PAST_EVENT)
    policy = a_policy(not_within_s=60, past_events=True)
    assert isinstance(decided(policy, when=when), Change)
