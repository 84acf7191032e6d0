"""How events and calendars look in answers [§2, §3.3]; msgspec encodes the times."""

from typing import Any

import msgspec

from worker.simulator.moments import localized
from worker.simulator.values import Calendar, Event, Location, Profile

#: Something an answer may grow any day; a client must not stumble over it [§1.1, row 22].
EXTRA = {"added_later": {"since": "2031-01-01", "values": [1, None, "two"]}}


class View(msgspec.Struct, frozen=True):
    """How one read wants its events."""

    localized_times: bool = False
    include_geo: bool = False
    google_event_ids: bool = False
    #: Behaviour.extra_keys at the time of the read.
    extra_keys: bool = False


def shown_event(event: Event, view: View) -> dict[str, Any]:
    """An event of Read Events. External events never carry event_id [row 3]."""
    shown: dict[str, Any] = {
        "calendar_id": event.calendar_id,
        "event_uid": event.event_uid,
        "summary": event.summary,
        "description": event.description,
        "start": event.start,
        "end": event.end,
        "deleted": event.deleted,
        "created": event.created,
        "updated": event.updated,
        "participation_status": event.participation_status,
        "attendees": event.attendees,
        "organizer": event.organizer,
        "transparency": event.transparency,
        "status": event.status,
        "categories": event.categories,
        "recurring": event.recurring,
        "event_private": event.event_private,
        "options": event.options,
    }
    if view.localized_times:
        shown["start"] = localized(event.start, event.start_tzid)
        shown["end"] = localized(event.end, event.end_tzid)
    for name in ("event_id", "series_identifier", "extended_transparency", "meeting_url", "url"):
        if (value := getattr(event, name)) is not None:
            shown[name] = value
    if event.location is not None:
        shown["location"] = (
            event.location if view.include_geo else Location(event.location.description)
        )
    if view.google_event_ids:
        shown["google_event_id"] = event.event_uid[-12:]
    return _with_extras(event, shown) if view.extra_keys else shown


def shown_calendar(
    calendar: Calendar, profile: Profile, *, extra_keys: bool = False
) -> dict[str, Any]:
    """A calendar of List Calendars [§2]."""
    return {
        "provider_name": profile.provider_name,
        "profile_id": profile.profile_id,
        "profile_name": profile.profile_name,
        "calendar_id": calendar.calendar_id,
        "calendar_name": calendar.calendar_name,
        "calendar_readonly": calendar.readonly,
        "calendar_deleted": calendar.deleted,
        "calendar_primary": calendar.primary,
        "calendar_integrated_conferencing_available": profile.provider_name == "google",
        "calendar_attachments_available": False,
        "permission_level": calendar.permission_level,
        **(EXTRA if extra_keys else {}),
    }


def _with_extras(event: Event, shown: dict[str, Any]) -> dict[str, Any]:
    """Unknown keys on all events, unknown enum values on a third of them."""
    shown |= EXTRA
    if int(event.event_uid[-1], 16) % 3 == 0:
        shown |= {"status": "provisional", "participation_status": "delegated"}
        shown["extended_transparency"] = "focus_time"
    return shown
