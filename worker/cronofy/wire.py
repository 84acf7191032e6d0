"""The shapes of the API's answers, as far as they are read, and as strict as safety asks.

Unknown keys and unknown words are let pass, since additions are no breaking change (cronofy-api
§1.2). A flag that forbids an edit must be a real boolean: "false" as text is a broken event, not a
permission. Nothing here is written from the simulator, nor the other way round.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct, field

T = TypeVar("T")


class WireTime(Struct, gc=False):
    """A time with `localized_times`; `time` is a bare date for all-day events."""

    time: str
    tzid: str | None = None


class WireLocation(Struct, gc=False):
    description: str | None = None


class WireOptions(Struct, gc=False):
    update: bool | None = None


class WireEvent(Struct, gc=False):
    """One event of a page (cronofy-api §3.3)."""

    calendar_id: str
    start: str | WireTime
    end: str | WireTime
    #: empty for what cannot be edited by it anyway
    event_uid: str = ""
    event_id: Any = None
    summary: str | None = None
    description: str | None = None
    location: WireLocation | None = None
    transparency: str | None = None
    deleted: bool | None = None
    recurring: bool | None = None
    series_identifier: Any = None
    options: WireOptions | None = None
    conferencing: Any = None
    meeting_url: Any = None
    #: passed over unless somebody asks: most reads want no people
    attendees: Raw = Raw()
    organizer: Raw = Raw()
    event_private: Any = None
    created: Any = None
    updated: Any = None


class WirePaging(Struct):
    next_page: str | None = None


class WirePage(Struct):
    events: list[WireEvent]
    pages: WirePaging | None = None


class RawPage(Struct):
    """The same page with its events unread, for when one of them is broken."""

    events: list[Raw]
    pages: WirePaging | None = None


class WholePage(Struct):
    """The same page with all that its events say, for whoever copies them."""

    events: list[Any]
    pages: WirePaging | None = None


class WireCalendar(Struct):
    """One entry of List Calendars; without a clear "no", a calendar counts as read-only."""

    calendar_id: str
    calendar_name: str | None = None
    calendar_readonly: bool | None = None
    calendar_deleted: bool | None = None
    calendar_primary: bool | None = None
    permission_level: str | None = None


class WireCalendars(Struct):
    calendars: list[WireCalendar]


class WireProfileCalendar(Struct):
    calendar_id: str


class WireProfile(Struct):
    profile_id: str
    provider_name: str | None = None
    profile_name: str | None = None
    profile_connected: bool | None = None
    profile_calendars: list[WireProfileCalendar] | None = None


class WireAccountData(Struct):
    profiles: list[WireProfile] | None = None


class WireUserInfo(Struct):
    sub: str
    email: str | None = None
    account: WireAccountData | None = field(default=None, name="cronofy.data")


class WireTokens(Struct):
    access_token: str
    refresh_token: str | None = None
    #: recommended, not required (RFC 6749 §5.1)
    expires_in: float | None = None


class WireItem(Struct):
    """One entry of a batch answer; without a real HTTP status it is no answer."""

    status: Annotated[int, Meta(ge=100, le=999)]
    data: Raw = Raw()
    headers: Any = None


class WireBatch(Struct):
    batch: list[Raw]


class WireFieldError(Struct):
    key: str | None = None


class WireErrors(Struct):
    """The body of a 422: fields with error keys, whose descriptions are not read."""

    errors: dict[str, list[WireFieldError]]


class WireTokenError(Struct):
    error: str


class Unreadable(Exception):
    """Raised when an answer is not of the expected shape; says nothing of what it holds."""


def decoded(decoder: msgspec.json.Decoder[T], body: bytes | Raw) -> T:
    """Decode an answer, or raise Unreadable."""
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    # Raised out here, where no cause is kept: a UnicodeDecodeError holds the answer itself.
    raise Unreadable


_object = msgspec.json.Decoder(dict[str, Any])


def read_object(body: bytes) -> dict[str, Any]:
    """Decode an answer with all that it says, or raise Unreadable."""
    return decoded(_object, body)
