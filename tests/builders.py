"""Builders of model values for all suites: a test names what matters to it, the rest is ordinary.

Ordinary means: an hour's meeting tomorrow at nine in UTC that the application may edit.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from worker.model import (
    AllDay,
    Calendar,
    Event,
    EventKey,
    Image,
    Patch,
    Policy,
    Shift,
    Timed,
    When,
)
from worker.rules import Wanted, parse_moment

#: The moment at which tests take place: a Monday noon, far from any clock change.
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = NOW.date()
TOMORROW_AT_NINE = datetime(2026, 6, 2, 9, tzinfo=UTC)

KEY = EventKey("cal_1", "evt_external_000000000000000000000001")


def utc(text: str) -> datetime:
    """Return the instant that a text such as "2026-03-29T01:00" means in UTC."""
    moment = parse_moment(text)
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def day(text: str) -> date:
    """Return the date in a text such as "2026-03-29"."""
    return date.fromisoformat(text)


def timed(
    start: datetime | str = TOMORROW_AT_NINE,
    *,
    minutes: float = 60,
    tzid: str = "Etc/UTC",
    end_tzid: str | None = None,
) -> Timed:
    """Return a time of so many minutes; a text for the start is read as UTC."""
    first = utc(start) if isinstance(start, str) else start
    return Timed(
        start=first,
        end=first + timedelta(minutes=minutes),
        start_tzid=tzid,
        end_tzid=end_tzid or tzid,
    )


def all_day(start: date | str = "2026-06-02", *, days: int = 1) -> AllDay:
    """Return so many whole days."""
    first = day(start) if isinstance(start, str) else start
    return AllDay(start=first, end=first + timedelta(days=days))


def an_image(when: When | None = None, **fields: Any) -> Image:
    """Return the fields of an ordinary meeting, except for those named."""
    ordinary: dict[str, Any] = {
        "summary": "Planning",
        "description": "What comes next",
        "location": "Room 4",
        "transparency": "opaque",
    }
    return Image(when=when or timed(), **ordinary | fields)


def an_event(when: When | None = None, *, image: Image | None = None, **fields: Any) -> Event:
    """Return an external event that may be edited, except for what is named.

    Fields of the image and of the event itself are told apart by their names.
    """
    of_image = {name: fields.pop(name) for name in list(fields) if name in _IMAGE_FIELDS}
    ordinary: dict[str, Any] = {
        "calendar_id": KEY.calendar_id,
        "event_uid": KEY.event_uid,
        "can_update": True,
    }
    return Event(image=image or an_image(when, **of_image), **ordinary | fields)


def a_calendar(**fields: Any) -> Calendar:
    """Return a calendar with unrestricted access, except for what is named."""
    ordinary: dict[str, Any] = {
        "calendar_id": KEY.calendar_id,
        "name": "Work",
        "elevated": True,
    }
    return Calendar(**ordinary | fields)


def a_patch(**fields: Any) -> Patch:
    """Return a patch of the fields named, or by default a shift of a day."""
    return Patch(**fields or {"move": Shift(days=1)})


def a_wanted(patch: Patch | None = None, **fields: Any) -> Wanted:
    """Return an edit of the ordinary event."""
    ordinary: dict[str, Any] = {"key": KEY}
    return Wanted(patch=patch or a_patch(), **ordinary | fields)


def a_policy(**fields: Any) -> Policy:
    """Return the strict policy, except for what is named."""
    return Policy(**fields)


_IMAGE_FIELDS = frozenset(Image.__struct_fields__)
