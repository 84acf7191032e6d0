"""The moment at which a call that changes something leaves the house.

Until then it may be refused or called off, and surely nothing was sent. From then on it must come
home and be written down, whatever happens to the one who waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")


class Departure:
    """Asked by the transport between the limiter's grant and the first byte."""

    __slots__ = ("_check", "called_off", "has_left", "is_waiting")

    def __init__(self, check: Callable[[], None]) -> None:
        #: raises when the call must not leave any more
        self._check = check
        self.is_waiting = False
        self.has_left = False
        self.called_off = False

    def wait(self) -> None:
        """Begin to wait for the grant: only from here until `leave` the call is interrupted."""
        if self.called_off:
            raise asyncio.CancelledError
        self._check()
        self.is_waiting = True

    def leave(self) -> None:
        """Let the call go, unless the check raises."""
        self._check()
        self.is_waiting = False
        self.has_left = True

    def stay(self) -> None:
        """End the wait without leaving: what is tidied up now is not interrupted."""
        self.is_waiting = False


async def bring_home(effect: Coroutine[None, None, T], departure: Departure) -> T:
    """Run an effect to its end; cancelled, it is called off while it waits, or waited for."""
    task = asyncio.ensure_future(effect)
    stop: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as cancelled:
            if stop is None and departure.is_waiting:
                task.cancel()
            stop = cancelled
            departure.called_off = True
    if stop is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, or the loop complains that nobody did
    raise stop
