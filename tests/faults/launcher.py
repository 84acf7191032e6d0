"""Runs Celery in a worse world: `python -m tests.faults.launcher [--files N] -- -A tasks worker`.

--skew S          the host's clock is off by S seconds
--back-after T    after T seconds it is off by as much the other way
--files N         at most N file descriptors
--log PATH        stdout and stderr go there (/dev/full takes nothing)
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any

_real_time = time.time


def main(arguments: list[str]) -> Any:
    """Worsen the world, and become Celery."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--skew", type=float, default=0.0)
    parser.add_argument("--back-after", type=float, default=float("inf"))
    parser.add_argument("--files", type=int)
    parser.add_argument("--log")
    cut = arguments.index("--")
    given = parser.parse_args(arguments[:cut])
    if given.files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given.files, given.files))
    if given.log:
        log = os.open(given.log, os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
    if given.skew:
        _skew(given.skew, given.back_after)
    from celery.__main__ import main as celery

    sys.argv = ["celery", *arguments[cut + 1 :]]
    return celery()


def _skew(seconds: float, back_after: float) -> None:
    """Turn the clocks that our code and Celery's look at; the monotonic one stays as it is."""
    began = time.monotonic()

    def off() -> float:
        return seconds if time.monotonic() - began < back_after else -seconds

    time.time = lambda: _real_time() + off()
    turned = _turned(off)
    import celery.app.base
    import celery.utils.time
    import celery.worker.request

    import worker.clock

    modules: list[Any] = [
        celery.worker.request, celery.utils.time, celery.app.base, worker.clock,
    ]  # fmt: skip
    for module in modules:
        if hasattr(module, "datetime"):
            module.datetime = turned


def _turned(off: Callable[[], float]) -> type[datetime]:
    class Turned(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=off())

    return Turned


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
