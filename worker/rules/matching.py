"""Which events a campaign selects: what they are like, and nothing of what may be done to them.

What must not be touched is for `decide` to say, so that the plan can count and name it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from worker.model import UNTOLD, About, AllDay, Between, Event, Match, When
from worker.rules.patterns import fits


def matches(event: Event, match: Match, *, own: Collection[str]) -> bool:
    """Tell whether an event is one of those meant; `own` are the account's addresses, lower case.

    What an event does not tell (who organizes it, when it was made) fits no rule that asks for it.
    Raises ValueError for a regex that intake would have refused.
    """
    about, image = event.about, event.image
    return (
        _organizer_fits(about, match, own=own)
        and _attendees_fit(about, match)
        and (match.summary is None or fits(image.summary, match.summary))
        and (match.location is None or fits(image.location, match.location))
        and match.private in {None, about.private}
        and match.all_day in {None, isinstance(image.when, AllDay)}
        and _is_before(about.created, match.created_before)
        and _is_before(about.updated, match.updated_before)
        and _length_fits(image.when, match)
    )


def starts_within(when: When, between: Between) -> bool:
    """Tell whether an event starts on one of the days; an all-day event on its own first day."""
    if isinstance(when, AllDay):
        return between.first <= when.start < between.after
    try:
        return between.first <= when.start.astimezone(ZoneInfo(between.tzid)).date() < between.after
    except OverflowError:
        return False  # in the year 1 or 9999, whose ends have no day in every zone


def utc_days(between: Between) -> tuple[date, date]:
    """Return the first and last day in UTC that an event can start on to start on these days."""
    zone = ZoneInfo(between.tzid)
    first = datetime.combine(between.first, time(), zone).astimezone(UTC).date()
    last = datetime.combine(between.after, time(), zone).astimezone(UTC).date()
    return min(first, between.first), max(last, between.after)


def _organizer_fits(about: About, match: Match, *, own: Collection[str]) -> bool:
    is_own = _is_own(about, own)
    if match.organizer is not None and is_own is not (match.organizer == "self"):
        return False
    organizers = own if is_own and not about.organizer else [about.organizer]
    domains = match.organizer_domains
    return not domains or any(_domain(each) in domains for each in organizers)


def _is_own(about: About, own: Collection[str]) -> bool | None:
    """Tell whether an event is the account's own; None where that cannot be told."""
    if not about.organizer:
        # Nobody is named and nobody else is invited: an appointment with oneself.
        return True if {*about.attendees} <= {*own} else None
    return None if about.organizer == UNTOLD or not own else about.organizer in own


def _attendees_fit(about: About, match: Match) -> bool:
    count, domains = len(about.attendees), {_domain(each) for each in about.attendees}
    if match.least_attendees is not None and count < match.least_attendees:
        return False
    if match.most_attendees is not None and count > match.most_attendees:
        return False
    if match.attendees_only_domains and not domains <= {*match.attendees_only_domains}:
        return False
    if match.attendees_any_domain and domains.isdisjoint(match.attendees_any_domain):
        return False
    return not match.attendees_any or not {*about.attendees}.isdisjoint(match.attendees_any)


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _is_before(moment: datetime | None, limit: datetime | None) -> bool:
    return limit is None or (moment is not None and moment < limit)


def _length_fits(when: When, match: Match) -> bool:
    length = (when.end - when.start).total_seconds()
    shortest, longest = match.shortest_s, match.longest_s
    return (shortest is None or length >= shortest) and (longest is None or length <= longest)
