"""Events and calendars, as far as editing them needs to know."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final, NamedTuple, TypeAlias

from msgspec import Struct

from worker.model.value import Value

#: Stands for the address of somebody who is named, but not by an address.
UNTOLD: Final = "?"


class AllDay(Value, frozen=True, kw_only=True, tag="all_day", tag_field="kind"):
    """Whole days; `end` is the first day after it (cronofy-api §3.3, RFC 5545 §3.6.1)."""

    start: date
    end: date


class Timed(Value, frozen=True, kw_only=True, tag="timed", tag_field="kind"):
    """Two instants (aware UTC, whole seconds) and the IANA zones they are shown in."""

    start: datetime
    end: datetime
    start_tzid: str = "Etc/UTC"
    end_tzid: str = "Etc/UTC"


When: TypeAlias = AllDay | Timed


class EventKey(NamedTuple):
    """What names an event within one account (cronofy-api §5.2).

    Uids are looked up together with their calendar.
    """

    calendar_id: str
    event_uid: str


class Image(Value, frozen=True, kw_only=True, omit_defaults=True):
    """An event's editable fields at one moment: a before-image, a target, or what a read shows.

    `location` is the description part only; `conference` tells whether a conference link was there,
    which is never written but checked afterwards (features §4, 13). `organizer` is an address that
    plans group by, "" where it was not asked for; it is neither compared nor written.
    """

    when: When
    summary: str = ""
    description: str = ""
    location: str = ""
    transparency: str = "unknown"
    conference: bool = False
    organizer: str = ""


class About(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an event tells of people and of its own past; only selecting and planning ask.

    Addresses are in lower case, or UNTOLD: whoever cannot be told counts, and is nobody's friend.
    `organizer` is "" where nobody is named.
    """

    organizer: str = ""
    attendees: tuple[str, ...] = ()
    private: bool = False
    created: datetime | None = None
    updated: datetime | None = None


class Event(Value, frozen=True, kw_only=True):
    """What Read Events returned for one event, as far as deciding needs it (cronofy-api §3.3)."""

    calendar_id: str
    event_uid: str
    image: Image
    #: carries an event_id: made by the application itself, not external
    managed: bool = False
    deleted: bool = False
    #: `recurring` is set or a `series_identifier` is there: both are checked (cronofy-api §3.3)
    recurring: bool = False
    #: options.update; False when the answer does not say, since only "may" is a permission
    can_update: bool = False
    about: About = About()

    @property
    def key(self) -> EventKey:
        return EventKey(self.calendar_id, self.event_uid)


class Calendar(Struct, frozen=True, kw_only=True):
    """One entry of List Calendars (cronofy-api §2)."""

    calendar_id: str
    name: str = ""
    read_only: bool = False
    deleted: bool = False
    #: permission_level is "unrestricted"; any other level is not editable (cronofy-api §1.7)
    elevated: bool = False
    primary: bool = False
