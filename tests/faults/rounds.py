"""Doing something again and again beside a test, in a thread, until the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def every(seconds: float, deed: Callable[[], object]) -> Iterator[None]:
    """Do it every so many seconds while the block runs; the last one is waited for."""
    end = threading.Event()

    def rounds() -> None:
        while not end.wait(seconds):
            deed()

    thread = threading.Thread(target=rounds, name=f"every {seconds} s", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join(timeout=30)
