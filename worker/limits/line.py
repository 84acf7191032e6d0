"""The waiting that all limiters share: one line for each process, and one who asks the log for it.

Only for the first in the line the log is asked, so a thousand waiters cost no more than one; who is
first is a matter of turns. Between processes the log's order decides.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from worker.clock import Clock
from worker.errors import LimiterUnavailable
from worker.limits.base import WaitTooLong
from worker.limits.rate import UNLIMITED_WEIGHT, Rate
from worker.limits.slots import Limit, limits_of
from worker.rules import PLAIN_TURN, FairLine, Place, Turn

#: seconds that a light grant may be reserved ahead; a longer wait is asked for again. More than
#: jitter, delivery and a short stall take; not so much that all who wait are gone from the line
#: with slots in their hands, and nobody is left to take turns
AHEAD_S = 0.3
#: what a heavier grant may be reserved further ahead than the rate needs to make room for it:
#: seconds, more than jitter and delivery take, and a factor, so that the heavier one leads
LEAD_S, LEAD = 0.1, 1.25
#: seconds that a heavy one which has had its turn waits for lighter ones to come back for theirs,
#: before it reserves far ahead: about what a call takes
COME_BACK_S = 0.25
#: seconds; spreads those who ask again at the same moment
JITTER_S = 0.05
#: the part of the margin that may pass until a grant is used: the rest is for the way to the API
LATE_PART = 0.5
#: times that a grant which came later than that is exchanged, before it is used all the same
LATE_TRIES = 3

_INF = float("inf")


class Answer(NamedTuple):
    """What the log says: a slot in `wait_s`, or none before, and after how long to ask again."""

    granted: bool
    wait_s: float
    again_s: float
    #: the most that fits into every window as refusals have left it
    fits: int
    #: what names the slot when it is given back
    grant: Any = None


class _Slot(NamedTuple):
    """A reserved slot on this process's clock: it is not earlier, and not later, than these."""

    known_s: float
    wait_s: float
    asked_s: float
    grant: Any

    @property
    def opens_s(self) -> float:
        return self.known_s + self.wait_s

    def late_by(self, now_s: float) -> float:
        """Returns the most that the use at `now_s` can lie behind the slot in the log."""
        return now_s - self.asked_s - self.wait_s


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiter:
    """One that waits for a slot until a moment of this process's clock."""

    until_s: float
    slot: asyncio.Future[_Slot]


_Place: TypeAlias = Place[_Waiter]


class WaitingLine(ABC):
    """A limiter without its log: the line, the deadlines, and what makes a grant stale."""

    def __init__(self, *, rate: Rate, share: float, margin_s: float, clock: Clock) -> None:
        self.rate = rate
        self.share = share
        self._limits: tuple[Limit, ...] = limits_of(rate, share=share, margin_s=margin_s)
        self._margin_s = margin_s
        self._clock = clock
        self._fits = self.max_weight
        self._waiting = 0
        self._line: FairLine[_Waiter] = FairLine()
        #: asks the log for one after the other, while there is anybody in the line
        self._server: asyncio.Task[None] | None = None
        #: the sleep between two questions; who comes before the first one ends it
        self._nap: asyncio.Future[None] | None = None
        #: for whom a question is under way
        self._asked: _Place | None = None
        #: who has waited in vain for others to come back for their turn
        self._patient: _Place | None = None
        #: until when the first of the line is known to get nothing; 0 when there is none
        self._nothing_before_s = 0.0

    @property
    def max_weight(self) -> int:
        """The most that one acquire may weigh."""
        return min((limit.allowed() for limit in self._limits), default=UNLIMITED_WEIGHT)

    @property
    def weight_now(self) -> int:
        """What of it fits into one window now, as of the last answer."""
        return min(self._fits, self.max_weight)

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float:
        """Waits for a grant and returns the seconds waited; see Limiter."""
        if not 1 <= weight <= self.max_weight:
            raise ValueError(f"a weight of {weight} is not between 1 and {self.max_weight}")
        began_s = self._clock.monotonic()
        until_s = _INF if timeout_s is None else began_s + timeout_s
        self._waiting += 1
        try:
            await self._take(weight, turn, until_s=until_s)
        finally:
            self._waiting -= 1
        return self._clock.monotonic() - began_s

    @abstractmethod
    async def _ask(self, weight: int, ahead_s: float, *, urgent: bool) -> Answer:
        """Asks the log, which reserves when the slot is at most `ahead_s` away and no pause is on.

        In a pause nothing is reserved: it may grow, and a new log does not know all grants yet.
        """

    @abstractmethod
    def _give_back(self, grant: Any, *, asks_next: bool) -> None:
        """Takes an unused slot out of the log, with the next question if there is one soon."""

    @abstractmethod
    async def _is_paused(self) -> bool: ...

    # ------------------------------------------------------------ one that waits

    async def _take(self, weight: int, turn: Turn, *, until_s: float) -> None:
        late, again = 0, False
        while True:
            slot = await self._reserve(weight, turn, until_s=until_s, again=again)
            try:
                is_open = await self._opened(slot)
            except BaseException:
                self._give_back(slot.grant, asks_next=False)
                raise
            # The log trusts a grant to be used within the margin. One that comes later would make
            # the window overflow, so it is exchanged; not for ever, on a machine this slow.
            if is_open and (late == LATE_TRIES or not self._is_late(slot)):
                return
            late, again = late + is_open, True
            self._give_back(slot.grant, asks_next=True)

    async def _opened(self, slot: _Slot) -> bool:
        """Waits for a slot; False when a pause came: the API has changed its mind since."""
        if slot.wait_s <= 0:
            return True
        await self._clock.sleep(slot.opens_s - self._clock.monotonic())
        return not await self._is_paused()

    def _is_late(self, slot: _Slot) -> bool:
        # Without a margin there is nothing to go by: every grant is a little late.
        return 0 < self._margin_s * LATE_PART < slot.late_by(self._clock.monotonic())

    async def _reserve(self, weight: int, turn: Turn, *, until_s: float, again: bool) -> _Slot:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(until_s=until_s, slot=loop.create_future())
        place = self._line.add(waiter, turn=turn, weight=weight, again=again)
        timer = self._come(place, loop)
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            with suppress(asyncio.CancelledError, LimiterUnavailable, WaitTooLong):
                self._give_back(waiter.slot.result().grant, asks_next=False)
            raise
        finally:
            if timer is not None:
                timer.cancel()
            self._leave(place)

    def _come(self, place: _Place, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle | None:
        """Has the log asked for a newcomer, or refuses one that is known to wait in vain."""
        if self._line.first() is place:
            self._wake()
        elif self._nothing_before_s > place.item.until_s:
            self._refuse(place)
        if self._server is None:
            self._server = loop.create_task(self._serve())
        if place.item.until_s == _INF:
            return None
        left_s = max(0.0, place.item.until_s - self._clock.monotonic())
        return loop.call_later(left_s, self._expire, place)

    def _leave(self, place: _Place) -> None:
        was_first = self._line.first() is place
        self._line.drop(place)
        if was_first:
            self._wake()

    def _expire(self, place: _Place) -> None:
        if place is self._line.first():
            # Its last chance: the log is asked what is free just now.
            self._wake()
        elif place is not self._asked:
            self._refuse(place)

    def _refuse(self, place: _Place) -> None:
        self._line.drop(place)
        if not place.item.slot.done():
            place.item.slot.set_exception(self._too_long())

    def _too_long(self) -> WaitTooLong:
        wait_s = max(0.0, self._nothing_before_s - self._clock.monotonic())
        return WaitTooLong(f"No slot within the time given, at least {wait_s:.1f} s", wait_s=wait_s)

    # ------------------------------------------------------------ one that asks for all

    async def _serve(self) -> None:
        """Asks for whoever is first, until the line is empty; fails them all when it cannot."""
        try:
            while (place := self._first()) is not None:
                await self._ask_for(place)
        except LimiterUnavailable as down:
            self._fail_all(down)
        except BaseException as error:
            self._fail_all(LimiterUnavailable(f"The limiter has stopped ({type(error).__name__})"))
            raise
        finally:
            # Without a pause since the line was seen empty: who comes next starts another.
            self._server, self._asked, self._nothing_before_s = None, None, 0.0

    def _first(self) -> _Place | None:
        """Returns who is first of those who still wait: a cancelled one leaves a moment later."""
        while (place := self._line.first()) is not None and place.item.slot.done():
            self._line.drop(place)
        return place

    async def _ask_for(self, place: _Place) -> None:
        self._asked = place
        asked_s = self._clock.monotonic()
        gives_way = place.weight > 1 and place is not self._patient and self._line.owes(place)
        ahead_s = AHEAD_S if gives_way else self._ahead_s(place.weight)
        ahead_s = min(ahead_s, max(0.0, place.item.until_s - asked_s))
        answer = await self._ask(place.weight, ahead_s, urgent=place.turn.urgent)
        self._asked, self._fits = None, answer.fits
        if answer.granted:
            slot = _Slot(self._clock.monotonic(), answer.wait_s, asked_s, answer.grant)
            self._hand_over(slot, place)
            return
        self._nothing_before_s = asked_s + answer.wait_s
        if self._nothing_before_s > place.item.until_s:
            self._refuse(place)
        elif self._first() is not place:
            if self._clock.monotonic() >= place.item.until_s:
                self._refuse(place)
        else:
            jitter_s = random.uniform(0, JITTER_S)  # noqa: S311  spreads load, hides nothing
            self._patient = place
            again_s = min(answer.again_s, COME_BACK_S) if gives_way else answer.again_s
            await self._sleep(again_s + jitter_s)

    def _hand_over(self, slot: _Slot, place: _Place) -> None:
        """Gives a slot to whom it was asked for; to the next one of its kind when that one left."""
        if place.item.slot.done():
            heir = self._first()
            if heir is None or not _suits(slot, heir, instead_of=place):
                self._give_back(slot.grant, asks_next=heir is not None)
                return
            place = heir
        if place is self._patient:
            self._line.forget_absent()
        self._patient = None
        self._line.serve(place)
        place.item.slot.set_result(slot)

    def _fail_all(self, down: LimiterUnavailable) -> None:
        """Fails the whole line, or each would wait out the same timeout after the one before."""
        asked = self._asked
        for place in list(self._line):
            self._line.drop(place)
            if place.item.slot.done():
                continue
            other = LimiterUnavailable("The limiter did not answer the one before in the line")
            place.item.slot.set_exception(down if place is asked else other)

    async def _sleep(self, seconds: float) -> None:
        """Waits to ask again, or until somebody else is first."""
        self._nap = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait([self._nap])
        finally:
            self._wake()
            self._nap = None

    def _wake(self) -> None:
        if self._nap is not None:
            self._nap.cancel()

    def _ahead_s(self, weight: int) -> float:
        """Returns how far ahead a weight may reserve: until the rate has made room for it.

        Otherwise light ones would take each slot as it comes free, and a heavy one never got in.
        The lead makes it win even when light ones keep the slots evenly spaced.
        """
        if weight == 1 or not self._limits:
            return AHEAD_S
        room_s = max(limit.span_s / limit.allowed() for limit in self._limits)
        return AHEAD_S + LEAD_S + (weight - 1) * room_s * LEAD


def _suits(slot: _Slot, heir: _Place, *, instead_of: _Place) -> bool:
    """Tells whether one may have the slot that was asked for another."""
    asked = (instead_of.weight, instead_of.turn.urgent)
    return (heir.weight, heir.turn.urgent) == asked and slot.opens_s <= heir.item.until_s
