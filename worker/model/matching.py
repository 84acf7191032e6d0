"""What a campaign selects: which events of which calendars, in which accounts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from worker.model.value import Value


class TextRule(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A text that a field must be like: contain it, fit a glob as a whole, or match a regex."""

    text: str
    how: Literal["literal", "glob", "regex"] = "literal"
    ignore_case: bool = False


class Match(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What an event must be like to be selected; what is None or empty asks nothing.

    Domains are in lower case and without the @. Durations are in seconds.
    """

    organizer: Literal["self", "other"] | None = None
    organizer_domains: tuple[str, ...] = ()
    summary: TextRule | None = None
    location: TextRule | None = None
    #: somebody of one of these domains is invited
    attendees_any_domain: tuple[str, ...] = ()
    #: nobody of another domain is
    attendees_only_domains: tuple[str, ...] = ()
    #: somebody with one of these addresses is
    attendees_any: tuple[str, ...] = ()
    least_attendees: int | None = None
    most_attendees: int | None = None
    private: bool | None = None
    all_day: bool | None = None
    created_before: datetime | None = None
    updated_before: datetime | None = None
    shortest_s: int | None = None
    longest_s: int | None = None


class Between(Value, frozen=True, kw_only=True):
    """Days on which an event starts: from `first`, and before `after`, in a zone."""

    first: date
    after: date
    tzid: str = "Etc/UTC"


class Select(Value, frozen=True, kw_only=True, omit_defaults=True):
    """What of which accounts: empty `subs` and `groups` mean every account.

    `primary` None takes all calendars, True the primary ones alone. `calendars` names the only ones
    to take, `exclude` those to leave out.
    """

    between: Between
    subs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    primary: bool | None = None
    calendars: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    match: Match = Match()
