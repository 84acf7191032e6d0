"""What happens every second, or at the end of every chunk, costs the same however much waits.

Not timed: in SQLite the steps of its machine are counted, in PostgreSQL the blocks that it touches.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from tests.conformance.stores import S, a_row, bring, claim, make_due, run_to, submit
from worker.store import Store
from worker.sweep import settle_all, take_apart_poison

FEW, MANY = 40, 20_000
#: steps or blocks that deeper indexes may cost: a scan of all would cost thousands
MORE = 60


def fill(store: Store, count: int, *, account: str = "'acc_' || n", key: str = "night") -> None:
    """Let a campaign have so many chunks more that wait, behind the back of submission."""
    series = (
        "WITH RECURSIVE s(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM s WHERE n < :n + 99)"
        if store.database.is_sqlite
        else "WITH s AS (SELECT generate_series(100, :n + 99) AS n)"
    )
    with store.database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO chunks (id, campaign_id, number, account, size, state)"
                f" {series} SELECT 'c-{key}.' || n, 'c-{key}', n, {account}, 1, 'pending' FROM s"
            ),
            {"n": count},
        )


def three_campaigns(store: Store, count: int) -> None:
    """Submit three campaigns, each with so many chunks that wait."""
    for place, key in enumerate(("night", "dusk", "dawn")):
        first = 2 + 10 * place
        rows = [a_row(line, account=f"acc_{line}") for line in range(first, first + 4)]
        submit(store, rows, chunk_size=1, key=key)
        fill(store, count, key=key)


def effort(store: Store, deed: Callable[[], object], *, is_large: bool = False) -> int:
    """Return how much work a deed makes for the database; it is done twice, the first is free.

    In a large one no table is gone through as a whole; a small one is best read so.
    """
    deed()
    if store.database.is_sqlite:
        with counting_steps(store) as steps:
            deed()
        assert steps, "nothing was counted"
        return len(steps)
    with noting_queries(store) as queries:
        deed()
    with store.database.begin() as connection:
        plans = [_plan(connection, query, values) for query, values in queries]
    assert not is_large or not [scan for plan in plans for scan in _whole_scans(plan)]
    return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans)


@contextmanager
def counting_steps(store: Store) -> Iterator[list[int]]:
    """Count every tenth step of SQLite's machine."""
    steps: list[int] = []

    def watch(connection: Connection) -> None:
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: steps.append(1) and None, 10)

    with listening(store, "begin", watch):
        yield steps


@contextmanager
def noting_queries(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """Note each query with its values."""
    queries: list[tuple[str, Any]] = []

    def note(_one: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT") and "advisory" not in statement:
            queries.append((statement, values))

    with listening(store, "before_cursor_execute", note):
        yield queries


@contextmanager
def listening(store: Store, name: str, hear: Callable[..., None]) -> Iterator[None]:
    """Listen at the engine, and at the one that only reads where that has events of its own."""
    database = store.database
    for engine in (database.engine, database._reader):
        event.listen(engine, name, hear)
    yield
    for engine in (database.engine, database._reader):
        if event.contains(engine, name, hear):
            event.remove(engine, name, hear)


def _plan(connection: Connection, query: str, values: Any) -> dict[str, Any]:
    """Return how PostgreSQL answers a query, and what it touches for that."""
    asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}"
    plan = connection.exec_driver_sql(asked, values).scalar_one()
    top: dict[str, Any] = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return top


def _whole_scans(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] == "chunks":
        yield f"{node['Relation Name']}: {node.get('Filter')}"
    for below in node.get("Plans", ()):
        yield from _whole_scans(below)


@pytest.fixture(params=["unknown", "known"])
def make_statistics(request: pytest.FixtureRequest, store: Store) -> Callable[[], None]:
    """A database that has looked at what is in it, and one that has not had the time yet."""

    def make() -> None:
        if request.param == "known":
            with store.database.begin() as connection:
                connection.execute(text("ANALYZE"))

    return make


def test_a_round_of_the_relay(store: Store, make_statistics: Callable[[], None]) -> None:
    """It is due each second and at the end of every chunk: a million chunks must not be felt."""

    def round_of_two() -> None:
        due = store.queue.take_due(window=10, resend_after_s=60)
        for _, chunk_id in due.chunks[:2]:
            with store.database.begin() as connection:
                done = "UPDATE chunks SET state = 'done', dispatched_at = NULL WHERE id = :id"
                connection.execute(text(done), {"id": chunk_id})

    three_campaigns(store, FEW)
    make_statistics()
    before = effort(store, round_of_two)
    fill_all(store, MANY)
    make_statistics()
    round_of_two()
    assert effort(store, round_of_two, is_large=True) < 2 * before + MORE


def fill_all(store: Store, count: int) -> None:
    """Add more of the same to all three."""
    with store.database.begin() as connection:
        connection.execute(text("DELETE FROM chunks WHERE number >= 100"))
    for key in ("night", "dusk", "dawn"):
        fill(store, count, key=key)


def test_the_end_of_a_chunk(store: Store, make_statistics: Callable[[], None]) -> None:
    """A campaign's state is asked for at each release, by questions that one row answers."""
    rows = [a_row(line, account=f"acc_{line}") for line in range(2, 10)]
    submit(store, rows, chunk_size=1, key="night")
    numbers = iter(range(1, 9))

    def run_one() -> None:
        held = claim(store, f"c-night.{next(numbers)}")
        bring(store, held, S.SKIPPED)
        store.chunks.release(held)

    fill(store, FEW)
    make_statistics()
    before = effort(store, run_one)
    with store.database.begin() as connection:
        connection.execute(text("DELETE FROM chunks WHERE number >= 100"))
    fill(store, MANY)
    make_statistics()
    assert effort(store, run_one, is_large=True) < 2 * before + MORE


@pytest.mark.parametrize("deed", ["settle_all", "take_apart_poison", "waiting"])
def test_what_is_asked_each_second(
    store: Store, deed: str, make_statistics: Callable[[], None]
) -> None:
    """Who has ended, what is poisonous, what is due next."""
    deeds: dict[str, Callable[[], object]] = {
        "settle_all": lambda: settle_all(store),
        "take_apart_poison": lambda: take_apart_poison(store),
        "waiting": lambda: store.reading.waiting("c-night"),
    }
    three_campaigns(store, FEW)
    run_to(store, "c-night.1", S.ACCEPTED)
    make_statistics()
    before = effort(store, deeds[deed])
    fill_all(store, MANY)
    make_statistics()
    assert effort(store, deeds[deed], is_large=True) < 2 * before + MORE


def test_accounts_that_wait_for_their_proof(
    store: Store, make_statistics: Callable[[], None]
) -> None:
    """Ten thousand accounts may become due together; the relay takes a window of them."""

    def round_of_proofs() -> None:
        assert store.queue.take_due(window=10, resend_after_s=-1).accounts

    three_campaigns(store, MANY)
    with store.database.begin() as connection:
        connection.execute(text("UPDATE chunks SET state = 'verifying' WHERE number >= 100"))
    make_due(store)
    make_statistics()
    work = effort(store, round_of_proofs, is_large=True)
    assert work < (20_000 if store.database.is_sqlite else 15_000)


def test_a_slow_account_in_front_of_all_others(store: Store) -> None:
    """Its chunks are stepped over: what is behind them is found, and quickly enough."""
    submit(store, [a_row(2, account="slow")], chunk_size=1, key="night")
    fill(store, 9_000, account="CASE WHEN n < 5000 THEN 'slow' ELSE 'acc_' || n END")
    first = store.queue.take_due(window=16, resend_after_s=60)
    assert len(first.chunks) == 4
    second = store.queue.take_due(window=16, resend_after_s=60)
    assert [chunk_id for _, chunk_id in second.chunks] == [
        f"c-night.{number}" for number in range(5_000, 5_008)
    ]
