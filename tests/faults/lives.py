"""Processes that work until a campaign has ended, or until they are killed at a crash point.

`python -m tests.faults.lives` imports everything once and then forks one process for each order
that it reads, a JSON object a line: so a life costs milliseconds instead of an interpreter's start.
A life is real: its own connections, event loop and memory, and SIGKILL ends it wherever it stands.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from pydantic import SecretStr

from tests.world import an_engine, drain
from worker import points
from worker.model import ENDED
from worker.settings import Settings
from worker.store import Database, Store
from worker.tokens import Vault

#: seconds that a life may take
LONGEST_S = 30.0
#: a message that nobody took is sent again after so long
RESEND_AFTER_S = 0.3


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One life: what it works on, and where it dies (a point, and the how manieth time)."""

    settings: dict[str, Any]
    campaign: str
    owner: str
    point: str = ""
    at: int = 0
    #: a worker of Celery with its clock, by way of Redis; otherwise the engine alone
    celery: bool = False
    #: the clock announces what is due; without it only messages do that are there already
    beats: bool = True


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a life ended: by exit code or, below zero, by signal; and which points it reached."""

    code: int
    reached: dict[str, int] = {}

    @property
    def was_killed(self) -> bool:
        """Tell whether the life ended at its crash point."""
        return self.code == -signal.SIGKILL


class Lives:
    """The process that forks, as its user sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def live(self, order: Order) -> End:
        """Have one life lived, and return how it ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        answer = await self._process.stdout.readline()
        assert answer, "the process that forks has gone"
        return msgspec.json.decode(answer, type=End)


@asynccontextmanager
async def lives(folder: Path) -> AsyncIterator[Lives]:
    """Start the process that forks; what lives say is in `lives.log` in the folder."""
    with (folder / "lives.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.lives", str(folder),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=log,
        )  # fmt: skip
    try:
        yield Lives(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def plain(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON can carry them."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump(exclude_none=True).items()
    }


# ---------------------------------------------------------------- in the other process


def main(folder: Path) -> None:
    """Fork one life for each order on stdin, and tell its end on stdout."""
    tally = folder / "reached.json"
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what lives print is for the log
    for line in sys.stdin.buffer:
        tally.unlink(missing_ok=True)
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if pid == 0:
            _live(order, tally)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        reached = json.loads(tally.read_text()) if tally.exists() else {}
        answers.write(msgspec.json.encode(End(code=code, reached=reached)) + b"\n")
        answers.flush()


def _live(order: Order, tally: Path) -> NoReturn:
    code = 1
    try:
        reached = _listen(order)
        if order.celery:
            _work_for_celery(order, lambda: tally.write_text(json.dumps(reached)))
        asyncio.run(_work(order))
        tally.write_text(json.dumps(reached))
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _listen(order: Order) -> Mapping[str, int]:
    """Count the points, and die at the one that is ordered."""
    reached: Counter[str] = Counter()
    lock = threading.Lock()

    def note(name: str) -> None:
        with lock:
            reached[name] += 1
            if name == order.point and reached[name] == order.at:
                os.kill(os.getpid(), signal.SIGKILL)

    points.listen(note)
    return reached


async def _work(order: Order) -> None:
    settings = Settings.model_validate(order.settings)
    store = Store(Database(settings.database_url), keyring=Vault(settings.keys))
    async with (
        asyncio.timeout(LONGEST_S),
        an_engine(settings, store=store, owner=order.owner) as engine,
    ):
        await drain(engine, order.campaign, resend_after_s=RESEND_AFTER_S)


def _work_for_celery(order: Order, tell: Callable[[], object]) -> NoReturn:
    """Be a worker of Celery, as deployed, with a clock in a thread beside it."""
    os.environ.update({f"CALPATCH_{name.upper()}": str(it) for name, it in order.settings.items()})
    from kombu.message import Message

    from tasks.celery import app
    from tasks.upkeep import sweep_once

    acknowledge = Message.ack

    def ack(self: Message, *arguments: Any, **named: Any) -> None:
        points.reach("ack.before")
        acknowledge(self, *arguments, **named)
        points.reach("ack.after")

    Message.ack = ack
    store = Store(Database(order.settings["database_url"]))

    def beat() -> None:
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            if order.beats:
                sweep_once()
            campaign = store.campaigns.get(order.campaign)
            if campaign is not None and campaign.state in ENDED:
                tell()
                os._exit(0)
            threading.Event().wait(0.1)
        os._exit(2)

    threading.Thread(target=beat, daemon=True).start()
    app.Worker(
        pool="threads", concurrency=2, loglevel="WARNING", hostname=f"{order.owner}@test",
        without_gossip=True, without_mingle=True, without_heartbeat=True,
    ).start()  # fmt: skip
    os._exit(3)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
