"""What the API says of events, calendars and accounts, as the simulator holds it.

Whatever bears on an edit stays what calpatch makes of the original: what does not clearly permit an
edit does not permit it in the copy either, and who cannot be understood is somebody all the same.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from worker.simulator.values import (
    SANDBOX,
    Account,
    Attendee,
    Calendar,
    Event,
    Location,
    Options,
    Person,
    Profile,
)

#: stands for the link of a conference that an event has without telling its address
NO_LINK = "https://conference.invalid/"
#: stands for the name of somebody who is named, but not understood
NOBODY_KNOWN = "?"

Object = Mapping[str, Any]


class End(NamedTuple):
    """A start or an end, and the zone in which it is shown."""

    moment: date | datetime
    tzid: str


def event_of(raw: Any, *, now: datetime) -> Event | None:
    """Read an event of Read Events; None for what calpatch could not edit anyway.

    That is one without a uid, or with times that make no sense. When it was made is now, unless it
    says so: whatever asks for older events leaves it out.
    """
    told = _object(raw)
    ends = _ends(told)
    calendar_id, uid = _text(told.get("calendar_id")), _text(told.get("event_uid"))
    if ends is None or not calendar_id or not uid:
        return None
    (start, start_tzid), (end, end_tzid) = ends
    return Event(
        calendar_id=calendar_id,
        event_uid=uid,
        event_id=_name(told.get("event_id")),
        summary=_text(told.get("summary")),
        description=_text(told.get("description")),
        start=start,
        end=end,
        start_tzid=start_tzid,
        end_tzid=end_tzid,
        deleted=told.get("deleted") is True,
        created=_past(told.get("created")) or now,
        updated=_past(told.get("updated")) or now,
        location=_place(told.get("location")),
        attendees=tuple(_invited(told.get("attendees"))),
        organizer=_organizer(told.get("organizer")),
        recurring=told.get("recurring") is True,
        series_identifier=_name(told.get("series_identifier")),
        event_private=told.get("event_private") not in (None, False),
        options=_options(told.get("options")),
        meeting_url=_link(told),
        url=_name(told.get("url")),
        extended_transparency=_name(told.get("extended_transparency")),
        categories=tuple(_text(each) for each in _list(told.get("categories"))),
        transparency=_word(told, "transparency"),
        status=_word(told, "status"),
        participation_status=_word(told, "participation_status"),
    )


def calendar_of(raw: Any, *, sub: str, profile_id: str = "") -> Calendar | None:
    """Read a calendar of List Calendars; None for one without an id.

    `profile_id` is whose it is unless it says so.
    """
    told = _object(raw)
    calendar_id = _text(told.get("calendar_id"))
    if not calendar_id:
        return None
    return Calendar(
        calendar_id=calendar_id,
        calendar_name=_text(told.get("calendar_name")),
        sub=sub,
        profile_id=_text(told.get("profile_id")) or profile_id,
        readonly=told.get("calendar_readonly") is not False,
        deleted=told.get("calendar_deleted") is True,
        primary=told.get("calendar_primary") is True,
        permission_level=_text(told.get("permission_level")) or SANDBOX,
    )


def account_of(raw: Any, *, sub: str, label: str = "") -> Account:
    """Read an account of User Info, with tokens of its own; at least one profile is made up."""
    told = _object(raw)
    address = _text(told.get("email"))
    listed = _object(told.get("cronofy.data")).get("profiles")
    profiles = {each.profile_id: each for each in map(_profile, _list(listed)) if each.profile_id}
    if not profiles:
        made_up = Profile(profile_id=f"pro_{sub}", profile_name=address)
        profiles[made_up.profile_id] = made_up
    return Account(
        sub=sub,
        email=address,
        name=_text(told.get("name")),
        tzid=_text(told.get("zoneinfo")) or "Etc/UTC",
        label=label,
        access_token=secrets.token_hex(16),
        refresh_token=secrets.token_hex(16),
        profiles=profiles,
    )


def _profile(raw: Any) -> Profile:
    told = _object(raw)
    return Profile(
        profile_id=_text(told.get("profile_id")),
        profile_name=_text(told.get("profile_name")),
        provider_name=_text(told.get("provider_name")),
        provider_service=_text(told.get("provider_service")),
        connected=told.get("profile_connected") is True,
    )


# ---------------------------------------------------------------- times


def _ends(told: Object) -> tuple[End, End] | None:
    """Return both ends, which must be of one kind; None otherwise."""
    try:
        start, end = _end(told.get("start")), _end(told.get("end"))
    except (ValueError, OverflowError):
        return None
    kinds = {isinstance(each.moment, datetime) for each in (start, end)}
    return (start, end) if len(kinds) == 1 else None


def _end(raw: Any) -> End:
    told = {"time": raw} if isinstance(raw, str) else _object(raw)
    return End(_moment(_text(told.get("time"))), _text(told.get("tzid")) or "Etc/UTC")


def _moment(text: str) -> date | datetime:
    """Read a date, or a time with its offset as whole seconds in UTC. Raises ValueError."""
    if len(text) == len("2026-03-02"):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    return moment.astimezone(UTC).replace(microsecond=0)


def _past(raw: Any) -> datetime | None:
    try:
        moment = _moment(_text(raw))
    except (ValueError, OverflowError):
        return None
    return moment if isinstance(moment, datetime) else None


# ---------------------------------------------------------------- people, and the rest


def _invited(raw: Any) -> Iterator[Attendee]:
    if raw is None:
        return
    for each in raw if isinstance(raw, list) else [raw]:
        told = _object(each)
        answer = _text(told.get("status")) or "unknown"
        yield Attendee(_text(told.get("email")), _text(told.get("display_name")), answer)


def _organizer(raw: Any) -> Person | None:
    told = _object(raw)
    if raw is None or (isinstance(raw, dict) and not any(told.values())):
        return None
    return Person(_text(told.get("email")), _text(told.get("display_name")) or NOBODY_KNOWN)


def _place(raw: Any) -> Location | None:
    told = _object(raw)
    if not told:
        return None
    lat, long = _name(told.get("lat")), _name(told.get("long"))
    return Location(_text(told.get("description")), lat=lat, long=long)


def _options(raw: Any) -> Options:
    """Return what may be done: only "may" is a permission."""
    told = _object(raw)
    return Options(
        delete=told.get("delete") is True,
        update=told.get("update") is True,
        change_participation_status=told.get("change_participation_status") is True,
    )


def _link(told: Object) -> str | None:
    """Return the link of the conference, if there is one."""
    held = told.get("conferencing")
    known = _name(told.get("meeting_url")) or _name(_object(held).get("join_url"))
    return known or (NO_LINK if held or told.get("meeting_url") else None)


def _word(told: Object, name: str) -> str:
    return _text(told.get(name)) or "unknown"


def _object(raw: Any) -> Object:
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else ""


def _name(raw: Any) -> str | None:
    """Return what names something, as text; None for nothing."""
    return None if raw is None or raw == "" else str(raw)
