"""What the simulated service knows: accounts, profiles, calendars, events, channels.

Plain values and nothing else; who changes them is `Simulator`. An `Event` is frozen: a change makes
a new one.
"""

from datetime import UTC, date, datetime

import msgspec

#: A start or end: a date for all-day events, an aware UTC time otherwise.
Moment = date | datetime
#: (calendar_id, event_uid): a uid is looked up with its calendar as a pair [§5.2].
Key = tuple[str, str]

UNRESTRICTED = "unrestricted"
SANDBOX = "sandbox"
#: Scopes that an ordinary authorization of a bulk editor carries [§1.2].
SCOPE = (
    "read_account list_calendars read_events create_event delete_event "
    "create_calendar change_participation_status"
)


class Person(msgspec.Struct, frozen=True, gc=False):
    """An organizer, or somebody to invite."""

    email: str
    display_name: str = ""


class Attendee(msgspec.Struct, frozen=True, gc=False):
    """Somebody invited, and what they answered."""

    email: str
    display_name: str = ""
    status: str = "needs_action"


class Location(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A place; lat and long are strings on the wire [§3.3]."""

    description: str = ""
    lat: str | None = None
    long: str | None = None


class Options(msgspec.Struct, frozen=True, gc=False):
    """What may be attempted on an event [§3.3]."""

    delete: bool = True
    update: bool = True
    change_participation_status: bool = True


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as the provider holds it: the fields of [§3.3], and the write-only ones."""

    calendar_id: str
    event_uid: str
    #: Present on managed events only: the application's own key.
    event_id: str | None = None
    summary: str
    description: str = ""
    start: Moment
    end: Moment
    start_tzid: str = "Etc/UTC"
    end_tzid: str = "Etc/UTC"
    deleted: bool = False
    created: datetime
    updated: datetime
    location: Location | None = None
    participation_status: str = "accepted"
    attendees: tuple[Attendee, ...] = ()
    organizer: Person | None = None
    transparency: str = "opaque"
    extended_transparency: str | None = None
    status: str = "confirmed"
    categories: tuple[str, ...] = ()
    recurring: bool = False
    series_identifier: str | None = None
    event_private: bool = False
    options: Options = Options()
    meeting_url: str | None = None
    url: str | None = None
    # Written, never read back.
    color: str | None = None
    reminders: tuple[int, ...] | None = None
    conferencing: dict[str, object] | None = None
    subscriptions: tuple[dict[str, object], ...] = ()

    @property
    def key(self) -> Key:
        """The pair that names this event."""
        return self.calendar_id, self.event_uid

    @property
    def is_all_day(self) -> bool:
        """True where start and end are dates."""
        return not isinstance(self.start, datetime)


class Profile(msgspec.Struct, kw_only=True):
    """One provider account behind a Cronofy account [§1.5]."""

    profile_id: str
    profile_name: str
    provider_name: str = "google"
    provider_service: str = "gsuite"
    connected: bool = True
    initial_sync_required: bool = False


class Calendar(msgspec.Struct, kw_only=True):
    """One calendar of a profile [§2]."""

    calendar_id: str
    calendar_name: str
    sub: str
    profile_id: str
    readonly: bool = False
    deleted: bool = False
    primary: bool = False
    permission_level: str = UNRESTRICTED


class Account(msgspec.Struct, kw_only=True):
    """One authorization: a person, their profiles and the tokens that were handed out."""

    sub: str
    email: str
    name: str
    tzid: str = "Etc/UTC"
    label: str = ""
    scope: str = SCOPE
    #: Enterprise Connect accounts are granted elevated permission at once [§1.7].
    enterprise: bool = False
    access_token: str = ""
    #: Seconds since the epoch at which `access_token` ends.
    access_expires_at: float = 0.0
    refresh_token: str = ""
    revoked: bool = False
    profiles: dict[str, Profile] = msgspec.field(default_factory=dict)
    calendar_ids: list[str] = msgspec.field(default_factory=list)


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription to change notifications [§9]."""

    channel_id: str
    sub: str
    callback_url: str
    calendar_ids: tuple[str, ...] | None = None
    only_managed: bool = False

    def shown(self) -> dict[str, object]:
        """The channel as answers and callbacks show it."""
        filters: dict[str, object] = {}
        if self.calendar_ids is not None:
            filters["calendar_ids"] = self.calendar_ids
        if self.only_managed:
            filters["only_managed"] = True
        return {
            "channel_id": self.channel_id,
            "callback_url": self.callback_url,
            "filters": filters,
        }


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A callback waiting for delivery."""

    channel: Channel
    kind: str
    changes_since: datetime | None = None


def utc(at: float) -> datetime:
    """Seconds since the epoch as a UTC time in whole seconds, as the wire shows them."""
    return datetime.fromtimestamp(int(at), UTC)
