"""Which events a campaign selects: what they are like, and nothing of what may be done to them.

What must not be touched is for `decide` to say, so that the plan can count and name it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import re2

from worker.model import About, AllDay, Between, Event, Match, TextRule, When
from worker.rules.transform import compiled

#: Rules kept ready; a campaign has a few.
_RULES: Final = 64
_DAY_S: Final = 86_400


def matches(event: Event, match: Match, *, own: Collection[str]) -> bool:
    """Tell whether an event is one of those meant; `own` are the account's addresses, lower case.

    What an event does not tell (who organizes it, when it was made) fits no rule that asks for it.
    """
    about, image = event.about, event.image
    return (
        _organizer_fits(about, match, own=own)
        and _attendees_fit(about, match)
        and _text_fits(image.summary, match.summary)
        and _text_fits(image.location, match.location)
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
    zone = ZoneInfo(between.tzid)
    return between.first <= when.start.astimezone(zone).date() < between.after


def utc_days(between: Between) -> tuple[date, date]:
    """Return the first and last day in UTC that an event of these days can start or end on."""
    zone = ZoneInfo(between.tzid)
    first = datetime.combine(between.first, time(), zone).astimezone(UTC).date()
    last = datetime.combine(between.after, time(), zone).astimezone(UTC).date()
    return min(first, between.first), max(last, between.after)


def _organizer_fits(about: About, match: Match, *, own: Collection[str]) -> bool:
    if match.organizer is None and not match.organizer_domains:
        return True
    # Nobody is named and nobody is invited: an appointment with oneself.
    is_alone = not about.organizer and not about.attendees
    is_own = is_alone or about.organizer in own
    if match.organizer is not None and not (is_own or about.organizer):
        return False
    if match.organizer is not None and is_own != (match.organizer == "self"):
        return False
    return not match.organizer_domains or _domain(about.organizer) in match.organizer_domains


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


def _text_fits(text: str, rule: TextRule | None) -> bool:
    return rule is None or _pattern(rule).search(text) is not None


@lru_cache(maxsize=_RULES)
def _pattern(rule: TextRule) -> Any:
    """Return a rule as a pattern. Raises ValueError for a regex that is none."""
    match rule.how:
        case "literal":
            source = re2.escape(rule.text)
        case "glob":
            source = _of_glob(rule.text)
        case "regex":
            source = rule.text
    return compiled(source, ignore_case=rule.ignore_case)


def _of_glob(text: str) -> str:
    """Return a glob (* any text, ? one character) as a pattern of the whole text."""
    parts = [".*" if each == "*" else "." if each == "?" else re2.escape(each) for each in text]
    return rf"(?s)\A{''.join(parts)}\z"
