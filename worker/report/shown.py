"""How times are shown: in the event's own zone, with the offset, so that nobody has to guess."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from worker.model import AllDay, Image, Timed
from worker.rules import find_zone


def start_and_end(image: Image) -> tuple[str, str]:
    """Return an event's times as ISO 8601: dates of whole days, else local times with offset."""
    match image.when:
        case AllDay(start=start, end=end):
            return start.isoformat(), end.isoformat()
        case Timed() as when:
            return local(when.start, when.start_tzid), local(when.end, when.end_tzid)
        case _ as never:
            assert_never(never)


def tzid_of(image: Image) -> str:
    """Return the zone that an event is shown in; "" for whole days, which have none."""
    return image.when.start_tzid if isinstance(image.when, Timed) else ""


def local(instant: datetime, tzid: str) -> str:
    """Return an instant on the wall clock of a zone; in UTC where the zone is unknown."""
    return instant.astimezone(find_zone(tzid) or UTC).isoformat(timespec="seconds")


def utc(instant: datetime | None) -> str:
    """Return an instant in UTC to the second; "" for none."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant else ""
