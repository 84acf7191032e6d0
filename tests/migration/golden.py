"""What each version leaves behind for later ones to take over: rows, messages, code.

`python -m tests.migration.golden` writes those of this version, once, when it is released; they are
never changed afterwards. A version's folder has the rows of a campaign that was stopped in the
middle, with every state that an edit can wait in, the provider's calendars at that moment, the
messages as they lay in Redis, and a wheel; from 0.3.0 on a plan that waits for its approval as
well, and one that waits for its canary.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import redis
from sqlalchemy import MetaData, Table, select, text

from tests.world import ACCOUNT, HOUR, World, a_world
from worker import __version__
from worker.dispatch import Publisher, message_lists, relay
from worker.embedded import valkey_server
from worker.model import CampaignState, Patch, Policy, Run
from worker.run import run_chunk
from worker.settings import Settings
from worker.simulator import Behaviour, Fault, Simulator
from worker.simulator.acts import Drop, Reset
from worker.simulator.faults import Match
from worker.simulator.moments import moment_of
from worker.simulator.records import WriteRecord
from worker.simulator.values import Account, Calendar, Event
from worker.store import Database
from worker.store.tables import metadata
from worker.verify import verify_account

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "golden"
#: numbered by the database itself
_OWN_NUMBERS = frozenset({"audit", "calls"})
#: seconds that its plans hold: databases have the time of whoever takes over
LONG_S = 10**9
_STORED = "%Y-%m-%d %H:%M:%S.%f"


class Provider(msgspec.Struct, kw_only=True):
    """The provider's calendars and log of writes, and when that was."""

    at: float
    vault_key: str
    accounts: list[Account]
    calendars: list[Calendar]
    #: as JSON: of start and end the form tells the type
    initial: list[dict[str, Any]]
    events: list[dict[str, Any]]
    writes: list[WriteRecord]
    campaigns: list[str]
    revision: str


def versions() -> list[Path]:
    """Return the folders of all versions, oldest first."""
    return sorted(path for path in FOLDER.iterdir() if path.is_dir())


# ---------------------------------------------------------------- taking over


def provider_of(folder: Path) -> Provider:
    """Read what the provider knew."""
    return msgspec.json.decode((folder / "provider.json").read_bytes(), type=Provider)


def simulator_of(provider: Provider, clock: Callable[[], float]) -> Simulator:
    """Return a simulator that goes on from there."""
    sim = Simulator(Behaviour(rate=(), lag_s=0.02), clock=clock)
    for account in provider.accounts:
        sim.add_account(account)
    for calendar in provider.calendars:
        sim.accounts[calendar.sub].calendar_ids.remove(calendar.calendar_id)
        sim.add_calendar(calendar)
    for event in provider.initial:
        sim.add_event(_event(event))
    for event in provider.events:
        sim.put(_event(event))
    sim.writes.extend(provider.writes)
    return sim


def _event(fields: dict[str, Any]) -> Event:
    hints = {each.name: each.type for each in msgspec.structs.fields(Event)}
    times = {name: moment_of(fields[name]) for name in ("start", "end")}
    rest = {name: it for name, it in fields.items() if name not in times}
    return Event(**times, **{name: msgspec.convert(it, hints[name]) for name, it in rest.items()})


def load(folder: Path, database: Database) -> None:
    """Fill a database that has the version's tables with its rows."""
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    with database.begin() as connection:
        tables = MetaData()
        for name in sorted({one["table"] for one in rows} - {"audit"}):
            # What the migration wrote is among the rows as well.
            connection.execute(Table(name, tables, autoload_with=connection).delete())
        for one in rows:
            table = Table(one["table"], tables, autoload_with=connection)
            values = {name: _restored(it, database) for name, it in one["row"].items()}
            connection.execute(table.insert().values(values))


def _restored(value: Any, database: Database) -> Any:
    if not isinstance(value, Mapping):
        return value
    ((kind, told),) = value.items()
    if kind == "bytes":
        return base64.b64decode(told)
    if kind == "date":
        return date.fromisoformat(told)
    moment = datetime.fromisoformat(told).astimezone(UTC)
    return moment.strftime(_STORED) if database.is_sqlite else moment


# ---------------------------------------------------------------- leaving behind


def make(folder: Path) -> None:
    """Write what this version leaves behind."""
    folder.mkdir(parents=True)
    asyncio.run(_make_data(folder))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


async def _make_data(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{Path(place) / 'calpatch.db'}"
        async with a_world(url, behaviour=Behaviour(rate=(), lag_s=0.02), batch_size=2) as world:
            campaigns = await _half_done(world)
            (folder / "provider.json").write_bytes(_provider(world, campaigns))
            (folder / "rows.jsonl").write_text("".join(_rows(world.store.database)))
            (folder / "messages.json").write_text(_messages(world))


async def _half_done(world: World) -> list[str]:
    """Leave edits in every state that they can wait in, and some that have ended."""
    world.add_account()
    for number in range(14):
        world.add_event(number, recurring=number == 12)
    earlier = world.submit([13], key="earlier", policy=Policy(verify="none"))
    await world.drain(earlier)
    patches = {number: Patch(move=HOUR) for number in range(13)} | {3: Patch(summary="Renamed")}
    campaign = world.submit(patches, key="golden", chunk_size=2)
    again = world.submit([13], key="again", hinted=False)
    await run_chunk(world.engine, f"{campaign}.1")
    await asyncio.sleep(0.1)
    await verify_account(world.engine, ACCOUNT)  # the first chunk is proven
    await run_chunk(world.engine, f"{campaign}.2")  # the second is accepted
    await asyncio.sleep(0.1)
    for number, route, act in (
        (3, "batch", Reset(taken=True)), (4, "batch", Reset()), (5, "write", Drop()),
    ):  # fmt: skip
        world.sim.faults.add(Fault(act=act, match=Match(route=route)))  # type: ignore[arg-type]
        await run_chunk(world.engine, f"{campaign}.{number}")  # in doubt, and taken or not
    await asyncio.sleep(0.1)
    world.store.chunks.claim(f"{campaign}.6", owner="gone:1", lease_s=1.0)  # of a dead worker
    return [earlier, campaign, again, await _unapproved(world), await _behind_its_canary(world)]


async def _unapproved(world: World) -> str:
    """Leave a plan that waits for its approval."""
    world.add_event(14)
    world.add_event(15)
    campaign = world.submit([14, 15], key="planned", run=Run(plan_holds_s=LONG_S))
    await run_chunk(world.engine, f"{campaign}.1")
    assert world.state_of(campaign) is CampaignState.AWAITING_APPROVAL
    return campaign


async def _behind_its_canary(world: World) -> str:
    """Leave a plan that has begun, with one edit that is sent, and two that wait for its proof."""
    for number in (16, 17, 18):
        world.add_event(number)
    campaign = world.submit(
        [16, 17, 18], key="canary", run=Run(plan_holds_s=LONG_S, is_automatic=True, canary=1)
    )
    await run_chunk(world.engine, f"{campaign}.1")
    assert world.state_of(campaign) is CampaignState.RUNNING
    with world.store.database.read() as connection:
        due = text("SELECT id FROM chunks WHERE campaign_id = :id AND retry_at IS NULL")
        [chunk] = connection.execute(due, {"id": campaign}).scalars().all()
    await run_chunk(world.engine, chunk)
    return campaign


def _provider(world: World, campaigns: list[str]) -> bytes:
    sim = world.sim
    sim.settle(all_of_them=True)
    return msgspec.json.format(
        msgspec.json.encode(
            Provider(
                at=time.time(),
                vault_key=world.engine.settings.keys[0],
                accounts=list(sim.accounts.values()),
                calendars=list(sim.calendars.values()),
                initial=_plain(sim.initial.values()),
                events=_plain(sim.events.values()),
                writes=sim.writes,
                campaigns=campaigns,
                revision=_revision(world.store.database),
            )
        ),
        indent=1,
    )


def _plain(events: Iterable[Event]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in events]


def _revision(database: Database) -> str:
    from worker.store import versions as of

    return str(of(database)[0])


def _rows(database: Database) -> Iterator[str]:
    with database.read() as connection:
        for table in metadata.sorted_tables:
            order = table.c.id if table.name in _OWN_NUMBERS else next(iter(table.primary_key))
            for row in connection.execute(select(table).order_by(order)):
                values = {
                    name: _told(it)
                    for name, it in row._mapping.items()
                    if not (name == "id" and table.name in _OWN_NUMBERS)
                }
                yield json.dumps({"table": table.name, "row": values}) + "\n"


def _told(value: Any) -> Any:
    match value:
        case bytes():
            return {"bytes": base64.b64encode(value).decode()}
        case datetime():
            return {"at": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case _:
            return value


def _messages(world: World) -> str:
    """Return the messages of this version as they lie in Redis: of chunks, and of a read-back."""
    with valkey_server() as server, redis.Redis.from_url(server.url) as client:
        settings = Settings.load({"CALPATCH_REDIS_URL": server.url})
        with Publisher(settings) as publisher:
            relay(world.store, publisher, settings)
        found = [
            json.loads(message)
            for name in message_lists("bulk")
            for message in client.lrange(name, 0, -1)  # type: ignore[union-attr]
        ]
    for one in found:
        one["headers"]["origin"] = "golden"  # it names the machine
    return json.dumps(found, indent=1)


if __name__ == "__main__":
    make(FOLDER / __version__)
