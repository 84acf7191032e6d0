"""Real calendars from iCalendar files: one account a file, shifted so that they lie around today.

Needs icalendar and recurring-ical-events, which a deployment does not have: they are imported when
called.
"""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from worker.simulator.moments import zone
from worker.simulator.simulator import Simulator
from worker.simulator.values import (
    Account,
    Calendar,
    Event,
    Location,
    Moment,
    Options,
    Person,
    Profile,
)

#: Events are moved by whole multiples of this into the window, so that weekdays stay what they are.
TURN = timedelta(weeks=30)
#: The first day in which a shifted event may lie, from today.
FIRST_DAY = timedelta(days=-30)
#: So far a recurring event is unrolled from its own start.
UNROLLED = timedelta(days=180)


def seed_ics(sim: Simulator, paths: Sequence[Path], *, today: date) -> None:
    """Adds one account a file, with its events in one unrestricted primary calendar."""
    for path in paths:
        _seed_file(sim, path, today)


def _seed_file(sim: Simulator, path: Path, today: date) -> None:
    import icalendar

    source = icalendar.Calendar.from_ical(path.read_bytes())
    rng = random.Random(path.name)  # noqa: S311  # reproducible, not secret
    tzid = _calendar_zone(source)
    calendar_id = _add_account(sim, path.stem, tzid, rng)
    for component, is_recurring in _components(source):
        event = _event(component, calendar_id, tzid, rng)
        if event is not None:
            sim.add_event(_around(event, today, is_recurring=is_recurring))


def _components(source: Any) -> Iterator[tuple[Any, bool]]:
    """Every event once; recurring ones as their occurrences, apart from the rest.

    Published files give one UID to many events; unrolling them together would take all but one as
    overridden.
    """
    import recurring_ical_events

    for component in source.walk("VEVENT"):
        if "DTSTART" not in component:
            continue
        if "RRULE" not in component and "RDATE" not in component:
            yield component, "RECURRENCE-ID" in component
            continue
        first = _day(component["DTSTART"].dt)
        for each in recurring_ical_events.of(component).between(first, first + UNROLLED):
            yield each, True


def _event(component: Any, calendar_id: str, tzid: str, rng: random.Random) -> Event | None:
    start = component["DTSTART"].dt
    end = component["DTEND"].dt if "DTEND" in component else None
    end = end or _default_end(start, component)
    own_zone = _zone_of(start, tzid)
    when = _moment(start, tzid), _moment(end, tzid)
    if type(when[0]) is not type(when[1]) or when[1] < when[0]:
        return None
    place = str(component.get("LOCATION", "")).strip()
    made = datetime(2020, 1, 1, tzinfo=UTC)
    return Event(
        calendar_id=calendar_id,
        event_uid=f"evt_external_{rng.getrandbits(96):024x}",
        summary=str(component.get("SUMMARY", "")),
        description=str(component.get("DESCRIPTION", "")),
        start=when[0],
        end=when[1],
        start_tzid=own_zone,
        end_tzid=own_zone,
        created=made,
        updated=made,
        location=Location(place) if place else None,
        organizer=_organizer(component),
        transparency=str(component.get("TRANSP", "OPAQUE")).lower(),
        series_identifier=str(component.get("UID", "")) or None,
    )


def _around(event: Event, today: date, *, is_recurring: bool) -> Event:
    """The event moved near today, and with the marks of a series where it is of one."""
    behind = today + FIRST_DAY - _day(event.start)
    by = TURN * -(-behind // TURN)
    if not is_recurring:
        return replace(event, start=event.start + by, end=event.end + by, series_identifier=None)
    options = Options(delete=False, update=False)
    return replace(
        event, start=event.start + by, end=event.end + by, recurring=True, options=options
    )


def _add_account(sim: Simulator, label: str, tzid: str, rng: random.Random) -> str:
    profile = Profile(profile_id=f"pro_{rng.getrandbits(96):024x}", profile_name=label)
    account = Account(
        sub=f"acc_{rng.getrandbits(96):024x}",
        email="calendar@example.com",
        name=label,
        tzid=tzid,
        label=label,
        access_token=f"{rng.getrandbits(128):032x}",
        refresh_token=f"{rng.getrandbits(128):032x}",
        profiles={profile.profile_id: profile},
    )
    sim.add_account(account)
    calendar = Calendar(
        calendar_id=f"cal_{rng.getrandbits(96):024x}",
        calendar_name=label,
        sub=account.sub,
        profile_id=profile.profile_id,
        primary=True,
    )
    sim.add_calendar(calendar)
    return calendar.calendar_id


def _calendar_zone(source: Any) -> str:
    """The file's zone; a malformed VTIMEZONE line is read as what it meant."""
    for name in ("X-WR-TIMEZONE", "TIMEZONE-ID", "VTIMEZONE"):
        told = str(source.get(name, "")).strip()
        if zone(told):
            return told
    zones = (str(each.get("TZID", "")) for each in source.walk("VTIMEZONE"))
    return next((each for each in zones if zone(each)), "Etc/UTC")


def _zone_of(start: Moment, tzid: str) -> str:
    """An event's own zone; a time in UTC tells none, and is reported as Etc/UTC [§3.3]."""
    key = str(getattr(getattr(start, "tzinfo", None), "key", "") or tzid)
    return "Etc/UTC" if key == "UTC" or zone(key) is None else key


def _organizer(component: Any) -> Person | None:
    organizer = component.get("ORGANIZER")
    if organizer is None:
        return None
    address = str(organizer).lower().removeprefix("mailto:")
    return Person(address, str(organizer.params.get("CN", "")))


def _default_end(start: Moment, component: Any) -> Moment:
    if "DURATION" in component:
        lasts: timedelta = component["DURATION"].dt
        return start + lasts
    return start if isinstance(start, datetime) else start + timedelta(days=1)


def _moment(value: Moment, tzid: str) -> Moment:
    """A time in UTC whole seconds; floating ones are of the calendar's zone."""
    if not isinstance(value, datetime):
        return value
    aware = value if value.tzinfo else value.replace(tzinfo=zone(tzid) or UTC)
    return aware.astimezone(UTC).replace(microsecond=0)


def _day(value: Moment) -> date:
    return value.date() if isinstance(value, datetime) else value
