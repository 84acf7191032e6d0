"""`serve`: a simulator as a process, for `calpatch simulate` and `python -m worker.simulator`."""

import asyncio
import gc
import signal
import sys
from datetime import UTC, datetime

from worker.simulator.faults import load_faults
from worker.simulator.options import SimulateOptions
from worker.simulator.records import Journal
from worker.simulator.seeds import (
    seed_ics,
    seed_people,
    seed_world,
    write_accounts_csv,
    write_edits_csv,
)
from worker.simulator.server import SimulatorServer
from worker.simulator.simulator import Simulator


def serve(options: SimulateOptions) -> None:
    """Serves until SIGINT or SIGTERM. ValueError and OSError say what is wrong with the options."""
    with Journal(options.log) as journal:
        sim = Simulator(options.behaviour, journal=journal)
        build_world(sim, options)
        asyncio.run(_serve(sim, options))


def build_world(sim: Simulator, options: SimulateOptions) -> None:
    """Seeds people and calendars, arms faults, writes the CSV files."""
    today = options.today or datetime.now(UTC).date()
    seed = options.behaviour.seed
    if options.faults:
        sim.faults.add(*load_faults(options.faults))
    seed_people(sim, accounts=options.accounts, events=options.events, seed=seed, today=today)
    seed_ics(sim, options.ics, today=today)
    if options.world:
        seed_world(sim, options.world)
    if options.accounts_out:
        write_accounts_csv(sim, options.accounts_out)
    if options.edits_out:
        hinted = options.share_hinted
        write_edits_csv(sim, options.edits_out, limit=options.edits_limit, share_hinted=hinted)
    # A hundred thousand events that live for ever: the collector need not look at them again.
    gc.freeze()


def told_to_stop() -> asyncio.Event:
    """The event that SIGINT and SIGTERM set from now on."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _serve(sim: Simulator, options: SimulateOptions) -> None:
    stopping = told_to_stop()
    async with SimulatorServer(sim, options.host, options.port, control=options.control) as server:
        size = f"{len(sim.accounts)} accounts, {len(sim.events)} events"
        sys.stderr.write(f"calpatch simulator listening on {server.url} ({size})\n")
        sys.stderr.flush()
        await stopping.wait()
