"""What systemd, compose and Kubernetes do in production: start a process again when it has died."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

#: seconds between two looks
LOOK_S = 0.2


class Supervisor:
    """Calls `revive` again and again, in a thread; counts how many processes it has started."""

    def __init__(self, revive: Callable[[], int]) -> None:
        self.restarts = 0
        self._revive = revive
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join(timeout=30)

    def _watch(self) -> None:
        while not self._end.wait(LOOK_S):
            self.restarts += self._revive()
