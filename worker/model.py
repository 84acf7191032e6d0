"""The values that everything else speaks in: frozen, without behaviour beyond their own sense.

Nothing here does I/O or knows of SQL, HTTP or Celery. Values that are stored as JSON are msgspec
structs; a text field that is None means "leave as it is", an empty one means "clear".
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from msgspec import Struct


class Value(Struct, frozen=True, gc=False):
    """Without cycles: looking for some would stop everything for as long as the limit's margin."""


# ---------------------------------------------------------------- events


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
    which is never written but checked afterwards (features §4, 13).
    """

    when: When
    summary: str = ""
    description: str = ""
    location: str = ""
    transparency: str = "unknown"
    conference: bool = False


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


# ---------------------------------------------------------------- edits


class Shift(Value, frozen=True, kw_only=True, tag="shift", tag_field="kind", omit_defaults=True):
    """Move by `days` and `seconds`, both signed: by the wall clock, or by elapsed time if asked."""

    days: int = 0
    seconds: int = 0
    elapsed: bool = False

    @property
    def delta(self) -> timedelta:
        return timedelta(days=self.days, seconds=self.seconds)


class Reschedule(
    Value, frozen=True, kw_only=True, tag="reschedule", tag_field="kind", omit_defaults=True
):
    """Move to a given start, end or both, as ISO 8601 text, checked at intake.

    A date makes sense for an all-day event only; a time carries its offset, or is a wall clock time
    in the edit's `tzid`. With one of the two missing the event keeps its length (start given) or
    its start (end given).
    """

    start: str | None = None
    end: str | None = None


Move: TypeAlias = Shift | Reschedule


class Patch(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an edit asks. At least one of the fields is set. None leaves a field, "" clears it.

    `tzid` is the zone in which naive times are read and wall clocks are moved; None means the
    event's own. It does not change the zone the event is shown in.
    """

    move: Move | None = None
    summary: str | None = None
    description: str | None = None
    location: str | None = None
    transparency: str | None = None
    tzid: str | None = None
    #: the row's own guard: the start that the event must still have (ISO 8601)
    expect_start: str | None = None


class Policy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a campaign allows.

    Stored with it, so that a later change of settings does not change its meaning.
    """

    #: edit events that have already ended? Guests of old events are mailed too (features §2, 19)
    past_events: bool = False
    #: a wall clock time that does not exist, or exists twice: refuse | earlier | later
    dst_gap: str = "refuse"
    dst_fold: str = "refuse"
    #: all | none
    verify: str = "all"
    #: shift an event again that an equal edit has shifted and nobody has moved since?
    allow_repeat: bool = False
    max_attempts: int = 5


# ---------------------------------------------------------------- states


class EditState(StrEnum):
    """The states of an edit; those after ACCEPTED are final."""

    PENDING = "pending"
    SENDING = "sending"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"
    NOT_ATTEMPTED = "not_attempted"


class CampaignState(StrEnum):
    """The states of a campaign; why it waits is a reason, never a state (DESIGN §6)."""

    DRAFT = "draft"
    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class ChunkState(StrEnum):
    """The states of a chunk.

    PENDING waits for a worker, RUNNING is leased, VERIFYING waits to be read back, DONE has only
    final edits.
    """

    PENDING = "pending"
    RUNNING = "running"
    VERIFYING = "verifying"
    DONE = "done"


class AccountStatus(StrEnum):
    """PARKED comes back by a check or by itself, LOST needs a new authorization."""

    ACTIVE = "active"
    PARKED = "parked"
    LOST = "lost"


_E = EditState

_NOWHERE: frozenset[EditState] = frozenset()

#: Every arrow an edit may take, with when it does. Whatever is not here is refused by the store;
#: states that are not named have no arrows.
TRANSITIONS: dict[EditState, frozenset[EditState]] = dict.fromkeys(EditState, _NOWHERE) | {
    EditState.PENDING: frozenset(
        {
            _E.SENDING,  # the intent is stored; the write may leave from now on
            _E.VERIFIED,  # a rejected write was taken after all: a later read shows the target
            _E.UNCHANGED,  # the event already is what was asked
            _E.SKIPPED,  # a rule or the API says it must not be touched
            _E.CONFLICT,  # it is neither what it was nor what it shall be
            _E.FAILED,  # refused, or attempts used up
            _E.NOT_ATTEMPTED,  # the campaign ended before its turn
        }
    ),
    EditState.SENDING: frozenset(
        {
            _E.ACCEPTED,  # 202: a promise, not a proof
            _E.PENDING,  # known not to be taken: 429, 401, 503 with the before-image still there
            _E.VERIFIED,  # in doubt, then read: the target is there
            _E.SKIPPED,  # the answer says gone, locked or not permitted
            _E.CONFLICT,  # in doubt, then read: something else is there
            _E.FAILED,  # refused, or attempts used up
            _E.UNVERIFIED,  # in doubt to the end, and no read could settle it
        }
    ),
    EditState.ACCEPTED: frozenset(
        {
            _E.VERIFIED,  # read back: the target is there
            _E.MISMATCH,  # read back: it is not, and the time for it has passed
            _E.UNVERIFIED,  # nothing could be read back in time, or the campaign asked for no proof
        }
    ),
}

#: States with nothing left to do; each input line ends in exactly one of them (law 2).
FINAL = frozenset(state for state, arrows in TRANSITIONS.items() if not arrows)

_C = CampaignState
_CANCEL = frozenset({_C.CANCELLING, _C.FAILED})

CAMPAIGN_TRANSITIONS: dict[CampaignState, frozenset[CampaignState]] = {
    _C.DRAFT: frozenset({_C.PLANNING, _C.RUNNING}) | _CANCEL,
    _C.PLANNING: frozenset({_C.AWAITING_APPROVAL}) | _CANCEL,
    _C.AWAITING_APPROVAL: frozenset({_C.SCHEDULED, _C.RUNNING, _C.EXPIRED}) | _CANCEL,
    _C.SCHEDULED: frozenset({_C.RUNNING, _C.PAUSED}) | _CANCEL,
    _C.RUNNING: frozenset({_C.PAUSED, _C.VERIFYING, _C.COMPLETED, _C.COMPLETED_WITH_ERRORS})
    | _CANCEL,
    _C.PAUSED: frozenset({_C.RUNNING, _C.SCHEDULED}) | _CANCEL,
    # back to RUNNING: a rescued chunk still had edits in doubt, which must be settled first
    _C.VERIFYING: frozenset({_C.RUNNING, _C.COMPLETED, _C.COMPLETED_WITH_ERRORS}) | _CANCEL,
    # FAILED: it was calpatch itself that stopped, for one of ABORT_REASONS
    _C.CANCELLING: frozenset({_C.CANCELLED, _C.FAILED}),
    _C.COMPLETED: frozenset(),
    _C.COMPLETED_WITH_ERRORS: frozenset(),
    _C.CANCELLED: frozenset(),
    _C.FAILED: frozenset(),
    _C.EXPIRED: frozenset(),
}

#: Why calpatch itself stops a campaign; the edits that had no turn end as not_attempted.
ABORT_REASONS = frozenset({"plan_feature_missing"})

ENDED = frozenset(state for state, arrows in CAMPAIGN_TRANSITIONS.items() if not arrows)


class Code(StrEnum):
    """Why an edit ended as it did; `CODE_HELP` has a sentence for each."""

    # verified
    VERIFIED = "verified"
    # unchanged
    ALREADY_AS_ASKED = "already_as_asked"
    # skipped: by rule
    RECURRING = "recurring"
    EVENT_LOCKED = "event_locked"
    MANAGED_EVENT = "managed_event"
    NOT_FOUND = "not_found"
    DELETED = "deleted"
    CALENDAR_READ_ONLY = "calendar_read_only"
    PERMISSION_MISSING = "permission_missing"
    ACCOUNT_LOCKED = "account_locked"
    ALL_DAY_SHIFT = "all_day_shift"
    WOULD_TRUNCATE = "would_truncate"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    ALREADY_IN_CAMPAIGN = "already_in_campaign"
    DST_AMBIGUOUS = "dst_ambiguous"
    PAST_EVENT = "past_event"
    OUTSIDE_WINDOW = "outside_window"
    SUMMARY_MISSING = "summary_missing"
    # conflict
    CHANGED_ELSEWHERE = "changed_elsewhere"
    EXPECTATION_FAILED = "expectation_failed"
    # failed
    END_BEFORE_START = "end_before_start"
    REJECTED = "rejected"
    UPSTREAM = "upstream"
    ACCOUNT_LOST = "account_lost"
    UNAUTHORIZED = "unauthorized"
    POISON = "poison"
    IMAGE_UNREADABLE = "image_unreadable"
    # mismatch
    NO_EFFECT = "no_effect"
    DIFFERS = "differs"
    SIDE_EFFECT = "side_effect"
    CONFERENCE_LOST = "side_effect_conference_lost"
    # unverified
    NOT_READ_BACK = "not_read_back"
    GONE_SINCE = "gone_since"
    OUT_OF_SIGHT = "out_of_sight"
    NO_PROOF_ASKED = "no_proof_asked"
    # not attempted
    CAMPAIGN_FAILED = "campaign_failed"
    CAMPAIGN_CANCELLED = "campaign_cancelled"


CODE_HELP: dict[Code, str] = {
    Code.VERIFIED: "The edit was accepted, and a later read showed it.",
    Code.ALREADY_AS_ASKED: "The event already was what the edit asks; nothing was sent.",
    Code.RECURRING: "The event is part of a series; Cronofy does not edit those.",
    Code.EVENT_LOCKED: (
        "The event's options do not allow updates (often: somebody else organizes it)."
    ),
    Code.MANAGED_EVENT: "The application made this event itself; edit it by its event_id instead.",
    Code.NOT_FOUND: "No such event was found in this calendar within the readable window.",
    Code.DELETED: "The event has been deleted; it cannot be brought back.",
    Code.CALENDAR_READ_ONLY: "The calendar is read-only or has been deleted.",
    Code.PERMISSION_MISSING: (
        "The calendar has not been granted unrestricted access; ask its owner to grant it."
    ),
    Code.ACCOUNT_LOCKED: (
        "Cronofy has no live credentials for this account; its owner must reconnect it."
    ),
    Code.ALL_DAY_SHIFT: (
        "An all-day event moves by whole days (P1D) or to dates, and a timed one to times."
    ),
    Code.WOULD_TRUNCATE: (
        "The event's title, or its new description, is longer than the API takes: it would be cut."
    ),
    Code.DUPLICATE_IN_FILE: "An earlier line of the same file asks the same for the same event.",
    Code.ALREADY_IN_CAMPAIGN: (
        "Another campaign is editing this event, or has already made this very shift."
    ),
    Code.DST_AMBIGUOUS: "The new local time does not exist, exists twice, or has an unknown zone.",
    Code.PAST_EVENT: "The event has already ended; --past-events edits it all the same.",
    Code.OUTSIDE_WINDOW: "The date lies outside of what Cronofy shows (42 days back, 201 ahead).",
    Code.SUMMARY_MISSING: (
        "The event has no title, and the API takes no edit without one; give a summary."
    ),
    Code.CHANGED_ELSEWHERE: "Somebody changed the event in the meantime; it was left as it is.",
    Code.EXPECTATION_FAILED: (
        "The event does not start when expect_start says; it was left as it is."
    ),
    Code.END_BEFORE_START: "The event would end before it starts.",
    Code.REJECTED: "The API refused the edit as invalid; error_key tells the field.",
    Code.UPSTREAM: "The API kept failing; all attempts are used up.",
    Code.ACCOUNT_LOST: "The account's authorization was revoked; it must be authorized again.",
    Code.UNAUTHORIZED: "The account's token was refused even after a refresh.",
    Code.POISON: "Workers died on this edit again and again.",
    Code.IMAGE_UNREADABLE: (
        "What was stored of the event was damaged or changed by hand; nothing more was sent."
    ),
    Code.NO_EFFECT: "The API accepted the edit, but the event has not changed.",
    Code.DIFFERS: "The event changed, but not into what was asked.",
    Code.SIDE_EFFECT: "The edit took, but a field that was not touched has been lost.",
    Code.CONFERENCE_LOST: "The edit took, but the event has lost its conference link.",
    Code.NOT_READ_BACK: "The edit was sent, but could not be read back in time.",
    Code.GONE_SINCE: "The edit was accepted, but the event has been deleted since.",
    Code.OUT_OF_SIGHT: "The edit was accepted, and moved the event to where Cronofy shows nothing.",
    Code.NO_PROOF_ASKED: "The edit was accepted; the campaign asked for no verification.",
    Code.CAMPAIGN_FAILED: "The campaign was stopped before this line's turn.",
    Code.CAMPAIGN_CANCELLED: "The campaign was cancelled before this line's turn.",
}
