"""What the clock beats."""

from __future__ import annotations

from typing import Any

from worker.settings import Settings

SWEEP = "calpatch.sweep"


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the beat table. A round that nobody took in time is dropped: the next does as much."""
    every = settings.sweep_every
    return {
        "sweep": {
            "task": SWEEP,
            "schedule": every,
            "options": {"queue": "upkeep", "expires": max(every * 5, 5.0)},
        }
    }
