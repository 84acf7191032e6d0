"""How a campaign is carried out: nothing here changes what any edit does, and most can be tuned."""

from __future__ import annotations

from datetime import datetime

from worker.model.value import Value


class Threshold(Value, frozen=True, kw_only=True, omit_defaults=True):
    """When a campaign is held for its failures (features §3.3).

    `percent` of the edits that were attempted, strictly more, once there are `min_attempted`; so
    many with one code in a row; so many in all. None turns one off.
    """

    percent: float | None = 5.0
    min_attempted: int = 50
    same_code_in_a_row: int | None = 10
    count: int | None = None


class Window(Value, frozen=True, kw_only=True):
    """Hours of each day in which edits are sent, by the wall clock of a zone.

    Minutes since midnight; `until` may be on the next day (smaller than `since`).
    """

    since: int
    until: int
    tzid: str


class Run(Value, frozen=True, kw_only=True, omit_defaults=True):
    """A campaign's schedule, limits and gates."""

    #: not before, and not after
    at: datetime | None = None
    deadline: datetime | None = None
    windows: tuple[Window, ...] = ()
    #: hours in which nobody is to be mailed: the reverse of windows
    quiet: tuple[Window, ...] = ()
    #: part of what calpatch may use in all, above 0 to 1
    share: float | None = None
    #: calls a second at most
    max_rps: float | None = None
    batch_size: int | None = None
    #: so many edits go first, and must all be proven before the others follow
    canary: int = 0
    max_failures: Threshold = Threshold()
    #: the most edits that may change something, and people who may get mail
    max_changes: int | None = None
    max_people: int | None = None
    #: how `max_changes` came about, or why a median did not give it, in words
    cap_basis: str = ""
    #: a plan with more changes than this needs a second person
    second_person_above: int | None = None
    #: seconds for which a plan may be approved
    plan_holds_s: int = 86_400
    #: begins by itself once it is planned, if no cap is exceeded
    is_automatic: bool = False

    @property
    def has_hours(self) -> bool:
        """Tell whether the clock must open it: there are times at which it does not send."""
        return bool(self.at or self.windows or self.quiet)
