"""Holding a campaign for its failures, as soon as a worker sees too many (features §3.3).

Each process watches what it writes down. In a row means: in one process, since its start. What is
on its way when a campaign is held is seen home, and may fail as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from worker.clock import Clock
from worker.errors import Held
from worker.model import CampaignState, EditState, Run
from worker.rules import Streak, tripped, tripped_in_a_row
from worker.store import Campaign, Step, Store

log = structlog.get_logger(__name__)

#: seconds between two looks at a campaign's counts
LOOK_EVERY_S = 1.0
#: campaigns that are remembered
MOST_KEPT = 1_000

_BAD = frozenset({EditState.FAILED, EditState.MISMATCH})


class _Seen:
    """What this process has seen of a campaign."""

    __slots__ = ("before", "has_failed", "looked_s", "streak")

    def __init__(self) -> None:
        self.streak = Streak()
        #: since the last look at the counts
        self.has_failed = False
        self.looked_s = float("-inf")
        #: what its plan has ended already; None until that was asked
        self.before: Mapping[tuple[EditState, str], int] | None = None


class Guard:
    """Watches all campaigns of a process."""

    def __init__(
        self, store: Store, *, clock: Clock, in_thread: Callable[..., Awaitable[Any]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._in_thread = in_thread
        self._seen: dict[str, _Seen] = {}

    async def saw(
        self, campaign: Campaign, run: Run, state: CampaignState, steps: Sequence[Step]
    ) -> bool:
        """Note what was written down; True when the campaign is held for it now."""
        if state is not CampaignState.RUNNING:
            return False
        why = self._in_a_row(campaign, run, steps) or await self._by_counts(campaign, run)
        if not why:
            return False
        self._seen.pop(campaign.id, None)
        try:
            await self._in_thread(
                self._store.steering.pause,
                campaign.id, actor="calpatch", reason=why, code="threshold",
            )  # fmt: skip
        except Held:
            return False  # it has ended, or is being cancelled
        log.warning("campaign.held", campaign=campaign.id, why=why)
        return True

    def _in_a_row(self, campaign: Campaign, run: Run, steps: Sequence[Step]) -> str:
        seen = self._seen.get(campaign.id)
        if seen is None:
            if len(self._seen) >= MOST_KEPT:
                self._seen.clear()
            seen = self._seen[campaign.id] = _Seen()
        for step in steps:
            seen.streak = seen.streak.then(step.state, step.code)
            seen.has_failed |= step.state in _BAD
        return tripped_in_a_row(run.max_failures, seen.streak)

    async def _by_counts(self, campaign: Campaign, run: Run) -> str:
        seen, now_s = self._seen[campaign.id], self._clock.monotonic()
        if not seen.has_failed or now_s - seen.looked_s < LOOK_EVERY_S:
            return ""
        seen.has_failed, seen.looked_s = False, now_s
        if seen.before is None:
            seen.before = await self._in_thread(self._store.reading.ended_by_plan, campaign)
        counts = await self._in_thread(self._store.reading.counts, campaign.id)
        # What the plan has ended was no attempt: nothing had been written.
        since = {key: count - seen.before.get(key, 0) for key, count in counts.items()}
        return tripped(run.max_failures, since)
