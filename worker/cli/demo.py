"""`calpatch demo`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow
from worker.cli.talk import give, give_table, plural, tell
from worker.model import Policy
from worker.report import Snapshot, write_results
from worker.rules import format_seconds

if TYPE_CHECKING:
    from worker.cli.demo_proof import Check
    from worker.cli.private_world import World

#: seconds for the campaign; the rest of the demo's minute and a half is starting and proving
WAIT_S = 70.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", epilog="Example: calpatch demo --out ./demo-results")(demo)


def demo(
    *,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = Path("demo-results"),
    accounts: Annotated[int, typer.Option(min=1, max=50, help="People to make up.")] = 6,
    events: Annotated[int, typer.Option(min=10, max=2000, help="Events for each.")] = 200,
) -> None:
    """Run a real campaign on your machine alone: over a thousand edits, proven one by one.

    It starts a Valkey, a simulated Cronofy with its rate limit, two workers and the clock, submits
    an edit for every event, shows them live, writes the results, and holds each of them against
    the simulator's calendars. Nothing leaves the machine; it takes about half a minute.
    """
    from worker.cli.demo_world import demo_world

    began_s = time.monotonic()
    with demo_world(accounts=accounts, events=events, say=tell) as world:
        look = _campaign(world, out)
        proof = _proof(world, out, look)
    took = format_seconds(time.monotonic() - began_s)
    _give_proof(proof)
    wrong = sum(not check.holds for check in proof)
    if wrong:
        tell(f"calpatch: {plural(wrong, 'claim')} did not hold; the logs are in {out / 'logs'}")
        raise typer.Exit(ExitCode.INTERNAL)
    tell(f"All of it holds, after {took}. Every line with its outcome: {out}/*.csv")


def _campaign(world: World, out: Path) -> Snapshot:
    """Submit the edits, show them live, write the results."""
    from worker.cli.demo_world import EDITS
    from worker.intake.producer import Order, submit

    with opened_store(world.settings) as store:
        placed = submit(
            world.settings,
            store,
            path=str(world.folder / EDITS),
            order=Order(
                key="demo", reason="Show that it works", owner="calpatch demo", policy=Policy()
            ),
        )
        look, code = follow(
            world.settings, store, placed.campaign.id, wait_s=WAIT_S, check=world.check
        )
        write_results(store, look, folder=out)
        entries, breaks = store.audit.verify()
    if code is ExitCode.STILL_RUNNING or breaks:
        _keep_logs(world, out)
    tell(f"{plural(entries, 'audit line')} chained, {plural(len(breaks), 'break')}")
    return look


def _proof(world: World, out: Path, look: Snapshot) -> list[Check]:
    from worker.cli.demo_proof import Check, prove
    from worker.limits import parse_rate

    rate = parse_rate(world.settings.rate)
    proof = prove(
        out,
        submitted=look.campaign.total,
        simulator_url=world.simulator_url,
        limits={f"{span:g}s": requests for requests, span in rate.windows},
    )
    proof.insert(0, Check("campaign at its end", "yes", "yes" if look.has_ended else "no"))
    if not all(check.holds for check in proof):
        _keep_logs(world, out)
    return proof


def _keep_logs(world: World, out: Path) -> None:
    """Keep what the processes said, for whoever has to find out."""
    folder = out / "logs"
    folder.mkdir(exist_ok=True)
    for log in world.folder.glob("*.log"):
        shutil.copy(log, folder)


def _give_proof(proof: list[Check]) -> None:
    from rich.text import Text

    holds, fails = Text("✓", style="green"), Text("✗", style="bold red")
    rows = [
        (holds if check.holds else fails, check.claim, check.expected, check.found)
        for check in proof
    ]
    give("")
    give_table(("", "claim", "expected", "found"), rows, right="expected,found", texts="claim")
