"""Counting a plan's edits in one pass, in a bounded amount of memory."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from worker.model import Policy
from worker.report.cautions import cautions_of
from worker.report.lines import NOBODY, day_of, status_of_line, takes_effect
from worker.store import Outcome

#: names that are counted one by one; the others are counted together
MOST_NAMED: Final = 10_000
OTHERS: Final = "others"


class Tally:
    """Counts by name; beyond `most` names, all that are new count as others."""

    def __init__(self, *, most: int = MOST_NAMED) -> None:
        self._most = most
        self._counts: Counter[str] = Counter()
        self.others = 0

    def add(self, name: str) -> None:
        """Count one."""
        if name in self._counts or len(self._counts) < self._most:
            self._counts[name] += 1
        else:
            self.others += 1

    @property
    def total(self) -> int:
        return self._counts.total() + self.others

    def by_name(self) -> list[tuple[str, int]]:
        """Return the counts in the order of names, others last."""
        return self._with_others(sorted(self._counts.items()))

    def by_count(self, *, most: int | None = None) -> list[tuple[str, int]]:
        """Return the `most` largest counts, largest first, and all others together."""
        ranked = sorted(self._counts.items(), key=lambda each: (-each[1], each[0]))
        kept = ranked[:most]
        return self._with_others(kept, rest=sum(count for _, count in ranked[len(kept) :]))

    def _with_others(self, named: list[tuple[str, int]], *, rest: int = 0) -> list[tuple[str, int]]:
        rest += self.others
        return [*named, (OTHERS, rest)] if rest else named


class Totals:
    """What a plan's edits come to; people and warnings are those of edits that take effect."""

    def __init__(self, *, policy: Policy, at: datetime) -> None:
        self._policy = policy
        self._at = at
        self.by_status: Counter[str] = Counter()
        self.by_code: Counter[str] = Counter()
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.warnings: Counter[str] = Counter()
        self.days, self.organizers = Tally(), Tally()
        self.people = self.externals = 0
        #: edits whose events were read, and of which nothing is there any more to be shown
        self.untold = 0

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.by_status[status_of_line(outcome)] += 1
        self.reasons[status_of_line(outcome), outcome.code] += 1
        if outcome.code:
            self.by_code[outcome.code] += 1
        if outcome.fields and outcome.target is None and outcome.seen is None:
            self.untold += 1
        if not takes_effect(outcome) or outcome.before is None:
            return
        self.people += outcome.people or 0
        self.externals += outcome.externals or 0
        self.days.add(day_of(outcome.before))
        self.organizers.add(outcome.before.organizer or NOBODY)
        self.warnings.update(cautions_of(outcome, policy=self._policy, at=self._at))
