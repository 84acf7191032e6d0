"""What the API says becomes what the simulator holds, and stays as little of a permission."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.cronofy.events import read_page
from worker.cronofy.paging import Harvest
from worker.rehearsal.shapes import account_of, calendar_of, event_of
from worker.simulator.shapes import View, shown_event
from worker.simulator.values import SANDBOX, Attendee, Location, Person

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def a_raw_event(**fields: Any) -> dict[str, Any]:
    """Return an hour's meeting as Read Events has it; ... leaves a field out."""
    ordinary = {
        "calendar_id": "cal_1",
        "event_uid": "evt_external_1",
        "summary": "Planning",
        "start": {"time": "2026-06-02T11:00:00+02:00", "tzid": "Europe/Paris"},
        "end": {"time": "2026-06-02T12:00:00+02:00", "tzid": "Europe/Paris"},
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-02-01T00:00:00Z",
        "options": {"delete": True, "update": True, "change_participation_status": True},
    }
    return {name: value for name, value in (ordinary | fields).items() if value is not ...}


def test_an_ordinary_event_keeps_all_that_it_says() -> None:
    """Times, zone, place, people and the link of its conference."""
    event = event_of(
        a_raw_event(
            location={"description": "Room 1", "lat": "48.8"},
            attendees=[{"email": "ann@acme.com", "display_name": "Ann", "status": "accepted"}],
            organizer={"email": "boss@acme.com", "display_name": "Boss"},
            conferencing={"provider_name": "Zoom", "join_url": "https://zoom.example/1"},
            transparency="transparent",
            event_private=True,
        ),
        now=NOW,
    )
    assert event is not None
    assert (event.start, event.start_tzid) == (datetime(2026, 6, 2, 9, tzinfo=UTC), "Europe/Paris")
    assert event.location == Location("Room 1", lat="48.8")
    assert event.attendees == (Attendee("ann@acme.com", "Ann", "accepted"),)
    assert event.organizer == Person("boss@acme.com", "Boss")
    assert event.meeting_url == "https://zoom.example/1"
    assert (event.transparency, event.event_private) == ("transparent", True)
    assert event.created == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_all_day_event_stays_one() -> None:
    """A date is no midnight."""
    event = event_of(a_raw_event(start="2026-06-02", end="2026-06-03"), now=NOW)
    assert event is not None
    assert (event.start, event.end) == (date(2026, 6, 2), date(2026, 6, 3))


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"options": ...}, "can_update", False),
        ({"options": {"update": "true"}}, "can_update", False),
        ({"options": {"update": False}}, "can_update", False),
        ({}, "can_update", True),
        ({"event_id": "own-1"}, "managed", True),
        ({"event_id": ""}, "managed", False),
        ({"deleted": True}, "deleted", True),
        ({"recurring": True}, "recurring", True),
        ({"series_identifier": "ser_1"}, "recurring", True),
    ],
)
def test_what_forbids_an_edit_forbids_it_in_the_copy(
    fields: dict[str, Any], name: str, value: bool
) -> None:
    """A rehearsal that changes what a real run must not touch would be a lie."""
    assert getattr(_read_again(a_raw_event(**fields)), name) is value


@pytest.mark.parametrize(
    "fields",
    [
        {"event_uid": ""},
        {"calendar_id": ...},
        {"start": ...},
        {"start": "2026-06-02"},
        {"end": "tomorrow"},
        {"end": "2026-06-02T10:00:00"},
        {"end": "2026-13-02"},
    ],
)
def test_what_could_not_be_edited_anyway_is_left_out(fields: dict[str, Any]) -> None:
    """Without a name, or with times that make no sense."""
    assert event_of(a_raw_event(**fields), now=NOW) is None
    assert event_of("nonsense", now=NOW) is None


def test_an_event_without_a_past_was_made_just_now() -> None:
    """Rules about older events leave it out, as those of the original do."""
    event = event_of(a_raw_event(created="0000-12-29T00:00:00Z", updated=None), now=NOW)
    assert event is not None
    assert event.created == event.updated == NOW


def test_a_calendar_is_as_open_as_it_says() -> None:
    """Without a clear word it is read-only, and without unrestricted access."""
    told = {"calendar_id": "cal_1", "calendar_name": "Work", "profile_id": "pro_1"}
    calendar = calendar_of(told, sub="acc_1")
    assert calendar is not None
    assert (calendar.readonly, calendar.permission_level) == (True, SANDBOX)
    more = {"calendar_readonly": False, "permission_level": "unrestricted"}
    editable = calendar_of(told | more | {"calendar_primary": True}, sub="acc_1")
    assert editable is not None
    assert (editable.readonly, editable.primary) == (False, True)
    assert editable.permission_level == "unrestricted"
    assert calendar_of({"calendar_name": "Nameless"}, sub="acc_1") is None


def test_an_account_has_tokens_of_its_own() -> None:
    """They open nothing but the copy; a profile that is not connected stays so."""
    profile = {"profile_id": "pro_1", "profile_name": "ann@acme.com", "profile_connected": False}
    told = {"email": "ann@acme.com", "cronofy.data": {"profiles": [profile]}}
    one, other = (account_of(told, sub="acc_1", label="paris") for _ in range(2))
    assert one.access_token != other.access_token
    assert one.refresh_token not in {one.access_token, other.refresh_token}
    assert (one.email, one.label) == ("ann@acme.com", "paris")
    assert not one.profiles["pro_1"].connected
    assert account_of(None, sub="acc_2").profiles


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*a_raw_event(), "attendees", "organizer"]), ANYTHING))
def test_no_answer_is_too_odd(fields: dict[str, Any]) -> None:
    """An event is read or left out; nothing in it ends the rehearsal."""
    event_of(a_raw_event(**fields), now=NOW)
    calendar_of(fields, sub="acc_1")
    account_of(fields, sub="acc_1")


ADDRESSES = st.sampled_from(["", "a@x.org", "B@y.org"])
PEOPLE = st.none() | st.fixed_dictionaries(
    {}, optional={"email": ADDRESSES, "display_name": st.just("B")}
)


@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "attendees": st.none() | st.lists(PEOPLE, max_size=3) | st.just("somebody"),
            "organizer": PEOPLE | st.just("somebody"),
            "event_private": st.sampled_from([None, True, False, "yes"]),
            "location": st.none() | st.just({"description": "Room"}),
            "transparency": st.none() | st.sampled_from(["opaque", "transparent", "odd"]),
            "conferencing": st.none() | st.just({"provider_name": "zoom"}),
            "series_identifier": st.sampled_from([None, "", "ser"]),
            "description": st.none() | st.just("Agenda"),
        },
    )
)
def test_calpatch_sees_the_same_in_the_copy(fields: dict[str, Any]) -> None:
    """Whatever the original says, it is what selecting and deciding find in the copy."""
    raw = a_raw_event(**fields)
    assert _read_again(raw) == _read(raw)


def _read_again(raw: dict[str, Any]) -> Any:
    """Return an event as calpatch reads it from the copy."""
    event = event_of(raw, now=NOW)
    assert event is not None
    return _read(shown_event(event, View(localized_times=True)))


def _read(raw: dict[str, Any]) -> Any:
    """Return an event of an answer as calpatch reads it, people included."""
    harvest = Harvest(wanted=None, people=True)
    assert harvest.add(read_page(msgspec.json.encode({"events": [raw]})).events) == 0
    [event] = harvest.events.values()
    return event
