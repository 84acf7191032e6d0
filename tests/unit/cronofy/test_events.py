"""What is read, and how tolerant reading is."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import all_day, timed
from tests.unit.cronofy.samples import CALENDAR, key, page, uid, wire_event
from worker.cronofy.events import key_of, read_page, to_event
from worker.cronofy.wire import Unreadable
from worker.model import UNTOLD, About, AllDay, Event, Image, Timed


def read(*events: dict[str, Any], **fields: Any) -> list[Event]:
    """Return the events of a page as values."""
    body = json.dumps(page(*events) | fields).encode()
    return [to_event(wire) for wire in read_page(body).events]


def one(**fields: Any) -> Event:
    """Return one event read with some fields of its own."""
    return read(wire_event(**fields))[0]


def test_an_event_becomes_a_value() -> None:
    """Every field that deciding needs arrives."""
    event = one()
    assert event == Event(
        calendar_id=CALENDAR,
        event_uid=uid(1),
        image=Image(
            when=timed(tzid="Europe/London"),
            summary="Planning",
            description="What comes next",
            location="Room 4",
            transparency="opaque",
        ),
        can_update=True,
    )


@pytest.mark.parametrize(
    ("start", "end", "when"),
    [
        ("2026-06-02", "2026-06-03", all_day()),
        (
            {"time": "2026-06-02", "tzid": "Europe/London"},
            {"time": "2026-06-03", "tzid": "Europe/London"},
            all_day(),
        ),
        ("2026-06-02T09:00:00Z", "2026-06-02T10:00:00Z", timed()),
        ("2026-06-02 09:00:00Z", "2026-06-02T10:00:00.750Z", timed()),
        (
            {"time": "2026-06-02T18:00:00+09:00", "tzid": "Asia/Tokyo"},
            {"time": "2026-06-02T10:00:00Z", "tzid": None},
            timed(tzid="Asia/Tokyo", end_tzid="Etc/UTC"),
        ),
    ],
)
def test_times_come_in_three_shapes(start: Any, end: Any, when: Timed | AllDay) -> None:
    """Plain dates, plain UTC times, and times with an offset and a zone (§3.3)."""
    assert one(start=start, end=end).image.when == when


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-06-02", "2026-06-02T10:00:00Z"),
        ("2026-06-02T10:00:00Z", "2026-06-02"),
        ("2026-06-02T09:00:00", "2026-06-02T10:00:00"),
        ("2026-W23-2", "2026-06-03"),
        ("0000-01-01", "2026-06-03"),
        ("9999-12-31T23:59:59-12:00", "2026-06-03"),
        ("soon", "later"),
        ("", ""),
    ],
)
def test_times_without_sense_are_not_guessed(start: str, end: str) -> None:
    """An event read wrongly would be moved wrongly."""
    with pytest.raises(Unreadable):
        one(start=start, end=end)


@pytest.mark.parametrize(
    ("fields", "managed"),
    [
        ({}, False),
        ({"event_id": None}, False),
        ({"event_id": ""}, False),
        ({"event_id": "x"}, True),
    ],
)
def test_an_event_id_tells_the_application_s_own_events(
    fields: dict[str, Any], managed: bool
) -> None:
    """Only external events are edited by uid (§3.3)."""
    assert one(**fields).managed is managed


@pytest.mark.parametrize(
    ("fields", "recurring"),
    [
        ({"recurring": False, "series_identifier": None}, False),
        ({"recurring": None}, False),
        ({"recurring": True}, True),
        ({"recurring": False, "series_identifier": "series_1"}, True),
    ],
)
def test_either_flag_marks_a_series(fields: dict[str, Any], recurring: bool) -> None:
    """Stored answers show one without the other, so both are looked at (§3.3)."""
    assert one(**fields).recurring is recurring


@pytest.mark.parametrize(
    ("options", "can_update"),
    [
        ({"update": True}, True),
        ({"update": False}, False),
        ({"update": None}, False),
        ({}, False),
        (None, False),
    ],
)
def test_only_a_clear_yes_permits_an_edit(options: Any, can_update: bool) -> None:
    """Silence is no permission."""
    assert one(options=options).can_update is can_update


@pytest.mark.parametrize(
    ("fields", "conference"),
    [
        ({}, False),
        ({"conferencing": None, "meeting_url": ""}, False),
        ({"meeting_url": "https://meet.example/x"}, True),
        ({"conferencing": {"provider_name": "zoom", "join_url": "x"}}, True),
    ],
)
def test_a_conference_is_noticed(fields: dict[str, Any], conference: bool) -> None:
    """Its loss after an edit is a side effect to be reported."""
    assert one(**fields).image.conference is conference


@pytest.mark.parametrize(
    "updated", ["0000-01-01T00:00:00Z", "2026-01-01", "", None, 17, {"time": "x"}]
)
def test_an_odd_time_of_change_hides_no_event(updated: Any) -> None:
    """Year 0000 occurs in stored answers; nothing depends on this field."""
    assert one(updated=updated) == one()


def test_absent_texts_are_empty() -> None:
    """Absent, null and empty are the same to whoever reads the event."""
    event = one(summary=None, description=None, location=None, transparency=None)
    assert event.image == Image(when=timed(tzid="Europe/London"))


def test_unknown_keys_and_words_are_let_pass() -> None:
    """Additions are no breaking change (§1.2)."""
    event = one(transparency="working_elsewhere", mood={"a": [1]}, status="postponed")
    assert event.image.transparency == "working_elsewhere"


@pytest.mark.parametrize(
    "broken",
    [
        wire_event(2, recurring="false"),
        wire_event(2, deleted="no"),
        wire_event(2, options={"update": "true"}),
        wire_event(2, start=17),
        wire_event(2, location="Room 4"),
        {"event_uid": uid(2)},
        ["not", "an", "event"],
    ],
)
def test_a_broken_event_does_not_hide_its_neighbours(broken: Any) -> None:
    """It is left out and counted; a flag that is no boolean never counts as a permission."""
    body = json.dumps(page(wire_event(1), broken, wire_event(3), next_page="http://x/y")).encode()
    found = read_page(body)
    assert [key_of(wire) for wire in found.events] == [key(1), key(3)]
    assert (found.unreadable, found.next_page) == (1, "http://x/y")


def test_a_text_in_a_wrong_charset_does_not_hide_its_neighbours() -> None:
    """Its event is left out; nothing is guessed."""
    body = json.dumps(page(wire_event(1), wire_event(2, summary="?"))).encode()
    found = read_page(body.replace(b'"?"', b'"\xff"'))
    assert [key_of(wire) for wire in found.events] == [key(1)]
    assert found.unreadable == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"events": null}',
        b'{"events": {}}',
        b'{"events": [',
        b'{"events": [], "pages": {"next_page": 7}}',
        b"<html>Please sign in</html>",
        b"\xff\xfe{\x00}",
        b'{"events": ' + b"[" * 100_000,
    ],
)
def test_a_page_that_is_none_is_refused_whole(body: bytes) -> None:
    """No half of it is believed."""
    with pytest.raises(Unreadable):
        read_page(body)


def test_days_are_dates_and_not_times() -> None:
    """A datetime is a date to Python, which must not blur the kinds."""
    when = one(start="2026-06-02", end="2026-06-03").image.when
    assert isinstance(when, AllDay)
    assert type(when.start) is date


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


@given(
    fields=st.dictionaries(st.sampled_from([*wire_event(), "event_id", "meeting_url"]), JSON),
    rest=JSON,
)
def test_whatever_stands_in_a_page_reading_ends_in_values_or_in_one_error(
    fields: dict[str, Any], rest: Any
) -> None:
    """A page comes from outside; its good events are found whatever stands beside them."""
    body = json.dumps(page(wire_event(1), wire_event(2) | fields, rest)).encode()
    wires = read_page(body).events
    assert key_of(wires[0]) == key(1)
    for wire in wires:
        with contextlib.suppress(Unreadable):
            assert isinstance(to_event(wire), Event)


@given(body=st.binary(max_size=300))
def test_bytes_of_any_kind_crash_nothing(body: bytes) -> None:
    """There is one error for what is no page."""
    with contextlib.suppress(Unreadable):
        read_page(body)


# ---------------------------------------------------------------- people


def about(**fields: Any) -> About:
    """Return what an event read with its people tells of them."""
    body = json.dumps(page(wire_event(**fields))).encode()
    return to_event(read_page(body).events[0], people=True).about


def test_an_event_tells_of_people_and_of_its_past_when_asked() -> None:
    """Most reads want none of it."""
    fields: dict[str, Any] = {
        "organizer": {"email": " Ann@ACME.com", "display_name": "Ann"},
        "attendees": [{"email": "bob@acme.com", "status": "accepted"}, {"email": "eve@evil.com"}],
        "event_private": True,
    }
    assert about(**fields) == About(
        organizer="ann@acme.com",
        attendees=("bob@acme.com", "eve@evil.com"),
        private=True,
        created=datetime(2026, 1, 1, 8, tzinfo=UTC),
        updated=datetime(2026, 1, 2, 8, tzinfo=UTC),
    )
    assert one(**fields).about == About()


@pytest.mark.parametrize(
    ("attendees", "people"),
    [
        (None, ()),
        ([], ()),
        ([{"email": "a@b.c"}, {"email": 7}, {"display_name": "Room"}], ("a@b.c", "?", "?")),
        ([None, "a@b.c", {"email": " "}], ("?", "?", "?")),
        ({}, (UNTOLD,)),
        ("nobody", (UNTOLD,)),
        (0, (UNTOLD,)),
    ],
)
def test_whoever_cannot_be_understood_is_somebody(attendees: Any, people: tuple[str, ...]) -> None:
    """One broken guest must not make the others disappear before the guards."""
    assert about(attendees=attendees).attendees == people


@pytest.mark.parametrize(
    ("organizer", "who"),
    [
        (None, ""),
        ({}, ""),
        ({"email": None, "display_name": ""}, ""),
        ({"email": "Ann@acme.com"}, "ann@acme.com"),
        ({"display_name": "Ann"}, UNTOLD),
        ({"email": ["ann@acme.com"]}, UNTOLD),
        ("ann@acme.com", UNTOLD),
        (False, UNTOLD),
    ],
)
def test_an_organizer_is_named_not_told_or_nobody(organizer: Any, who: str) -> None:
    """Nobody is oneself; somebody without an address is not."""
    assert about(organizer=organizer).organizer == who


def test_people_that_are_left_out_are_nobody() -> None:
    """Not every calendar has guests."""
    wire = {name: text for name, text in wire_event().items() if name != "attendees"}
    body = json.dumps(page(wire)).encode()
    assert to_event(read_page(body).events[0], people=True).about.attendees == ()


def test_people_in_broken_letters_are_somebody() -> None:
    """They were passed over when the page was read, so that only now it shows."""
    body = json.dumps(page(wire_event(attendees=["@"], organizer="@"))).encode()
    broken = body.replace(b'"@"', b'"\xff"')
    told = to_event(read_page(broken).events[0], people=True).about
    assert (told.attendees, told.organizer) == ((UNTOLD,), UNTOLD)


@pytest.mark.parametrize(
    ("private", "is_it"), [(None, False), (False, False), (True, True), ("false", True), (1, True)]
)
def test_only_a_clear_no_makes_an_event_public(private: Any, is_it: bool) -> None:
    """A flag that forbids is a boolean, or it forbids."""
    assert about(event_private=private).private is is_it


@pytest.mark.parametrize(
    "text",
    [None, "", 7, "2026-01-01", "0000-00-00T00:00:00Z", "2026-01-01T00:00:00", ["2026"]],
)
def test_a_past_that_is_none_is_not_told(text: Any) -> None:
    """Such years occur (cronofy-api §3.3), and hide no event."""
    told = about(created=text, updated=text)
    assert (told.created, told.updated) == (None, None)
