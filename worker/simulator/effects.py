"""What an accepted write does when it takes [§4.3, §9]: an event in, an event out."""

import re
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from worker.simulator.behaviour import Behaviour
from worker.simulator.bodies import Wish
from worker.simulator.values import Attendee, Event, Moment, Person, utc

_TAG = re.compile(r"<[^>]*>")
_LINE_END = re.compile(r"\r?\n")
#: Fields that are kept when left out, whatever the switches say.
_KEPT = (
    "description",
    "url",
    "extended_transparency",
    "reminders",
    "color",
    "conferencing",
    "subscriptions",
)


def edited(event: Event, wish: Wish, behaviour: Behaviour, at: float) -> Event:
    """The event after an edit that takes at `at`."""
    fields: dict[str, Any] = {
        "summary": wish.summary,
        "start": wish.start,
        "end": wish.end,
        "start_tzid": wish.zones[0] or event.start_tzid,
        "end_tzid": wish.zones[1] or event.end_tzid,
        "location": _location(event, wish, behaviour),
        "transparency": _transparency(event, wish, behaviour),
        "attendees": _attendees(event, wish),
    }
    fields |= {name: value for name in _KEPT if (value := getattr(wish, name)) is not UNSET}
    if behaviour.normalise:
        fields |= _normalised(fields)
    return replace(event, **fields, **_touched(behaviour, at))


def created(
    key: tuple[str, str], event_id: str, wish: Wish, behaviour: Behaviour, at: float
) -> Event:
    """A new managed event: event_id wins, whatever uid came with it [§5.1, row 8]."""
    blank = Event(
        calendar_id=key[0],
        event_uid=key[1],
        event_id=event_id,
        summary=wish.summary,
        start=wish.start,
        end=wish.end,
        created=utc(at),
        updated=utc(at),
        transparency=default_transparency(wish.start),
        event_private=wish.event_private is True,
    )
    return edited(blank, wish, behaviour, at)


def deleted(event: Event, behaviour: Behaviour, at: float) -> Event:
    """The event after its deletion: it is still known, and shown with include_deleted [row 14]."""
    return replace(event, deleted=True, **_touched(behaviour, at))


def answered(event: Event, status: str, behaviour: Behaviour, at: float) -> Event:
    """The event after the person's own answer to the invitation changed [§5.4]."""
    return replace(event, participation_status=status, **_touched(behaviour, at))


def default_transparency(start: Moment) -> str:
    """Opaque for timed, transparent for all-day events [§4.1]."""
    return "opaque" if hasattr(start, "hour") else "transparent"


def _touched(behaviour: Behaviour, at: float) -> dict[str, Any]:
    return {"updated": utc(at)} if behaviour.updated_moves else {}


def _location(event: Event, wish: Wish, behaviour: Behaviour) -> object:
    if wish.location is not UNSET:
        return wish.location if wish.location.description or wish.location.lat else None
    return None if behaviour.omitted_location == "reset" else event.location


def _transparency(event: Event, wish: Wish, behaviour: Behaviour) -> str:
    if wish.transparency is not UNSET:
        return wish.transparency
    if behaviour.omitted_transparency == "reset":
        return default_transparency(wish.start)
    return event.transparency


def _attendees(event: Event, wish: Wish) -> tuple[Attendee, ...]:
    removed = {email.lower() for email in wish.remove}
    kept = tuple(each for each in event.attendees if each.email.lower() not in removed)
    known = {each.email.lower() for each in kept}
    return kept + tuple(_invited(each) for each in wish.invite if each.email.lower() not in known)


def _invited(person: Person) -> Attendee:
    return Attendee(person.email, person.display_name)


def _normalised(fields: dict[str, Any]) -> dict[str, Any]:
    """What a provider makes of texts [row 22]."""
    shown = {"summary": fields["summary"].strip()}
    if "description" in fields:
        shown["description"] = _LINE_END.sub("\r\n", _TAG.sub("", fields["description"]))
    return shown
