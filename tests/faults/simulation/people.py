"""Events, what may be asked of them, and people who edit their own calendars meanwhile.

`after` says what an edit makes of an event, independently of the rules that calpatch goes by: on
the days in question no zone changes its clocks, so hours are hours.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from tests.faults.simulation.clock import BEGIN
from worker.model import Patch, Reschedule, Shift
from worker.simulator.values import Event, Location, Moment, Options

HOUR = timedelta(hours=1)
#: A day in the past of every world, and one on which nothing else is.
LAST_WEEK = BEGIN - timedelta(days=7)
PARIS = "Europe/Paris"

#: Kinds of events; whatever is not "plain" and the like must never be written to.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "paris": {"start_tzid": PARIS, "end_tzid": PARIS},
    "placed": {"location": Location("Room 4"), "description": "What comes next"},
    "all_day": {"start": date(2026, 6, 10), "end": date(2026, 6, 11)},
    "recurring": {"recurring": True},
    "occurrence": {"series_identifier": "series"},
    "locked": {"options": Options(update=False)},
    "managed": {"event_id": "own-key"},
    "deleted": {"deleted": True},
    "past": {"start": LAST_WEEK, "end": LAST_WEEK + HOUR},
}
EDITABLE = frozenset({"plain", "paris", "placed", "all_day"})

PATCHES: dict[str, Patch] = {
    "hour": Patch(move=Shift(seconds=3600)),
    "elapsed": Patch(move=Shift(seconds=-1800, elapsed=True)),
    "day": Patch(move=Shift(days=1)),
    "place": Patch(move=Reschedule(start="2026-06-20T10:00:00Z")),
    "name": Patch(summary="Renamed"),
    "words": Patch(description="Told anew", location="Room 5"),
    "both": Patch(move=Shift(seconds=900), summary="Moved and renamed"),
    "free": Patch(transparency="transparent"),
}


def an_event(number: int, kind: str, *, calendar_id: str) -> Event:
    """Return a numbered event, an hour long, some days after the beginning."""
    start = BEGIN + timedelta(days=2 + number % 5, hours=number % 7)
    fields: dict[str, Any] = {"start": start, "end": start + HOUR} | KINDS[kind]
    return Event(
        calendar_id=calendar_id,
        event_uid=f"evt_external_{number:024x}",
        summary=f"Meeting {number}",
        created=BEGIN - timedelta(days=60),
        updated=BEGIN - timedelta(days=50),
        **fields,
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """How an event shall be; None where anything will do."""

    start: Moment
    end: Moment
    summary: str | None
    description: str | None
    location: str | None
    transparency: str | None

    def is_shown_by(self, event: Event) -> bool:
        """Tell whether an event is as asked."""
        place = event.location.description if event.location else ""
        pairs = (
            (self.summary, event.summary),
            (self.description, event.description),
            (self.location, place),
            (self.transparency, event.transparency),
        )
        is_there = (event.start, event.end) == (self.start, self.end)
        return is_there and all(asked in {None, seen} for asked, seen in pairs)


def after(event: Event, patch: Patch) -> Asked | None:
    """Return what an edit makes of an event; None when it makes no sense for it."""
    start, end = event.start, event.end
    is_timed = isinstance(start, datetime)
    match patch.move:
        case Shift(days=days, seconds=seconds):
            if seconds and not is_timed:
                return None
            by = timedelta(days=days, seconds=seconds)
            start, end = start + by, end + by
        case Reschedule(start=str() as text):
            if not is_timed:
                return None
            start, end = datetime.fromisoformat(text), datetime.fromisoformat(text) + (end - start)  # type: ignore[operator]
    return Asked(start, end, patch.summary, patch.description, patch.location, patch.transparency)


def meddled(event: Event, what: str) -> dict[str, Any]:
    """Return the fields that a person changes of their own event."""
    match what:
        case "describe":
            return {"description": "A person's own words"}
        case "place":
            return {"location": "A person's own room"}
        case "delete":
            return {"deleted": True}
        case _ if isinstance(event.start, datetime):
            start = event.start + timedelta(minutes=17)
            return {
                "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
                "end": f"{start + HOUR:%Y-%m-%dT%H:%M:%SZ}",
            }
    return {}


MEDDLING = ("describe", "place", "move", "delete")
