"""The demo's world: made-up people, and a campaign over all of their events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.cli.private_world import World, passing_folder, running_world

RATE = "50/s,500/min"
WORKERS = 2
#: in the world's folder
EDITS = "edits.csv"


@contextmanager
def demo_world(*, accounts: int, events: int, say: Callable[[str], None]) -> Iterator[World]:
    """Start everything, and end it all. Raises WorldFailed with what a process said last."""
    simulate = ["--rate", RATE, "--accounts", str(accounts), "--events", str(events)]
    simulate += ["--edits-out", EDITS, "--behaviour", "lag_s=0.5", "batch_counts_as=one"]
    settings = {
        "CALPATCH_RATE": RATE,
        "CALPATCH_BATCH_COUNTS_AS": "one",
        "CALPATCH_SWEEP_EVERY": "0.5",
        "CALPATCH_VERIFY_DELAY": "1",
        "CALPATCH_SHUTDOWN_GRACE": "2",
    }
    with passing_folder("calpatch-demo-") as folder:
        say("Starting Valkey, a simulated Cronofy, two workers and the clock …")
        with running_world(folder, simulate=simulate, settings=settings, workers=WORKERS) as world:
            yield world
