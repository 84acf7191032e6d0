"""What an edit sends, and what it never sends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import all_day, an_image, timed
from tests.unit.cronofy.samples import CALENDAR, key, uid, writes
from worker.cronofy import Write, build_edit
from worker.cronofy.edits import batch_body, events_path, single_body, utc_text
from worker.model import EventKey, Image
from worker.rules import FIELDS


def body_of(target: Image, *fields: str, **options: Any) -> dict[str, Any]:
    """Return the body of an edit as it would arrive."""
    sent: dict[str, Any] = json.loads(single_body(build_edit(key(), target, fields, **options)))
    return sent


def test_an_edit_sends_what_must_be_sent_and_nothing_else() -> None:
    """Title, start and end are required, transparency may be reset; the rest is kept (§4.3)."""
    assert body_of(an_image(timed(tzid="Europe/Paris")), "start") == {
        "event_uid": uid(1),
        "summary": "Planning",
        "start": {"time": "2026-06-02T09:00:00Z", "tzid": "Europe/Paris"},
        "end": {"time": "2026-06-02T10:00:00Z", "tzid": "Europe/Paris"},
        "transparency": "opaque",
    }


def test_each_end_keeps_its_own_zone() -> None:
    """A flight that lands in another zone is still shown there."""
    sent = body_of(an_image(timed(tzid="Europe/Paris", end_tzid="Asia/Tokyo")))
    assert (sent["start"]["tzid"], sent["end"]["tzid"]) == ("Europe/Paris", "Asia/Tokyo")


def test_an_all_day_event_stays_all_day() -> None:
    """Dates are sent as dates: a time would turn the event into another kind."""
    sent = body_of(an_image(all_day("2026-06-02", days=2)))
    assert (sent["start"], sent["end"]) == ("2026-06-02", "2026-06-04")


@pytest.mark.parametrize("transparency", ["unknown", "", "busy"])
def test_a_transparency_that_cannot_be_written_is_left_out(transparency: str) -> None:
    """It is the one word that can be read and not written (§3.3)."""
    assert "transparency" not in body_of(an_image(transparency=transparency), "transparency")


def test_changed_texts_are_sent_and_empty_ones_clear() -> None:
    """An empty text must arrive as such, since leaving it out keeps the old one."""
    target = an_image(description="", location="")
    sent = body_of(target, "description", "location")
    assert (sent["description"], sent["location"]) == ("", {"description": ""})


def test_an_unchanged_location_is_sent_again_on_request() -> None:
    """Some providers may lose what is left out; nothing is sent where there is nothing."""
    assert body_of(an_image(), resend_location=True)["location"] == {"description": "Room 4"}
    assert "location" not in body_of(an_image(location=""), resend_location=True)


@given(
    target=st.builds(
        Image,
        when=st.sampled_from([timed(), all_day(), timed(tzid="Asia/Tokyo")]),
        summary=st.text(),
        description=st.text(),
        location=st.text(),
        transparency=st.text(),
        conference=st.booleans(),
    ),
    fields=st.sets(st.sampled_from([*FIELDS, "event_id", "conference"])),
    resend_location=st.booleans(),
)
def test_no_edit_ever_has_an_event_id(
    target: Image, fields: set[str], resend_location: bool
) -> None:
    """With one, the API would make a new event and ignore the uid (law 4)."""
    write = build_edit(key(), target, fields, resend_location=resend_location)
    sent = json.loads(single_body(write))
    entry = json.loads(batch_body([write]))["batch"][0]["data"]
    assert "event_id" not in sent
    assert entry == sent
    assert sent["event_uid"] == uid(1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"event_uid": uid(1), "event_id": "mine"}, "event_id"),
        ({"event_uid": uid(1), "event_id": None}, "event_id"),
        ({"event_uid": uid(1), "conferencing": {}}, "unknown field"),
        ({"event_uid": uid(2)}, "its own event"),
        ({}, "its own event"),
    ],
)
@pytest.mark.parametrize("encode", [single_body, lambda write: batch_body([write])])
def test_a_body_that_must_not_leave_is_stopped_at_the_last_moment(
    body: dict[str, Any], says: str, encode: Any
) -> None:
    """However such a body came about, it is not sent."""
    with pytest.raises(ValueError, match=says):
        encode(Write(key=key(), body=body))


def test_an_edit_without_a_uid_is_stopped() -> None:
    """Nothing could say which event is meant."""
    with pytest.raises(ValueError, match="its own event"):
        single_body(build_edit(EventKey(CALENDAR, ""), an_image(), ()))


def test_a_batch_keeps_the_order_of_its_edits() -> None:
    """Answers are matched by position, so positions must hold (§6)."""
    entries = json.loads(batch_body(writes(3)))["batch"]
    assert [entry["data"]["event_uid"] for entry in entries] == [uid(1), uid(2), uid(3)]
    assert {entry["method"] for entry in entries} == {"POST"}


@pytest.mark.parametrize(
    ("calendar_id", "path"),
    [
        (CALENDAR, f"/v1/calendars/{CALENDAR}/events"),
        ("a/../../oauth", "/v1/calendars/a%2F..%2F..%2Foauth/events"),
        ("..", "/v1/calendars/%2E%2E/events"),
        (".", "/v1/calendars/%2E/events"),
        ("x?y#z w", "/v1/calendars/x%3Fy%23z%20w/events"),
        ("ü", "/v1/calendars/%C3%BC/events"),
    ],
)
def test_a_calendar_id_stays_in_its_place(calendar_id: str, path: str) -> None:
    """An id from a file cannot turn the path into another one."""
    assert events_path(calendar_id) == path


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 3, 29, 1, tzinfo=UTC), "2026-03-29T01:00:00Z"),
        (datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:00:00Z"),
        (datetime(2026, 1, 1, 0, 0, 1, 999_999, tzinfo=UTC), "2026-01-01T00:00:01Z"),
        (datetime(33, 1, 1, tzinfo=UTC), "0033-01-01T00:00:00Z"),
    ],
)
def test_times_are_sent_as_whole_seconds_in_utc(moment: datetime, text: str) -> None:
    """Anything finer is refused by the API (§4.2)."""
    assert utc_text(moment) == text


def test_a_time_without_an_offset_is_not_sent() -> None:
    """It would mean whatever zone this process runs in."""
    with pytest.raises(ValueError, match="offset"):
        utc_text(datetime(2026, 1, 1))  # noqa: DTZ001


def test_an_edit_shows_no_text_of_its_event() -> None:
    """Its repr may end in a log."""
    shown = repr(build_edit(key(), an_image(summary="Salary talk"), ("summary",)))
    assert "Salary" not in shown
    assert uid(1) in shown
