"""Turns a page of events into values of the model: the hot path of reading.

A page is decoded at once; only when that fails, event by event, so that one broken event does not
hide its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

import msgspec

from worker.cronofy.wire import (
    RawPage,
    Unreadable,
    WholePage,
    WireEvent,
    WireLocation,
    WirePage,
    WireTime,
    decoded,
)
from worker.model import UNTOLD, About, AllDay, Event, EventKey, Image, Timed, When

E = TypeVar("E")

_page = msgspec.json.Decoder(WirePage)
_whole_page = msgspec.json.Decoder(WholePage)
_raw_page = msgspec.json.Decoder(RawPage)
_event = msgspec.json.Decoder(WireEvent)
_any = msgspec.json.Decoder()

#: what an event without a zone is shown in (cronofy-api §3.3)
_NO_ZONE = "Etc/UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[E]):
    """The readable events of one page; `unreadable` counts the others."""

    events: list[E]
    next_page: str | None
    unreadable: int = 0


def read_page(body: bytes) -> Page[WireEvent]:
    """Decode one page; raises Unreadable when it is none."""
    try:
        page = _page.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        page = None
    if page is None:
        return _salvaged(body)
    return Page(events=page.events, next_page=page.pages.next_page if page.pages else None)


def read_whole_page(body: bytes) -> Page[Any]:
    """Decode one page, its events as they stand; raises Unreadable when it is none."""
    page = decoded(_whole_page, body)
    return Page(events=page.events, next_page=page.pages.next_page if page.pages else None)


def _salvaged(body: bytes) -> Page[WireEvent]:
    page = decoded(_raw_page, body)
    events = list(_readable(page))
    return Page(
        events=events,
        next_page=page.pages.next_page if page.pages else None,
        unreadable=len(page.events) - len(events),
    )


def _readable(page: RawPage) -> Iterator[WireEvent]:
    for raw in page.events:
        try:
            yield decoded(_event, raw)
        except Unreadable:
            continue


def to_event(wire: WireEvent, *, people: bool = False) -> Event:
    """Read one event, with what it tells of people if asked.

    Raises Unreadable when its times make no sense.
    """
    options = wire.options
    about = to_about(wire) if people else About()
    return Event(
        calendar_id=wire.calendar_id,
        event_uid=wire.event_uid,
        image=Image(
            when=to_when(wire.start, wire.end),
            summary=wire.summary or "",
            description=wire.description or "",
            location=_place(wire.location),
            transparency=wire.transparency or "unknown",
            conference=bool(wire.conferencing or wire.meeting_url),
            organizer=about.organizer,
        ),
        managed=wire.event_id not in (None, ""),
        deleted=wire.deleted is True,
        recurring=wire.recurring is True or wire.series_identifier not in (None, ""),
        can_update=options is not None and options.update is True,
        about=about,
    )


def to_about(wire: WireEvent) -> About:
    """Read who takes part, and when the event was made.

    Whoever cannot be understood is somebody all the same, and a word that is none about privacy is
    a yes: guards ask for these. A time that is none is not told.
    """
    attendees, organizer = _decoded(wire.attendees), _decoded(wire.organizer)
    people = attendees if isinstance(attendees, list) else [attendees]
    return About(
        organizer=_address(organizer) if _is_somebody(organizer) else "",
        attendees=() if attendees is None else tuple(_address(each) for each in people),
        private=wire.event_private not in {None, False},
        created=_past(wire.created),
        updated=_past(wire.updated),
    )


def _decoded(raw: msgspec.Raw) -> Any:
    """Return what was passed over when the page was read; None when there is nothing.

    It was looked at then as far as its brackets go, but not at each character of its texts.
    """
    try:
        return _any.decode(raw) if bytes(raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return UNTOLD


def _is_somebody(person: Any) -> bool:
    return any(person.values()) if isinstance(person, dict) else person is not None


def _address(person: Any) -> str:
    email = person.get("email") if isinstance(person, dict) else None
    return (email.strip().lower() if isinstance(email, str) else "") or UNTOLD


def _past(text: Any) -> datetime | None:
    """Read when something was; years that are none occur (cronofy-api §3.3)."""
    try:
        moment = _moment(text) if isinstance(text, str) else None
    except Unreadable:
        return None
    return moment if isinstance(moment, datetime) else None


def key_of(wire: WireEvent) -> EventKey:
    """Return the pair that an event is matched by."""
    return EventKey(wire.calendar_id, wire.event_uid)


def to_when(start: str | WireTime, end: str | WireTime) -> When:
    """Read both ends, which must be of one kind; raises Unreadable otherwise."""
    first, first_zone = _end(start)
    last, last_zone = _end(end)
    if isinstance(first, datetime) and isinstance(last, datetime):
        return Timed(start=first, end=last, start_tzid=first_zone, end_tzid=last_zone)
    if isinstance(first, datetime) or isinstance(last, datetime):
        raise Unreadable
    return AllDay(start=first, end=last)


def _end(wire: str | WireTime) -> tuple[date | datetime, str]:
    text, zone = (wire, None) if isinstance(wire, str) else (wire.time, wire.tzid)
    return _moment(text), zone or _NO_ZONE


def _moment(text: str) -> date | datetime:
    """Read YYYY-MM-DD, or a time with an offset, as whole seconds in UTC."""
    try:
        if len(text) == len("2014-09-06") and text[4] == text[7] == "-":
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
            return moment.replace(microsecond=0) if moment.microsecond else moment
    except (ValueError, OverflowError):
        raise Unreadable from None
    raise Unreadable


def _place(wire: WireLocation | None) -> str:
    return (wire.description or "") if wire is not None else ""
