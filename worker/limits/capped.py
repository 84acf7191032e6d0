"""A limit of its own for a campaign that asks for less than its turn, below the one for everybody.

All calls of a campaign count: reads, writes, and what proves them; not the reads by which a file
selects, since there is no campaign yet. A call waits for its campaign's slot first and then for the
shared one, so that nobody else waits for a campaign that goes slowly. The shared limit alone is a
law (law 7); this one is a wish, and a flushed Redis forgets what it had granted.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from worker.limits.base import Limiter, LimiterState
from worker.limits.rate import Rate, Window, granted_share
from worker.rules import PLAIN_TURN, Turn

#: makes the limiter of a name
Maker: TypeAlias = Callable[[str, Rate], Limiter]

#: campaigns whose limits a process keeps at hand
MOST_KEPT = 64
#: seconds over which a rate a second is an average: half a call a second is one in two
AVERAGED_S = 10.0


class _Cap(NamedTuple):
    rate: Rate
    limiter: Limiter


class CappedLimiter:
    """The shared limiter, and in front of it those of campaigns that have one; see Limiter."""

    def __init__(self, limiter: Limiter, make: Maker) -> None:
        self._shared = limiter
        self._make = make
        self._caps: OrderedDict[str, _Cap] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def rate(self) -> Rate:
        return self._shared.rate

    @property
    def share(self) -> float:
        return self._shared.share

    @property
    def max_weight(self) -> int:
        return self._shared.max_weight

    @property
    def weight_now(self) -> int:
        return self._shared.weight_now

    def cap(self, campaign: str, *, share: float | None, max_rps: float | None) -> int:
        """Set what a campaign may use from now on; returns the most that a call of it may weigh.

        `share` is of what calpatch may use in all, `max_rps` calls a second; None sets no limit.
        """
        rate = self._rate_of(share, max_rps)
        known = self._caps.get(campaign)
        if known is not None and known.rate != rate:
            self._drop(campaign)
            known = None
        if not rate.windows:
            return self.weight_now
        if known is None:
            # By another name for another rate: a log keeps what its largest window needs.
            known = _Cap(rate, self._make(f"{campaign}:{rate}", rate))
            self._caps[campaign] = known
            if len(self._caps) > MOST_KEPT:
                self._drop(next(iter(self._caps)))
        return min(self.weight_now, known.limiter.max_weight)

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float:
        cap = self._caps.get(turn.campaign)
        if cap is None:
            return await self._shared.acquire(weight, timeout_s=timeout_s, turn=turn)
        self._caps.move_to_end(turn.campaign)
        own = min(weight, cap.limiter.max_weight)
        waited_s = await cap.limiter.acquire(own, timeout_s=timeout_s, turn=turn)
        left_s = None if timeout_s is None else max(0.0, timeout_s - waited_s)
        return waited_s + await self._shared.acquire(weight, timeout_s=left_s, turn=turn)

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None:
        await self._shared.pause(seconds, age_s=age_s)

    async def state(self) -> LimiterState:
        return await self._shared.state()

    async def aclose(self) -> None:
        for campaign in list(self._caps):
            self._drop(campaign)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._shared.aclose()

    def _rate_of(self, share: float | None, max_rps: float | None) -> Rate:
        windows = []
        if share is not None and share < 1:
            windows += [
                Window(granted_share(each, self.share * share), each.seconds)
                for each in self.rate.windows
            ]
        if max_rps is not None:
            windows.append(Window(max(1, round(max_rps * AVERAGED_S)), AVERAGED_S))
        return Rate(windows=tuple(windows))

    def _drop(self, campaign: str) -> None:
        closing = asyncio.get_running_loop().create_task(self._caps.pop(campaign).limiter.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
