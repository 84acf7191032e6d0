"""What the clock beats."""

from __future__ import annotations

from typing import Any

from worker.settings import Settings

SWEEP = "calpatch.sweep"
TELL_OTHERS = "calpatch.tell_others"


def beat_schedule(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the beat table.

    Messages carry no time after which they are void: a worker would judge that by its own clock,
    and one that is ahead of the beat's would drop every round. Those that pile up are dropped by
    the next round instead.
    """
    return {
        "sweep": {
            "task": SWEEP,
            "schedule": settings.sweep_every,
            "options": {"queue": "upkeep"},
        }
    }
