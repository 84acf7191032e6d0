"""What is measured beside the runs: SQL statements, scale-out, ingest, and a campaign's size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks import ingest, scale, scaleout, statements
from worker.embedded import postgres_server

#: Edits of a small campaign and of a big one: what must not grow is seen between them.
SIZES = (10_000, 1_000_000)


def campaign_sizes() -> dict[str, Any]:
    """Return milliseconds by deed for each size, on both databases."""
    found: dict[str, Any] = {"sqlite": {}, "postgresql": {}}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=".")))
        server = stack.enter_context(postgres_server())
        for edits in SIZES:
            found["sqlite"][str(edits)] = scale.measure(edits, f"sqlite:///{folder}/{edits}.db")
            found["postgresql"][str(edits)] = scale.measure(edits, server.create_database())
    return found


#: By the name that --only takes.
EXTRAS: dict[str, Callable[[], dict[str, Any]]] = {
    "statements": statements.measure,
    "scaleout": scaleout.measure,
    "ingest": ingest.measure,
    "scale": campaign_sizes,
}
