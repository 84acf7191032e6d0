"""What must not be touched: by the API's own rules, and by what a campaign spares (law 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from worker.model import Calendar, Code, Event, EventKey, Image, Policy, Timed, When
from worker.rules.decisions import Skip

#: Characters; the API takes no longer title, and the title is sent with each edit (cronofy-api
#: §4.1).
MAX_SUMMARY = 1024
#: Characters; checked only where the description itself is to change (cronofy-api §4.1).
MAX_DESCRIPTION = 4096
#: how long before UTC's a day begins in the farthest east
EARLIEST_DAY = timedelta(hours=14)


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
        or _time_bar(event.image.when, policy, now=now.astimezone(UTC))
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


def _time_bar(when: When, policy: Policy, *, now: datetime) -> Skip | None:
    if _has_ended(when, now):
        return None if policy.past_events else Skip(code=Code.PAST_EVENT)
    if policy.not_within_s and _has_begun(when, now + timedelta(seconds=policy.not_within_s)):
        return Skip(code=Code.STARTS_TOO_SOON)
    return None


def asks_for_people(policy: Policy) -> bool:
    """Tell whether `people_bar` looks at people: then each read must ask for them."""
    return bool(policy.skip or policy.deny)


def people_bar(event: Event, policy: Policy) -> Skip | None:
    """Return why the people who take part keep an event from being touched; None if they do not.

    Somebody whose address is not told is external.
    """
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


def _has_begun(when: When, now: datetime) -> bool:
    if isinstance(when, Timed):
        return when.start < now
    return when.start <= (now + EARLIEST_DAY).date()
