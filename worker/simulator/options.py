"""What `serve` needs to know, and how a command line tells it."""

import argparse
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from msgspec import Struct

from worker.simulator.behaviour import Behaviour, changed_behaviour, read_switches


class SimulateOptions(Struct, frozen=True, kw_only=True):
    """Everything about one run of the simulator."""

    host: str = "127.0.0.1"
    #: 0 chooses a free one; the line on stderr tells which.
    port: int = 9001
    accounts: int = 5
    #: Generated events an account.
    events: int = 50
    behaviour: Behaviour = Behaviour()
    ics: tuple[Path, ...] = ()
    #: A copied world (seeds/worlds.py).
    world: Path | None = None
    #: False: nobody looks in or meddles by /_sim/, for what is served is of real people.
    control: bool = True
    faults: Path | None = None
    accounts_out: Path | None = None
    edits_out: Path | None = None
    #: At most this many rows in `edits_out`.
    edits_limit: int | None = None
    share_hinted: float = 1.0
    #: Every request and write as a JSON line.
    log: Path | None = None
    #: None = today.
    today: date | None = None


def read_options(arguments: Sequence[str] | None = None) -> SimulateOptions:
    """Options from a command line; exits with 2 and one clear line when they make no sense."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    try:
        given["behaviour"] = _behaviour(given.pop("rate"), given.pop("seed"), given.pop("switches"))
    except ValueError as error:
        parser.error(str(error))
    given["ics"] = tuple(given["ics"])
    return SimulateOptions(**given)


def _behaviour(rate: str | None, seed: int | None, pairs: list[str]) -> Behaviour:
    changes = read_switches(pairs)
    if rate is not None:
        changes["rate"] = rate
    if seed is not None:
        changes["seed"] = seed
    return changed_behaviour(Behaviour(), changes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m worker.simulator",
        description="A local Cronofy over HTTP, for trying things out.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=9001, help="0 chooses a free one")
    add("--accounts", type=int, default=5, help="generated people")
    add("--events", type=int, default=50, help="generated events a person")
    add(
        "--ics",
        type=Path,
        nargs="*",
        action="extend",
        default=[],
        help="iCalendar files, one account each",
    )
    add("--world", type=Path, help="a file of copied calendars")
    add("--no-control", dest="control", action="store_false", help="without /_sim/")
    add("--accounts-out", type=Path, help="write the accounts and their tokens as CSV")
    add("--edits-out", type=Path, help="write a campaign over the events as CSV")
    add("--edits-limit", type=int, help="at most this many rows")
    add("--share-hinted", type=float, default=1.0, help="share of rows with a date_hint")
    add("--faults", type=Path, help="fault script, JSON or JSON lines")
    add("--rate", help="like 50/s,500/min; off = no limit")
    add("--seed", type=int, help="seed of people, lags and drops")
    add(
        "--behaviour",
        dest="switches",
        nargs="*",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="switches of the service; repeatable",
    )
    add("--log", type=Path, help="every request and write as a JSON line")
    add("--today", type=date.fromisoformat, help="the day around which people are generated")
    return parser
