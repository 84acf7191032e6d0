"""Where a worker's processor time goes: `python -m tests.benchmarks --profile dense`.

The chunk path runs in this process against a provider in another one, without limit and latency,
on an SQLite file. It runs twice: once as it is, for the milliseconds per edit; once with SQL in the
same thread and a timer that looks at the stack each millisecond of processor time, for the table.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace as changed

from tests.accounts_file import import_accounts
from tests.benchmarks.processes import a_provider
from tests.benchmarks.scenarios import Scenario
from tests.world import World, a_world
from worker import logs
from worker.intake.producer import Order, submit
from worker.model import ENDED, Policy
from worker.settings import Settings
from worker.tokens import Vault, generate_key

#: seconds of processor time between two looks
EVERY_S = 0.001
#: The innermost frame that matches tells to whom a moment belongs; the rest is somebody's tool.
GROUPS = (
    ("audit hashes", ("worker/store/chains", "hashlib")),
    ("SQL: the database itself", ("DefaultDialect.do_",)),
    ("SQL: our statements and rows", ("worker/store/",)),
    ("SQL: SQLAlchemy", ("/sqlalchemy/", "/psycopg/", "/sqlite3/")),
    ("HTTP (aiohttp)", ("/aiohttp/", "/yarl/", "/multidict/")),
    ("JSON and wire", ("worker/cronofy/",)),
    ("rules", ("worker/rules/",)),
    ("limiter", ("worker/limits/", "/redis/")),
    ("tokens", ("worker/tokens/", "/cryptography/")),
    ("the run (worker/run, verify, engine)", ("worker/run", "worker/verify", "worker/engine")),
    ("logs", ("/structlog/", "/logging/", "worker/logs")),
    ("asyncio", ("/asyncio/", "/selectors.py", "/concurrent/")),
)
OTHER = "other"


class InPlace(Executor):
    """Runs at once, in the thread that asks: so one timer sees everything."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:  # a future's business is to carry it
            done.set_exception(error)
        return done


@dataclass(slots=True)
class Samples:
    """Processor time by group and by function, each look weighted by the time since the last."""

    groups: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    own: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    within: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    last_s: float = 0.0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look while the block runs."""
        self.last_s = time.thread_time()
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, _: int, frame: FrameType | None) -> None:
        now_s = time.thread_time()
        spent_s, self.last_s = now_s - self.last_s, now_s
        stack = list(_outwards(frame))
        if not stack:
            return
        self.groups[group_of([f"{path}:{function}" for path, function in stack])] += spent_s
        self.own[_named(*stack[0])] += spent_s
        for name in {_named(*one) for one in stack if "/worker/" in one[0]}:
            self.within[name] += spent_s


def _outwards(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_code.co_qualname
        frame = frame.f_back


def _named(path: str, function: str) -> str:
    return f"{'/'.join(Path(path).parts[-2:])}:{function}"


def group_of(stack: list[str]) -> str:
    """Return to whom a stack of `path:function` belongs, innermost first."""
    for frame in stack:
        for name, marks in GROUPS:
            if any(mark in frame for mark in marks):
                return name
    return OTHER


def profile(scenario: Scenario) -> None:
    """Print milliseconds per edit, and where they go."""
    alone = unlimited(scenario)
    plain_s = asyncio.run(_measured(alone, None))
    per_edit = 1000 * plain_s / alone.edits
    _say(f"{alone.name}: {alone.edits} edits, {plain_s:.2f} s CPU, {per_edit:.3f} ms per edit")
    samples = Samples()
    sampled_s = asyncio.run(_measured(alone, samples))
    _say(f"one thread, sampled: {1000 * sampled_s / alone.edits:.3f} ms per edit\n")
    for title, counted, most in (
        ("where it goes", samples.groups, len(GROUPS) + 1),
        ("own time by function", samples.own, 30),
        ("time within our functions, callees included", samples.within, 45),
    ):
        _print_shares(title, counted, most=most, edits=alone.edits)


def unlimited(scenario: Scenario) -> Scenario:
    """Return the scenario without limit and latency."""
    return changed(scenario, rate="", latency_s=(0.0, 0.0))


def _print_shares(title: str, counted: dict[str, float], *, most: int, edits: int) -> None:
    _say(f"{title:60} ms/edit")
    for name, spent_s in sorted(counted.items(), key=lambda one: -one[1])[:most]:
        _say(f"  {name:60} {1000 * spent_s / edits:.4f}")
    _say("")


@asynccontextmanager
async def a_profiled_world(scenario: Scenario) -> AsyncIterator[tuple[World, str]]:
    """Open an engine on an SQLite file against a provider elsewhere, with a campaign to run."""
    logs.configure(Settings.load({"CALPATCH_LOG_LEVEL": "WARNING"}))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with a_provider(scenario, folder) as (url, _):
            async with a_world(
                f"sqlite:///{folder / 'profile.db'}",
                api_url=url,
                rate="unlimited",
                batch_counts_as=scenario.batch_counts_as,
                lease=30.0,
                verify_delay=1.0,
                verify_within=900.0,
                chunk_budget=Settings.load({}).chunk_budget,
                calendars_ttl=86400.0,
                vault_keys=generate_key(),
            ) as world:
                world.engine = replace(world.engine, vault=Vault(world.engine.settings.keys))
                yield world, _submitted(world, folder)


async def _measured(scenario: Scenario, samples: Samples | None) -> float:
    """Run the campaign to its end; returns the processor time from its submission on."""
    async with a_profiled_world(scenario) as (world, campaign):
        if samples is not None:
            world.engine = replace(world.engine, threads=InPlace())
        began_s = time.process_time()
        with samples.looking() if samples is not None else nullcontext():
            await until_done(world, campaign)
        return time.process_time() - began_s


def _submitted(world: World, folder: Path) -> str:
    settings = world.engine.settings
    import_accounts(folder / "accounts.csv", world.store, settings)
    with patch(
        "worker.intake.producer.announce", return_value=""
    ):  # nobody listens: `step` does the work
        submitted = submit(
            settings,
            world.store,
            path=str(folder / "edits.csv"),
            order=Order(key="profile", reason="benchmark", owner="benchmark", policy=Policy()),
        )
    return submitted.campaign.id


async def until_done(world: World, campaign: str) -> None:
    """Do what clock and workers would, until the campaign has ended."""
    while True:
        busy = await world.step()
        found = world.store.campaigns.get(campaign)
        if found is not None and found.state in ENDED:
            return
        if not busy:
            await asyncio.sleep(0.05)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
