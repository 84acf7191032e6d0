"""Real calendars from iCalendar files: one account a file.

To try things on, they are shifted so that they lie around today; for a rehearsal they stay on their
days. Needs icalendar and recurring-ical-events, which a deployment does not have: they are
imported when called.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from worker.simulator.moments import zone
from worker.simulator.simulator import Simulator
from worker.simulator.values import (
    Account,
    Attendee,
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
#: What was answered, in the words of both sides.
ANSWERS = {
    "ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative",
    "NEEDS-ACTION": "needs_action",
}  # fmt: skip
#: Where providers keep the link of a conference.
LINKS = ("X-GOOGLE-CONFERENCE", "X-MICROSOFT-SKYPETEAMSMEETINGURL")
#: Characters that are kept of a uid.
LONGEST_UID = 200
#: The first and the last day on which occurrences of a series are wanted, by its first day.
Span = Callable[[date], tuple[date, date]]


class IcsFile(NamedTuple):
    """What a file holds, on its own days and under its own uids, in the calendar asked for."""

    #: What the calendar is called; an address with some providers.
    name: str
    tzid: str
    events: list[Event]


def read_ics(path: Path, *, calendar_id: str, first: date, last: date) -> IcsFile:
    """Reads a file; of its series only what lies between two days, both included.

    A uid that occurs again, as those of series do, gets the event's start behind an @. ValueError
    for what is no calendar.
    """
    source = _opened(path)
    tzid = _calendar_zone(source)
    events: dict[str, Event] = {}
    for component, is_recurring in _components(source, lambda _: (first, last)):
        event = _event(component, calendar_id, tzid, uid=_own_uid(component))
        if event is None:
            continue
        uid = event.event_uid
        if is_recurring or uid in events:
            uid = _dated_uid(event)
        while uid in events:
            uid = f"{uid}+"
        marked = _marked(event) if is_recurring else replace(event, series_identifier=None)
        events[uid] = replace(marked, event_uid=uid)
    return IcsFile(str(source.get("X-WR-CALNAME", "")).strip(), tzid, [*events.values()])


def _own_uid(component: Any) -> str:
    """An event's uid in a form in which files of edits can name it."""
    told = str(component.get("UID", ""))[:LONGEST_UID]
    return "".join("_" if each in ", " or not each.isprintable() else each for each in told) or "?"


def _dated_uid(event: Event) -> str:
    start = event.start
    form = "%Y%m%dT%H%M%SZ" if isinstance(start, datetime) else "%Y%m%d"
    return f"{event.event_uid}@{start:{form}}"


def seed_ics(sim: Simulator, paths: Sequence[Path], *, today: date) -> None:
    """Adds one account a file, with its events in one unrestricted primary calendar."""
    for path in paths:
        _seed_file(sim, path, today)


def _seed_file(sim: Simulator, path: Path, today: date) -> None:
    source = _opened(path)
    rng = random.Random(path.name)  # noqa: S311  # reproducible, not secret
    tzid = _calendar_zone(source)
    calendar_id = _add_account(sim, path.stem, tzid, rng)
    for component, is_recurring in _components(source, lambda first: (first, first + UNROLLED)):
        uid = f"evt_external_{rng.getrandbits(96):024x}"
        event = _event(component, calendar_id, tzid, uid=uid)
        if event is not None:
            sim.add_event(_around(event, today, is_recurring=is_recurring))


def _opened(path: Path) -> Any:
    import icalendar

    return icalendar.Calendar.from_ical(path.read_bytes())


def _components(source: Any, span: Span) -> Iterator[tuple[Any, bool]]:
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
        first, last = span(_day(component["DTSTART"].dt))
        for each in recurring_ical_events.of(component).between(first, last):
            yield each, True


def _event(component: Any, calendar_id: str, tzid: str, *, uid: str) -> Event | None:
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
        event_uid=uid,
        summary=str(component.get("SUMMARY", "")),
        description=str(component.get("DESCRIPTION", "")),
        start=when[0],
        end=when[1],
        start_tzid=own_zone,
        end_tzid=own_zone,
        created=_past(component, "CREATED") or made,
        updated=_past(component, "LAST-MODIFIED") or made,
        location=Location(place) if place else None,
        organizer=_organizer(component),
        attendees=tuple(_invited(component)),
        deleted=str(component.get("STATUS", "")).upper() == "CANCELLED",
        event_private=str(component.get("CLASS", "PUBLIC")).upper() != "PUBLIC",
        meeting_url=next((str(component[name]) for name in LINKS if name in component), None),
        transparency=str(component.get("TRANSP", "OPAQUE")).lower(),
        series_identifier=str(component.get("UID", "")) or None,
    )


def _around(event: Event, today: date, *, is_recurring: bool) -> Event:
    """The event moved near today, and with the marks of a series where it is of one."""
    behind = today + FIRST_DAY - _day(event.start)
    by = TURN * -(-behind // TURN)
    if not is_recurring:
        return replace(event, start=event.start + by, end=event.end + by, series_identifier=None)
    return _marked(replace(event, start=event.start + by, end=event.end + by))


def _marked(event: Event) -> Event:
    """An occurrence of a series."""
    options = Options(delete=False, update=False)
    return replace(event, recurring=True, options=options)


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


def _invited(component: Any) -> Iterator[Attendee]:
    """Who is invited; one alone stands there without a list."""
    named = component.get("ATTENDEE", [])
    for each in named if isinstance(named, list) else [named]:
        answer = ANSWERS.get(str(each.params.get("PARTSTAT", "")).upper(), "unknown")
        address = str(each).lower().removeprefix("mailto:")
        yield Attendee(address, str(each.params.get("CN", "")), answer)


def _past(component: Any, name: str) -> datetime | None:
    """When something was, in whole seconds; None where that is not told, or nonsense."""
    moment = getattr(component.get(name), "dt", None)
    if not isinstance(moment, datetime):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).replace(microsecond=0)


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
