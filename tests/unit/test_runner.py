"""The process's one loop: opened once, stopped within bounds, and plain about what is missing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from tasks import runner as module
from tasks.runner import OPEN_AGAIN_S, Cancelled, Runner
from worker.clock import ManualClock
from worker.engine import Engine
from worker.errors import SettingsError, StoreUnavailable
from worker.settings import Settings
from worker.store import Database, migrate
from worker.tokens import generate_key

Opener = Callable[..., Runner]


def some_settings(url: str, **changed: Any) -> Settings:
    """Return settings that an engine opens with, except for what is named."""
    whole = {
        "database_url": url,
        "cronofy_client_id": "id",
        "cronofy_client_secret": "secret",
        "vault_keys": generate_key(),
    }
    return Settings.model_validate(whole | changed)


@pytest.fixture
def clock() -> ManualClock:
    """The clock by which a failed opening is tried again."""
    return ManualClock(datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture
def opened(sqlite_url: str, clock: ManualClock) -> Iterator[Opener]:
    """Make runners on a migrated database, and close them at the end."""
    database = Database(sqlite_url)
    migrate(database)
    database.dispose()
    made: list[Runner] = []

    def make(**changed: Any) -> Runner:
        made.append(Runner(some_settings(sqlite_url, **changed), clock=clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def name_of(engine: Engine) -> str:
    """Tell which engine it is."""
    return f"{id(engine)}"


def test_many_first_tasks_at_once_open_one_engine(opened: Opener) -> None:
    """Sixteen threads begin together: one database pool, one session."""
    runner = opened()
    together = threading.Barrier(16)

    def first(_: int) -> str:
        together.wait()
        return runner.run(name_of)

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(first, range(16)))) == 1


def test_what_cannot_be_opened_is_told_in_one_line(opened: Opener) -> None:
    """A missing key: each task fails with the reason, the log has it once and with the remedy."""
    runner = opened(vault_keys="")
    with capture_logs() as lines:
        for _ in range(5):
            with pytest.raises(SettingsError) as missing:
                runner.run(name_of)
            assert runner.is_told(missing.value)

    assert [line["event"] for line in lines] == ["worker.cannot_start"]
    assert "CALPATCH_VAULT_KEYS" in lines[0]["why"]


def test_opening_is_tried_again_after_a_while(
    opened: Opener, clock: ManualClock, sqlite_url: str
) -> None:
    """A database that comes back needs no restart of the worker."""
    runner = opened(database_url=sqlite_url + ".later")
    with pytest.raises(StoreUnavailable):
        runner.run(name_of)
    later = Database(sqlite_url + ".later")
    migrate(later)
    later.dispose()

    with pytest.raises(StoreUnavailable):
        runner.run(name_of)
    clock.advance(OPEN_AGAIN_S + 1)

    assert runner.run(name_of)


def test_a_worker_does_not_eat_messages_for_long_after_an_outage(
    opened: Opener, clock: ManualClock, sqlite_url: str
) -> None:
    """What comes before the next try is lost until it is sent again: so the next try is soon.

    The same reason is told once a minute all the same.
    """
    runner = opened(database_url=sqlite_url + ".later")
    with capture_logs() as lines:
        for _ in range(30):
            with pytest.raises(StoreUnavailable):
                runner.run(name_of)
            clock.advance(1.5)
    assert [line["event"] for line in lines] == ["worker.cannot_start"]
    later = Database(sqlite_url + ".later")
    migrate(later)
    later.dispose()

    assert runner.run(name_of)


def test_stopping_cancels_what_runs_and_refuses_what_comes(opened: Opener) -> None:
    """Twice told to stop is stopped once: what is letting go is not cancelled again."""
    runner = opened()
    runs, has_let_go = threading.Event(), threading.Event()

    async def work(_: Engine) -> None:
        runs.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            has_let_go.set()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(runner.run, work)
        assert runs.wait(5)
        runner.stop_after(0.0)
        runner.stop_after(0.01)
        with pytest.raises(Cancelled):
            running.result(timeout=5)
    assert has_let_go.is_set()
    with pytest.raises(Cancelled):
        runner.run(name_of)


def test_an_error_of_the_work_is_the_tasks_error(opened: Opener) -> None:
    """It is no failure of the runner, so the log has not told it."""
    runner = opened()

    async def fails(_: Engine) -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable) as away:
        runner.run(fails)
    assert not runner.is_told(away.value)


@pytest.fixture
def as_a_worker(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process be a worker with a database and without a vault key."""
    for name, value in {"DATABASE_URL": sqlite_url, "VAULT_KEYS": ""}.items():
        monkeypatch.setenv(f"CALPATCH_{name}", value)
    yield
    module.close()


@pytest.mark.usefixtures("as_a_worker")
def test_the_signal_to_stop_does_not_wait_for_an_opening() -> None:
    """SIGTERM while a task waits for the database: it is taken at once, and the task is refused."""
    runner = module.current()
    with ThreadPoolExecutor(1) as pool:
        with runner._opening:
            waiting = pool.submit(runner.run, name_of)
            module.stop_soon()
            module.stop_soon()
            runner.stop_after(0.0)
            while not runner._is_stopped:
                threading.Event().wait(0.01)
        with pytest.raises(Cancelled):
            waiting.result(timeout=5)


@pytest.mark.usefixtures("as_a_worker")
def test_closing_twice_and_without_ever_opening_is_nothing() -> None:
    """Celery's signals come when they like."""
    assert module.current() is module.current()
    module.close()
    module.close()
    module.stop_soon()


@pytest.mark.usefixtures("as_a_worker")
def test_a_fork_opens_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent's loop has no thread in the child."""
    parent = module.current()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    child = module.current()
    try:
        assert child is not parent
    finally:
        module.close()
        monkeypatch.undo()
        parent.close()
        module.forget()


@pytest.mark.usefixtures("as_a_worker")
def test_a_reason_that_was_told_is_not_told_by_each_task() -> None:
    """A clock's round each second would fill the log with one and the same line."""
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(SettingsError) as missing:
                module.current().run(name_of)
            module.note_left("chunk.left", missing.value)
        module.note_left("chunk.left", StoreUnavailable("away"))

    told = [(line["event"], line["why"].partition(":")[0]) for line in lines]
    assert [event for event, _ in told] == ["worker.cannot_start", "chunk.left"]
    assert told[1][1] == "StoreUnavailable"


def test_a_cancelled_run_looks_the_same_from_any_thread() -> None:
    """Both spellings are caught: which one comes depends on who was cancelled."""
    assert set(Cancelled) == {asyncio.CancelledError, concurrent.futures.CancelledError}
