"""The circuit breakers of one process, one for each data center: the state behind `rules.breaker`.

While one is open nothing leaves for its data center. Each process finds out for itself, by a few
calls that fail. What changes is logged by the data center's name, and told to a herald, who tells
people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random
from typing import TypeAlias

import structlog

from worker.clock import Clock
from worker.cronofy.hosts import data_center_of
from worker.errors import CircuitOpen, WorkerError
from worker.rules.breaker import (
    Circuit,
    Closed,
    Pass,
    Probe,
    Shut,
    Watch,
    abandon_probe,
    answered,
    begin_probe,
    failed,
    gate,
    place,
    probe_answered,
    probe_failed,
)

log = structlog.get_logger(__name__)

#: Told a data center's name and the seconds until its next probe, or None when it answers again.
Herald: TypeAlias = Callable[[str, float | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Probed:
    """When a probe left, and whether it was answered."""

    left_at: float
    is_answered: bool


#: Makes one probe. Raises the limiter's errors, and then nothing was sent.
Prober: TypeAlias = Callable[[], Awaitable[Probed]]


async def nobody(_data_center: str, _wait_s: float | None) -> None:
    """Tell nobody."""


class Breaker:
    """Stands before one data center."""

    def __init__(
        self, name: str, *, clock: Clock, herald: Herald, roll: Callable[[], float]
    ) -> None:
        self._name = name
        self._clock = clock
        self._herald = herald
        self._roll = roll
        self._circuit: Circuit = Closed()
        self._probing = asyncio.Lock()
        self._back_at = float("-inf")
        self._is_told = True

    @property
    def is_closed(self) -> bool:
        return isinstance(self._circuit, Closed)

    @property
    def back_for_s(self) -> float:
        """Seconds since an outage ended; infinite without one, 0 during one."""
        return self._clock.monotonic() - self._back_at if self.is_closed else 0.0

    @property
    def wait_s(self) -> float:
        """Seconds until the next probe may leave; 0 when calls go."""
        at = gate(self._circuit, now=self._clock.monotonic())
        return at.wait_s if isinstance(at, Shut) else 0.0

    async def admit(self, probe: Prober) -> None:
        """Return when calls may leave. Raises CircuitOpen, and the limiter's errors for a probe."""
        while True:
            match gate(self._circuit, now=self._clock.monotonic()):
                case Pass():
                    return
                case Probe():
                    await self._probe_if_due(probe)
                case Watch():
                    async with self._probing:
                        pass
                case Shut(wait_s=wait_s):
                    await self._tell()
                    said = f"The API ({place(self._name)}) does not answer"
                    raise CircuitOpen(said, wait_s=wait_s)

    async def lives(self, probe: Prober) -> bool:
        """Find out whether the data center answers, now that a call has failed.

        By a probe, or by any call that leaves from now on and is answered first. False as well when
        no probe is granted a slot: what nobody knows is held against nobody.
        """
        failed_at = self._clock.monotonic()
        try:
            if not self._is_shut():
                async with self._probing:
                    if not (self._is_shut() or self._has_answered_since(failed_at)):
                        await self._probe(probe)
        except WorkerError as ungranted:
            log.info("api.not_asked", why=type(ungranted).__name__)
            return False
        await self._tell()
        return self.is_closed

    def note(self, *, is_answered: bool, left_at: float) -> None:
        """Take note of a call that came home."""
        if is_answered:
            self._become(answered(self._circuit, left_at=left_at))
        else:
            now = self._clock.monotonic()
            self._become(failed(self._circuit, left_at=left_at, now=now))

    def _is_shut(self) -> bool:
        return isinstance(gate(self._circuit, now=self._clock.monotonic()), Shut)

    def _has_answered_since(self, moment: float) -> bool:
        return isinstance(self._circuit, Closed) and self._circuit.alive_at >= moment

    async def _probe_if_due(self, probe: Prober) -> None:
        async with self._probing:
            if isinstance(gate(self._circuit, now=self._clock.monotonic()), Probe):
                await self._probe(probe)
        if self.is_closed:
            await self._tell()

    async def _probe(self, probe: Prober) -> None:
        self._become(begin_probe(self._circuit))
        try:
            found = await probe()
        except BaseException:
            self._become(abandon_probe(self._circuit, now=self._clock.monotonic()))
            raise
        now, left_at = self._clock.monotonic(), found.left_at
        if found.is_answered:
            self._become(probe_answered(self._circuit, left_at=left_at))
        else:
            # The next probe's time is news as well.
            self._is_told = False
            self._become(probe_failed(self._circuit, left_at=left_at, now=now, roll=self._roll()))

    def _become(self, circuit: Circuit) -> None:
        was, self._circuit = self._circuit, circuit
        if isinstance(was, Closed) is isinstance(circuit, Closed):
            return
        self._is_told = False
        if isinstance(was, Closed):
            log.warning("api.unanswered", data_center=self._name)
        else:
            self._back_at = self._clock.monotonic()
            seconds = round(self._back_at - was.since, 1)
            log.warning("api.back", data_center=self._name, seconds=seconds)

    async def _tell(self) -> None:
        if self._is_told:
            return
        self._is_told = True
        await self._herald(self._name, None if self.is_closed else self.wait_s)


class Breakers:
    """All breakers of a process, made as data centers are called."""

    def __init__(
        self, *, clock: Clock, herald: Herald = nobody, roll: Callable[[], float] = random
    ) -> None:
        self._clock = clock
        self._herald = herald
        self._roll = roll
        self._breakers: dict[str, Breaker] = {}

    def of(self, base_url: str) -> Breaker:
        """Return the breaker of the data center behind an address."""
        if base_url not in self._breakers:
            name = data_center_of(base_url)
            self._breakers[base_url] = Breaker(
                name, clock=self._clock, herald=self._herald, roll=self._roll
            )
        return self._breakers[base_url]
