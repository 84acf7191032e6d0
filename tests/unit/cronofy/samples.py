"""Bodies as the API sends them (cronofy-api §3.3), and edits as the engine makes them."""

from __future__ import annotations

from typing import Any

from tests.builders import an_image
from worker.cronofy import Write, build_edit
from worker.model import EventKey

CALENDAR = "cal_U9uuErStTG@EAAAB_IsAsykA2DBTWqQTf-f0kJw"


def uid(number: int) -> str:
    """Return an external event's uid."""
    return f"evt_external_{number:024x}"


def key(number: int = 1) -> EventKey:
    """Return an event's name."""
    return EventKey(CALENDAR, uid(number))


def wire_event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return an event as read; a field given as None is sent as null."""
    return {
        "calendar_id": CALENDAR,
        "event_uid": uid(number),
        "summary": "Planning",
        "description": "What comes next",
        "start": {"time": "2026-06-02T10:00:00+01:00", "tzid": "Europe/London"},
        "end": {"time": "2026-06-02T11:00:00+01:00", "tzid": "Europe/London"},
        "deleted": False,
        "created": "2026-01-01T08:00:00Z",
        "updated": "2026-01-02T08:00:00Z",
        "location": {"description": "Room 4"},
        "participation_status": "accepted",
        "attendees": [],
        "transparency": "opaque",
        "status": "confirmed",
        "categories": [],
        "recurring": False,
        "options": {"delete": True, "update": True, "change_participation_status": True},
    } | fields


def page(*events: dict[str, Any], next_page: str | None = None) -> dict[str, Any]:
    """Return a page of events."""
    pages = {"current": 1, "total": 1} | ({"next_page": next_page} if next_page else {})
    return {"pages": pages, "events": list(events)}


def writes(count: int) -> list[Write]:
    """Return edits of so many different events."""
    return [build_edit(key(number), an_image(), ("start",)) for number in range(1, count + 1)]
