"""Checks the body of a create or update and turns it into a `Wish` [§4.1, §4.2, rows 7 and 9].

Every problem is collected, so that one 422 names all fields. Nothing here looks at an event.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from worker.simulator.answers import Problems
from worker.simulator.moments import BadTime, read_written, zone
from worker.simulator.values import Location, Moment, Person

SUMMARY_LIMIT = 1024
DESCRIPTION_LIMIT = 4096
#: `unknown` can be read but not written [§3.3].
TRANSPARENCY = ("opaque", "transparent")
EXTENDED = ("opaque", "transparent", "working_elsewhere", "tentative", "out_of_office")
REMINDERS = 5
#: The display zones of both ends; None = not told.
Zones = tuple[str | None, str | None]


class Wish(Struct, frozen=True, kw_only=True):
    """A checked write. UNSET = left out; JSON null counts as left out, except for url."""

    summary: str
    start: Moment
    end: Moment
    zones: Zones = (None, None)
    description: str | UnsetType = UNSET
    location: Location | UnsetType = UNSET
    url: str | UnsetType | None = UNSET
    transparency: str | UnsetType = UNSET
    extended_transparency: str | UnsetType = UNSET
    invite: tuple[Person, ...] = ()
    remove: tuple[str, ...] = ()
    reminders: tuple[int, ...] | UnsetType = UNSET
    color: str | UnsetType = UNSET
    event_private: bool | UnsetType = UNSET
    conferencing: dict[str, Any] | UnsetType = UNSET
    subscriptions: tuple[dict[str, Any], ...] | UnsetType = UNSET


def read_wish(body: dict[str, Any]) -> Wish:
    """The write that a body asks for, or a refusal naming every bad field."""
    problems = Problems()
    start, start_zone = _moment(body, "start", problems)
    end, end_zone = _moment(body, "end", problems)
    _check_order(start, end, problems)
    tzid = _zone(body.get("tzid"), "tzid", problems)
    fields = {
        "summary": _text(body, "summary", SUMMARY_LIMIT, problems, required=True),
        "description": _text(body, "description", DESCRIPTION_LIMIT, problems),
        "location": _location(body, problems),
        "url": body.get("url", UNSET),
        "transparency": _choice(body, "transparency", TRANSPARENCY, problems),
        "extended_transparency": _choice(body, "extended_transparency", EXTENDED, problems),
        "reminders": _reminders(body, problems),
        "color": _text(body, "color", len("#RRGGBB"), problems),
        "event_private": _boolean(body, "event_private", problems),
        "conferencing": _object(body, "conferencing", problems),
        "subscriptions": _subscriptions(body, problems),
        **_attendees(body, problems),
    }
    problems.raise_any()
    return Wish(start=start, end=end, zones=(start_zone or tzid, end_zone or tzid), **fields)  # type: ignore[arg-type]


def _moment(
    body: dict[str, Any], field: str, problems: Problems
) -> tuple[Moment | None, str | None]:
    """A date, a UTC time, or `{time, tzid}`."""
    value = body.get(field)
    tzid = None
    if isinstance(value, dict):
        tzid = _zone(value.get("tzid"), f"{field}.tzid", problems)
        value = value.get("time")
    if value in (None, ""):
        problems.add(field, "errors.required", f"{field} must be specified")
        return None, tzid
    try:
        return read_written(str(value)), tzid
    except BadTime as error:
        problems.add(field, error.key, str(error))
        return None, tzid


def _check_order(start: Moment | None, end: Moment | None, problems: Problems) -> None:
    """Refuses end before start [3rd] and mixed kinds [inferred]; start = end [unknown] passes."""
    if start is None or end is None:
        return
    if type(start) is not type(end):
        problems.add(
            "end", "errors.invalid_time_pair", "start and end must both be dates or both be times"
        )
    elif end < start:
        problems.add("end", "errors.invalid_time_pair", "end must be after start")


def _zone(value: object, field: str, problems: Problems) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and zone(value):
        return value
    problems.add(field, "errors.tzid_unrecognized", "tzid is not a known time zone")
    return None


def _text(
    body: dict[str, Any], field: str, limit: int, problems: Problems, *, required: bool = False
) -> str | UnsetType:
    value = body.get(field)
    if value is None or (required and value == ""):
        if required:
            problems.add(field, "errors.required", f"{field} must be specified")
        return UNSET
    if not isinstance(value, str):
        problems.add(field, "errors.must_be_string", f"{field} must be a string")
    elif len(value) > limit:
        problems.add(field, "errors.too_long", f"{field} must be at most {limit} characters")
    return str(value)


def _choice(
    body: dict[str, Any], field: str, allowed: tuple[str, ...], problems: Problems
) -> str | UnsetType:
    value = body.get(field)
    if value is None:
        return UNSET
    if value not in allowed:
        problems.add(field, "errors.not_recognized", f"{field} must be one of {', '.join(allowed)}")
    return str(value)


def _boolean(body: dict[str, Any], field: str, problems: Problems) -> bool | UnsetType:
    value = body.get(field)
    if value is None:
        return UNSET
    if not isinstance(value, bool):
        problems.add(field, "errors.must_be_boolean", f"{field} must be true or false")
    return bool(value)


def _object(body: dict[str, Any], field: str, problems: Problems) -> dict[str, Any] | UnsetType:
    value = body.get(field)
    if value is None:
        return UNSET
    if not isinstance(value, dict):
        problems.add(field, "errors.must_be_object", f"{field} must be an object")
        return UNSET
    return value


def _location(body: dict[str, Any], problems: Problems) -> Location | UnsetType:
    value = _object(body, "location", problems)
    if value is UNSET:
        return UNSET
    for part in ("description", "lat", "long"):
        if not isinstance(value.get(part), str | None):
            problems.add(f"location.{part}", "errors.must_be_string", f"{part} must be a string")
    return Location(value.get("description") or "", value.get("lat"), value.get("long"))


def _reminders(body: dict[str, Any], problems: Problems) -> tuple[int, ...] | UnsetType:
    """Up to five; `[]` says explicitly none."""
    value = body.get("reminders")
    if value is None:
        return UNSET
    minutes = tuple(entry.get("minutes") for entry in value) if _are_objects(value) else (None,)
    if len(minutes) > REMINDERS or not all(isinstance(each, int) for each in minutes):
        problems.add("reminders", "errors.not_recognized", "reminders must be up to 5 {minutes}")
        return UNSET
    return tuple(each for each in minutes if each is not None)


def _subscriptions(
    body: dict[str, Any], problems: Problems
) -> tuple[dict[str, Any], ...] | UnsetType:
    value = body.get("subscriptions")
    if value is None:
        return UNSET
    if not _are_objects(value):
        problems.add(
            "subscriptions", "errors.not_recognized", "subscriptions must be a list of objects"
        )
        return UNSET
    return tuple(value)


def _attendees(body: dict[str, Any], problems: Problems) -> dict[str, Any]:
    """A change set `{invite, remove}`, not the list [§4.1, row 11]."""
    value = _object(body, "attendees", problems)
    if value is UNSET:
        return {}
    invited, removed = (value.get(part) or [] for part in ("invite", "remove"))
    for part, people in (("invite", invited), ("remove", removed)):
        _check_people(part, people, problems)
    problems_free = _are_objects(invited) and _are_objects(removed)
    return {
        "invite": tuple(_person(each) for each in invited) if problems_free else (),
        "remove": tuple(str(each.get("email")) for each in removed) if problems_free else (),
    }


def _person(entry: dict[str, Any]) -> Person:
    return Person(str(entry.get("email")), str(entry.get("display_name") or ""))


def _check_people(part: str, people: Any, problems: Problems) -> None:
    if not _are_objects(people):
        problems.add(
            f"attendees.{part}", "errors.not_recognized", f"{part} must be a list of objects"
        )
        return
    for at, person in enumerate(people):
        if "@" not in str(person.get("email", "")):
            field = f"attendees.{part}[{at}].email"
            problems.add(field, "errors.invalid_email", "email is not an email address")


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)
