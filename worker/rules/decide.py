"""What becomes of an edit once its event has been read: the rules of what must not be touched.

Pure: the chunk's run hands in what it fetched and stores what comes out (DESIGN §3.2). An edit
whose target is stored already goes through `reconcile` instead, so that it is never resolved twice
(law 3).
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TypeAlias, assert_never

from msgspec import Struct
from msgspec.structs import replace

from worker.model import (
    AllDay,
    Calendar,
    Code,
    Event,
    EventKey,
    Image,
    Patch,
    Policy,
    Reschedule,
    Shift,
    Timed,
    When,
)
from worker.rules.images import ENDS, changed, missing, same_text, same_when, with_fields
from worker.rules.schedule import EndBeforeStart, KindMismatch, parse_moment, rescheduled
from worker.rules.shift import NotForAllDay, moved
from worker.rules.transform import is_relative, transformed
from worker.rules.zones import Ambiguous, local_time

#: Characters; the API takes no longer title, and the title is sent with each edit (cronofy-api
#: §4.1).
MAX_SUMMARY = 1024
#: Characters; checked only where the description itself is to change (cronofy-api §4.1).
MAX_DESCRIPTION = 4096
#: how long before UTC's a day begins in the farthest east
EARLIEST_DAY = timedelta(hours=14)


class Earlier(Struct, gc=False, frozen=True, kw_only=True):
    """An edit that has been made: from `before` to `target`, by changing `fields`."""

    before: Image
    target: Image
    fields: tuple[str, ...]


class Wanted(Struct, gc=False, frozen=True, kw_only=True):
    """An edit as far as deciding needs it.

    `already_at` is where an equal, earlier shift has put this very event: if it still is there, the
    shift has been made (features §4, 3).
    """

    patch: Patch
    key: EventKey
    already_at: When | None = None
    #: what an undo takes back; None when that is not known any more
    earlier: Earlier | None = None


class Change(Struct, gc=False, frozen=True, kw_only=True):
    """The event shall become `target`; `fields` are those that change, in the order of `FIELDS`."""

    before: Image
    target: Image
    fields: tuple[str, ...]


class Unchanged(Struct, frozen=True, kw_only=True):
    """The event is as asked."""


class Skip(Struct, frozen=True, kw_only=True):
    """A rule forbids the edit; `detail` holds the instants in question, never event text."""

    code: Code
    detail: str = ""


class Conflict(Struct, frozen=True, kw_only=True):
    """The event is not what it should have been before the edit."""

    code: Code
    fields: tuple[str, ...] = ()


class Refuse(Struct, frozen=True, kw_only=True):
    """The edit makes no sense for this event."""

    code: Code


Decision: TypeAlias = Change | Unchanged | Skip | Conflict | Refuse


def decide(
    wanted: Wanted,
    event: Event | None,
    *,
    calendar: Calendar | None,
    policy: Policy,
    now: datetime,
) -> Decision:
    """Return what shall happen to an event; the first rule that applies wins.

    `now` is aware. An event or calendar other than the one wanted counts as not found. Raises
    ValueError for texts that intake would have refused.
    """
    barred = bar(wanted.key, event, calendar=calendar, policy=policy, now=now)
    if barred is not None or event is None:
        return barred or Skip(code=Code.NOT_FOUND)
    patch, when = wanted.patch, event.image.when
    if patch.undo:
        return _take_back(event.image, wanted.earlier)
    if patch.expect_start is not None and not _starts_at(when, patch.expect_start, tzid=patch.tzid):
        return Conflict(code=Code.EXPECTATION_FAILED, fields=("start",))
    if _is_repeated(wanted, when) and not policy.allow_repeat:
        return Skip(code=Code.ALREADY_IN_CAMPAIGN)
    return resolve(event.image, patch, policy=policy)


def bar(
    key: EventKey,
    event: Event | None,
    *,
    calendar: Calendar | None,
    policy: Policy,
    now: datetime,
) -> Skip | None:
    """Return why an event is not edited at this moment, whatever is asked of it; None if it may."""
    barred = _calendar_bar(calendar, key)
    if barred is not None:
        return barred
    if event is None or event.key != key:
        return Skip(code=Code.NOT_FOUND)
    return (
        event_bar(event)
        or _past_bar(event.image.when, policy, now=now)
        or _soon_bar(event.image.when, policy, now=now)
        or people_bar(event, policy)
    )


def event_bar(event: Event) -> Skip | None:
    """Return why an event must not be touched whatever the edit is (law 4); None if it may be."""
    if event.deleted:
        return Skip(code=Code.DELETED)
    if event.managed:
        return Skip(code=Code.MANAGED_EVENT)
    if event.recurring:
        return Skip(code=Code.RECURRING)
    if not event.can_update:
        return Skip(code=Code.EVENT_LOCKED)
    return None


def target_bar(target: Image, *, fields: tuple[str, ...]) -> Skip | None:
    """Return why a target cannot be sent whole, although the event may be touched."""
    if not target.summary.strip():
        return Skip(code=Code.SUMMARY_MISSING)
    if len(target.summary) > MAX_SUMMARY:
        return Skip(code=Code.WOULD_TRUNCATE)
    if "description" in fields and len(target.description) > MAX_DESCRIPTION:
        return Skip(code=Code.WOULD_TRUNCATE)
    return None


def _calendar_bar(calendar: Calendar | None, key: EventKey) -> Skip | None:
    if calendar is None or calendar.calendar_id != key.calendar_id:
        return Skip(code=Code.NOT_FOUND)
    if calendar.deleted or calendar.read_only:
        return Skip(code=Code.CALENDAR_READ_ONLY)
    if not calendar.elevated:
        return Skip(code=Code.PERMISSION_MISSING)
    return None


def _past_bar(when: When, policy: Policy, *, now: datetime) -> Skip | None:
    if policy.past_events or not _has_ended(when, now.astimezone(UTC)):
        return None
    return Skip(code=Code.PAST_EVENT)


def _soon_bar(when: When, policy: Policy, *, now: datetime) -> Skip | None:
    if not policy.not_within_s:
        return None
    # A whole day begins up to 14 hours before UTC's in the east.
    start = (
        when.start
        if isinstance(when, Timed)
        else datetime.combine(when.start, time(), UTC) - EARLIEST_DAY
    )
    soon = now + timedelta(seconds=policy.not_within_s)
    return Skip(code=Code.STARTS_TOO_SOON) if start < soon else None


def people_bar(event: Event, policy: Policy) -> Skip | None:
    """Return why the people who take part keep an event from being touched."""
    about = event.about
    people = {*about.attendees, about.organizer} - {""}
    domains = {each.rpartition("@")[2] for each in people}
    denied = {event.calendar_id, *people, *(f"@{each}" for each in domains)}
    if not denied.isdisjoint(policy.deny):
        return Skip(code=Code.DENY_LISTED)
    if "private_event" in policy.skip and about.private:
        return Skip(code=Code.PRIVATE_EVENT)
    if "external_attendees" in policy.skip and not domains <= {*policy.internal_domains}:
        return Skip(code=Code.EXTERNAL_ATTENDEES)
    return None


def _has_ended(when: When, now: datetime) -> bool:
    if isinstance(when, Timed):
        return when.end <= now
    # Days end up to 12 hours after UTC's in the west; one day more is surely past everywhere.
    return when.end <= now.date() - timedelta(days=1)


def _starts_at(when: When, text: str, *, tzid: str | None) -> bool:
    expected = parse_moment(text)
    if isinstance(when, AllDay):
        return not isinstance(expected, datetime) and when.start == expected
    if not isinstance(expected, datetime):
        return False
    if expected.tzinfo is not None:
        return when.start == expected
    return local_time(when.start, tzid or when.start_tzid) == expected


def _is_repeated(wanted: Wanted, when: When) -> bool:
    # Absolute edits cannot add up, and may have to restore what somebody changed since.
    patch = wanted.patch
    if wanted.already_at is None or not (isinstance(patch.move, Shift) or is_relative(patch.ops)):
        return False
    return same_when(when, wanted.already_at)


def resolve(before: Image, patch: Patch, *, policy: Policy) -> Change | Unchanged | Skip | Refuse:
    """Return what a patch makes of an image."""
    if patch.ops:
        target = transformed(before, patch.ops, policy=policy)
        if not isinstance(target, Image):
            return _barred(target)
        if _is_reversed(before.when, target.when):
            return Refuse(code=Code.END_BEFORE_START)
        return _changing(before, _writable(before, target))
    when = _new_when(before.when, patch, policy=policy)
    if isinstance(when, Skip | Refuse):
        return when
    return _changing(before, _patched(before, patch, when=when))


def _changing(before: Image, target: Image) -> Change | Unchanged | Skip:
    fields = changed(before, target)
    barred = target_bar(target, fields=fields)
    if barred is not None:
        return barred
    return Change(before=before, target=target, fields=fields) if fields else Unchanged()


def _take_back(now: Image, earlier: Earlier | None) -> Decision:
    """Give an event back what it had before an edit, if it still is what the edit made of it.

    Of fields that the edit did not change nothing is asked, and nothing is written.
    """
    if earlier is None:
        return Refuse(code=Code.NOTHING_TO_UNDO)
    fields = both_ends(earlier.fields)
    if not missing(earlier.before, now, fields=fields):
        return Unchanged()
    theirs = missing(earlier.target, now, fields=fields)
    if theirs:
        return Conflict(code=Code.CHANGED_ELSEWHERE, fields=theirs)
    return _changing(now, _writable(now, with_fields(now, earlier.before, fields=fields)))


def _writable(before: Image, target: Image) -> Image:
    """Keep a transparency that can only be read: asking for it asks for nothing."""
    if target.transparency != "unknown":
        return target
    return replace(target, transparency=before.transparency)


def both_ends(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return fields with the times as one: both are sent whenever one of them changes."""
    return (
        (*ENDS, *(name for name in fields if name not in ENDS)) if {*ENDS} & {*fields} else fields
    )


def _is_reversed(old: When, new: When) -> bool:
    """Tell whether a change turned the ends round, or took the whole length away."""
    length = new.end - new.start
    return length < timedelta() or (not length and old.end != old.start)


def _new_when(when: When, patch: Patch, *, policy: Policy) -> When | Skip | Refuse:
    move = patch.move
    place: When | Ambiguous | NotForAllDay | KindMismatch | EndBeforeStart
    match move:
        case None:
            return when
        case Shift():
            place = moved(when, move, tzid=patch.tzid, policy=policy)
        case Reschedule():
            place = rescheduled(when, move, tzid=patch.tzid, policy=policy)
        case _:
            assert_never(move)
    return place if isinstance(place, AllDay | Timed) else _barred(place)


def _barred(place: Ambiguous | NotForAllDay | KindMismatch | EndBeforeStart) -> Skip | Refuse:
    match place:
        case Ambiguous(why="range"):
            return Skip(code=Code.OUTSIDE_WINDOW)
        case Ambiguous():
            return Skip(code=Code.DST_AMBIGUOUS, detail=str(place))
        case NotForAllDay() | KindMismatch():
            return Skip(code=Code.ALL_DAY_SHIFT)
        case EndBeforeStart():
            return Refuse(code=Code.END_BEFORE_START)
    assert_never(place)


def _patched(before: Image, patch: Patch, *, when: When) -> Image:
    # "unknown" can be read but not written (cronofy-api §3.3): asking for it asks for nothing.
    transparency = None if patch.transparency == "unknown" else patch.transparency
    return Image(
        when=when,
        summary=_or_kept(patch.summary, before.summary),
        description=_or_kept(patch.description, before.description),
        location=_or_kept(patch.location, before.location),
        transparency=_or_kept(transparency, before.transparency),
        conference=before.conference,
    )


def _or_kept(asked: str | None, current: str) -> str:
    # Another spelling of the same value is no change, and must not ride along with one.
    return current if asked is None or same_text(asked, current) else asked
