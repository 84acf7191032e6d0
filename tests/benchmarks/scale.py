"""What a campaign's size costs after its submission: status, relay, and one chunk's way.

`measure(edits, url)` fills an empty database through the store's own submission. Milliseconds are
the best of several, since other programs share the machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from tests.builders import an_image
from worker.embedded import postgres_server
from worker.model import EditState
from worker.report import Pace, status_of, take_snapshot
from worker.settings import Settings
from worker.store import Claim, Database, EditRow, NewCampaign, Note, Step, Store, migrate
from worker.sweep import settle_all, take_apart_poison

#: edits of each account
EACH = 500
CAMPAIGN = "c-scale"
TIMES = 3


def measure(edits: int, url: str, *, each: int = EACH) -> dict[str, float]:
    """Return milliseconds by deed, for a campaign of so many edits, `each` of an account."""
    database = Database(url)
    store = Store(database)
    try:
        migrate(database)
        found = {"submit": timed(lambda: _submit(store, edits, each), times=1)}
        _know(database)
        found["status, all waiting"] = timed(lambda: _status(store))
        found["relay, empty window"] = timed(lambda: _take(store, 64), times=1)
        found["relay, full window"] = timed(lambda: _take(store, 64))
        found |= _one_chunk(store)
        found["clock's look"] = timed(lambda: _look(store))
        _finish(store)
        found["status, mixed outcomes"] = timed(lambda: _status(store))
        found["status, as counts alone"] = timed(lambda: store.reading.counts(CAMPAIGN))
        _know(database)
        found["status, mixed, after vacuum"] = timed(lambda: _status(store))
        return {name: round(value, 1) for name, value in found.items()}
    finally:
        database.dispose()


def timed(deed: Callable[[], object], *, times: int = TIMES) -> float:
    """Return the milliseconds of the quickest of several runs."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        deed()
        best = min(best, time.perf_counter() - began)
    return 1000 * best


def _submit(store: Store, edits: int, each: int) -> None:
    new = NewCampaign(
        key="scale", digest="d", reason="scale", owner="bench", source="edits.csv",
        columns=("account", "event_uid"),
    )  # fmt: skip
    store.campaigns.submit(
        new, _rows(edits, each), campaign_id=CAMPAIGN, image_key=b"k" * 32, chunk_size=1000
    )


def _rows(edits: int, each: int) -> Iterator[EditRow]:
    for line in range(2, edits + 2):
        account = f"acc_{(line - 2) // each:024d}"
        yield EditRow(
            line_no=line,
            account=account,
            calendar_id=f"cal_{account}",
            event_uid=f"evt_external_{line:024d}",
            hint=f"2026-06-{line % 28 + 1:02d}",
            ref=f"row {line}",
            patch='{"move":{"kind":"shift","seconds":3600}}',
            cells=f'["{account}","evt_external_{line:024d}"]',
            change_digest=f"{line:064x}",
            relative=True,
            duplicate=False,
        )


def _know(database: Database) -> None:
    """Let PostgreSQL do at once what it does by itself within a minute."""
    if not database.is_sqlite:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as one:
            one.execute(text("VACUUM (ANALYZE) edits, chunks, campaigns"))


def _status(store: Store) -> None:
    pace = Pace.of(Settings.load({}))
    look = take_snapshot(store, CAMPAIGN, at=datetime.now(UTC), pace=pace)
    assert look is not None
    status_of(look)


def _take(store: Store, window: int) -> int:
    return len(store.queue.take_due(window=window, resend_after_s=60).runs)


def _look(store: Store) -> None:
    settle_all(store)
    take_apart_poison(store)


def _one_chunk(store: Store) -> dict[str, float]:
    """Take a chunk its whole way, each part timed."""
    parts: dict[str, list[float]] = {}
    for number in range(1, TIMES + 1):
        held: list[Claim] = []
        deeds: dict[str, Callable[[], object]] = {
            "claim": lambda n=number, into=held: into.append(_claim(store, n)),  # type: ignore[misc]
            "record": lambda into=held: _record(store, into[0]),  # type: ignore[misc]
            "release": lambda into=held: store.chunks.release(into[0]),  # type: ignore[misc]
        }
        for name, deed in deeds.items():
            parts.setdefault(name, []).append(timed(deed, times=1))
    edits = len(held[0].edits)
    return {f"{name} a chunk of {edits}": min(found) for name, found in parts.items()}


def _claim(store: Store, number: int) -> Claim:
    found = store.chunks.claim(f"{CAMPAIGN}.{number}", owner="bench", lease_s=600)
    assert found is not None
    return found


def _record(store: Store, held: Claim) -> None:
    """Store intents with both images, as law 5 asks."""
    steps = [
        Step(
            line_no=edit.line_no, was=edit.state, state=EditState.SENDING, attempts=1,
            before=an_image(), target=an_image(summary="Moved"), fields=("start", "end"),
        )
        for edit in held.edits
    ]  # fmt: skip
    notes = [Note(actor="bench", action="edit.sending", line_no=each.line_no) for each in steps]
    store.chunks.record(held, steps, lease_s=600, notes=notes)


def _finish(store: Store) -> None:
    """End most of the edits behind the store's back, with a handful of outcomes."""
    sql = """
UPDATE edits SET state = CASE line_no % 20 WHEN 0 THEN 'skipped' WHEN 1 THEN 'unchanged'
    WHEN 2 THEN 'failed' WHEN 3 THEN 'accepted' ELSE 'verified' END,
  code = CASE line_no % 20 WHEN 0 THEN 'recurring' WHEN 1 THEN 'already_as_asked'
    WHEN 2 THEN 'rejected' WHEN 3 THEN '' ELSE 'verified' END
WHERE campaign_id = :id AND line_no % 10 < 8"""
    with store.database.begin() as connection:
        store.database.be_patient(connection)
        connection.execute(text(sql), {"id": CAMPAIGN})


def main() -> None:
    """Measure on both databases, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=1_000_000)
    parser.add_argument("--each", type=int, default=EACH, help="edits of an account")
    parser.add_argument("--on", choices=["sqlite", "postgresql", "both"], default="both")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {"sqlite": f"sqlite:///{folder / 'scale.db'}"} if given.on != "postgresql" else {}
        if given.on != "sqlite":
            urls["postgresql"] = stack.enter_context(postgres_server()).create_database()
        for name, url in urls.items():
            found = measure(given.edits, url, each=given.each)
            sys.stdout.write(json.dumps({"database": name, "edits": given.edits, "ms": found}))
            sys.stdout.write("\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
