"""One limit for the whole application: all workers, all windows at once, never exceeded."""

from __future__ import annotations

from worker.limits.base import Limiter, LimiterState, WaitTooLong, WindowState
from worker.limits.capped import CappedLimiter
from worker.limits.memory import MemoryLimiter
from worker.limits.rate import Rate, Window, parse_rate
from worker.limits.shared import RedisLimiter, open_limiter

__all__ = [
    "CappedLimiter",
    "Limiter",
    "LimiterState",
    "MemoryLimiter",
    "Rate",
    "RedisLimiter",
    "WaitTooLong",
    "Window",
    "WindowState",
    "open_limiter",
    "parse_rate",
]
