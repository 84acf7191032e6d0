"""What the limit lets a campaign do, and the calls that its open work takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from worker.limits import parse_rate
from worker.model import Run
from worker.rules import Calls, Load, calls_needed
from worker.settings import Settings
from worker.store import OpenWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What the limit lets calpatch do: calls a minute, and what a batch of edits costs."""

    granted_per_min: float | None
    batch_size: int
    batch_counts_as: str

    @classmethod
    def of(cls, settings: Settings) -> Pace:
        """Return the pace that the settings allow; None a minute when nothing is limited."""
        windows = parse_rate(settings.rate).windows
        granted = [settings.share * 60 * each.requests / each.seconds for each in windows]
        return cls(
            granted_per_min=min(granted, default=None),
            batch_size=settings.batch_size,
            batch_counts_as=settings.batch_counts_as,
        )

    def within(self, run: Run) -> Pace:
        """Return the pace of a campaign that asks for less than its turn."""
        asked = [self.granted_per_min] if self.granted_per_min is not None else []
        if run.share is not None:
            asked = [run.share * each for each in asked]
        if run.max_rps is not None:
            asked.append(60 * run.max_rps)
        return replace(
            self,
            granted_per_min=min(asked, default=None),
            batch_size=min(self.batch_size, run.batch_size or self.batch_size),
        )

    def calls(
        self,
        loads: Iterable[tuple[Load, int]],
        *,
        verify: bool = True,
        lists_calendars: bool = True,
    ) -> Calls:
        """Return the calls for so many accounts of each load, as the limit counts them."""
        return calls_needed(
            loads,
            batch_size=self.batch_size,
            batch_counts_as="one" if self.batch_counts_as == "one" else "each",
            lists_calendars=lists_calendars,
            verifies=verify,
        )

    def reads_left(self, work: Sequence[OpenWork]) -> int:
        """Return the calls that a plan still has to make: it only reads."""
        waiting = [(Load(each.edits, each.edits, each.windows), each.accounts) for each in work]
        found = self.calls(waiting)
        return found.calendars + found.reads

    def proofs_left(self, work: Sequence[OpenWork]) -> int:
        """Return the calls of a campaign that sends nothing more, and reads back what it sent."""
        proving = [(Load(each.proving, 0, 0), each.accounts) for each in work]
        return self.calls(proving, lists_calendars=False).proofs

    def calls_left(self, work: Sequence[OpenWork], *, unsent: int, verify: bool = True) -> int:
        """Return the calls still to make for open work, of which so many edits are not sent yet.

        What runs has read already, and shares the edits that do not wait.
        """
        waiting = [(Load(each.edits, each.edits, each.windows), each.accounts) for each in work]
        running = sum(each.running * each.accounts for each in work)
        under_way = max(0, unsent - sum(each.edits * each.accounts for each in work))
        sending = [(Load(-(-under_way // running), 0, 0), running)] if running else []
        return (
            self.calls(waiting, verify=verify).total
            + self.calls(sending, verify=verify, lists_calendars=False).total
            + (self.proofs_left(work) if verify else 0)
        )
