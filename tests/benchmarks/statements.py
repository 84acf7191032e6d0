"""How many SQL statements a chunk costs, from its claim to its proof; counted, not timed."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

from sqlalchemy import Engine, event, text

from tests.benchmarks.profile import a_profiled_world, unlimited, until_done
from tests.benchmarks.scenarios import DENSE, Scenario


def measure(scenario: Scenario = DENSE.with_accounts(4)) -> dict[str, Any]:  # noqa: B008 - frozen
    """Return statements and transactions of the chunk path, by chunk and by edit."""
    return asyncio.run(_measure(scenario))


async def _measure(scenario: Scenario) -> dict[str, Any]:
    counted: Counter[str] = Counter()

    # The chunk path's SQL runs in threads; what this thread asks is the clock's part.
    def count(*_: object) -> None:
        counted["statements"] += threading.current_thread() is not threading.main_thread()

    def commit(*_: object) -> None:
        counted["transactions"] += threading.current_thread() is not threading.main_thread()

    async with a_profiled_world(unlimited(scenario)) as (world, campaign):
        event.listen(Engine, "before_cursor_execute", count)
        event.listen(Engine, "commit", commit)
        try:
            await until_done(world, campaign)
        finally:
            event.remove(Engine, "before_cursor_execute", count)
            event.remove(Engine, "commit", commit)
        chunks = world.store.database.run(
            lambda connection: connection.execute(text("SELECT count(*) FROM chunks")).scalar_one()
        )
    return {
        "edits": scenario.edits,
        "chunks": chunks,
        **counted,
        "statements_per_chunk": round(counted["statements"] / chunks, 2),
        "batches": scenario.edits // 50,
        "statements_per_batch": round(50 * counted["statements"] / scenario.edits, 2),
        "statements_per_edit": round(counted["statements"] / scenario.edits, 4),
    }
