"""Delivers the callbacks of notification channels [§9], in order, each signed."""

import asyncio
import contextlib

import aiohttp

from worker.simulator.channels import SIGNATURE_HEADER, callback_body, signature
from worker.simulator.simulator import Simulator
from worker.simulator.values import Notice

#: A receiver must answer within this many seconds [3rd].
ANSWER_WITHIN_S = 5.0
_TRIES = 3
_PAUSE_S = 0.2


class Courier:
    """Carries notices from the outbox to their receivers; one that stays deaf loses them."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self._bell = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        sim.wake = self._wake

    async def run(self) -> None:
        """Delivers until cancelled."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await self._bell.wait()
                self._bell.clear()
                while self._sim.outbox:
                    await self._deliver(session, self._sim.outbox.popleft())

    def _wake(self) -> None:
        """Rings from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the deliveries
            self._loop.call_soon_threadsafe(self._bell.set)

    async def _deliver(self, session: aiohttp.ClientSession, notice: Notice) -> None:
        body = callback_body(notice)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            SIGNATURE_HEADER: signature(body, self._sim.client_secrets),
        }
        for _ in range(_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.post(
                    notice.channel.callback_url, data=body, headers=headers
                ) as reply:
                    if reply.ok:
                        return
            await asyncio.sleep(_PAUSE_S)
