"""What an edit asks, and what its campaign allows."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from msgspec import Struct

from worker.model.value import Value


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


class Elsewhere(Value, frozen=True, kw_only=True, tag="elsewhere", tag_field="kind"):
    """Says that what is asked stands elsewhere in the patch, in `ops` or `undo`.

    A calpatch before 0.3 would find nothing asked there, and take the event for done. This word it
    does not understand, so that it leaves the whole chunk to a newer one.
    """


Move: TypeAlias = Shift | Reschedule | Elsewhere


class ToTime(Value, frozen=True, kw_only=True, tag="to_time", tag_field="kind", omit_defaults=True):
    """Move within the event's own ISO week to a weekday (0 is Monday), to a time of day, or both.

    `time` is HH:MM or HH:MM:SS on the wall clock of `tzid`, or else of the event's own zone.
    """

    weekday: int | None = None
    time: str | None = None
    tzid: str | None = None


class Lasting(
    Value, frozen=True, kw_only=True, tag="duration", tag_field="kind", omit_defaults=True
):
    """Keep the start and last so long: days for an all-day event, elapsed time for a timed one."""

    days: int = 0
    seconds: int = 0

    @property
    def delta(self) -> timedelta:
        return timedelta(days=self.days, seconds=self.seconds)


class InZone(Value, frozen=True, kw_only=True, tag="zone", tag_field="kind", omit_defaults=True):
    """Show the event in this zone: at the same instant, or at the same time on the wall clock."""

    tzid: str
    keep: Literal["instant", "wall_clock"] = "instant"


class SetText(Value, frozen=True, kw_only=True, tag="set", tag_field="kind"):
    """Give a field (summary, description, location, transparency) a value; "" clears it."""

    field: str
    value: str


class Replace(
    Value, frozen=True, kw_only=True, tag="replace", tag_field="kind", omit_defaults=True
):
    """Replace each occurrence in a text field.

    A literal is plain text; a regex is of RE2's kind, and `with_text` may name its groups (\\1).
    """

    field: str
    pattern: str
    with_text: str
    how: Literal["literal", "regex"] = "literal"
    ignore_case: bool = False


class AddText(Value, frozen=True, kw_only=True, tag="add", tag_field="kind", omit_defaults=True):
    """Put a text at the end of a field, or before it; not a second time where it already stands."""

    field: str
    text: str
    before: bool = False


Op: TypeAlias = Shift | ToTime | Lasting | InZone | SetText | Replace | AddText


class Patch(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an edit asks: at least one thing. None leaves a field, "" clears it.

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
    #: a campaign's transforms, one after the other; then none of the fields above is set
    ops: tuple[Op, ...] = ()
    #: the edit of the event that is taken back, as CAMPAIGN:LINE
    undo: str = ""
    #: the edit that is tried again, named alike: where its target is known, that is the target
    again: str = ""


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
    #: somebody has changed what we are about to change, since it was planned:
    #: skip it | rebase where the change still means the same | force our value upon theirs
    on_conflict: str = "skip"
    #: codes of `PEOPLE_GUARDS` that are skipped
    skip: tuple[str, ...] = ()
    #: whoever is of another domain is external
    internal_domains: tuple[str, ...] = ()
    #: calendars, addresses and domains (@acme.com) whose events are never touched
    deny: tuple[str, ...] = ()
    #: seconds; events that start sooner are left alone
    not_within_s: int = 0
