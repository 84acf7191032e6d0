"""`make soak MINUTES=10`: a large campaign while everything around it fails, again and again.

Troubles of `troubles.py` come one after the other, sometimes two at a time, as a seed says; after
each the campaign must go on by itself. At the end everything is healed, the campaign ends, and the
auditor judges. Exit code 0 means: nothing lost, unexpected or duplicated, and no recovery was too
long. `--out` writes the table of README's reliability section.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.auditor import Verdict
from tests.faults.rounds import every
from tests.faults.soak.troubles import TROUBLES, End, Place, Trouble
from tests.faults.soak.watch import Watch, is_sent, progress
from tests.fleet import Fleet, a_fleet, pause
from tests.runs import submitted
from worker.embedded import PostgresServer, postgres_server
from worker.model import ENDED

#: seconds; invariant I5 of the fault matrix
LONGEST_RECOVERY_S = 30.0
#: seconds that a campaign may take to end once nothing fails any more
LONGEST_END_S = 900.0
#: seconds between two looks at the workers' memory
LOOK_S = 2.0
#: a second trouble while the first lasts, so often
TWO_AT_ONCE = 0.25
PEOPLE = 40
BATCH = 5
#: edits that a batch, read or proof takes on average, and the part of the time that troubles leave
EDITS_A_CALL, CALM_PART = 6.0, 0.68


class Tally(msgspec.Struct, kw_only=True):
    """What came of one kind of trouble; `longest_s` is the longest recovery after it."""

    rows: str
    times: int = 0
    longest_s: float = 0.0


class Result(msgspec.Struct, kw_only=True):
    """A whole soak."""

    seed: int
    minutes: float
    database: str
    delivery: str
    edits: int
    seconds: float
    calm_edits_a_minute: float
    edits_a_minute: float
    writes: int
    recovered: int
    restarts: int
    lost: int
    unexpected: int
    duplicated: int
    broken: int
    most_in_window: int
    limit: int
    peak_mb: float
    slope_mb_a_minute: float | None
    most_files: int
    troubles: dict[str, Tally] = {}
    outcomes: dict[str, int] = {}

    @property
    def longest_s(self) -> float:
        """The longest recovery of all."""
        return max((each.longest_s for each in self.troubles.values()), default=0.0)

    @property
    def is_well(self) -> bool:
        """Tell whether every promise was kept."""
        found = self.lost + self.unexpected + self.duplicated + self.broken
        within = self.most_in_window <= self.limit
        return not found and within and self.longest_s <= LONGEST_RECOVERY_S


@dataclass(slots=True)
class Soak:
    """One run over a fleet."""

    place: Place
    campaign: str
    until: float
    tallies: dict[str, Tally] = field(default_factory=dict)

    def run(self) -> None:
        """Make trouble until the time is over or the campaign has ended."""
        kinds = [one for one in TROUBLES if self.place.postgres or not one.needs_postgres]
        queue: list[Trouble] = []
        while time.monotonic() < self.until and not self._is_sent():
            # Each kind once before any comes again.
            queue = queue or self.place.rng.sample(kinds, len(kinds))
            now = [queue.pop()]
            others = [one for one in queue if one.where != now[0].where]
            if others and self.place.rng.random() < TWO_AT_ONCE:
                now.append(others[0])
                queue.remove(others[0])
            self._trouble(now)
            pause(self.place.rng.uniform(1.0, 4.0))

    def _trouble(self, kinds: list[Trouble]) -> None:
        names = " + ".join(one.name for one in kinds)
        say(f"{names}")
        ends: list[End] = [one.begin(self.place) for one in kinds]
        pause(max(self.place.rng.uniform(*one.lasts) for one in kinds))
        for end in ends:
            end()
        took = self._recovery()
        say(f"  goes on after {took:.1f} s")
        for one in kinds:
            tally = self.tallies.setdefault(one.name, Tally(rows=one.rows))
            tally.times += 1
            tally.longest_s = max(tally.longest_s, took)

    def _recovery(self) -> float:
        """Wait for the first edit that moves on after the trouble; returns how long that took.

        Once everything is sent, what is not proven waits longer each time, trouble or none.
        """
        began = time.monotonic()
        fleet = self.place.fleet
        before = progress(fleet, self.campaign)
        while time.monotonic() - began < 4 * LONGEST_RECOVERY_S and not self._is_sent():
            now = progress(fleet, self.campaign)
            if now > before >= 0:
                break
            before = max(before, now)
            pause(0.1)
        return time.monotonic() - began

    def _is_sent(self) -> bool:
        return is_sent(self.place.fleet, self.campaign)


def has_ended(fleet: Fleet, campaign: str) -> bool:
    """Tell whether the campaign has ended, as far as SQL can be asked."""
    if progress(fleet, campaign) < 0:
        return False
    found = fleet.store.campaigns.get(campaign)
    return found is not None and found.state in ENDED


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def wait_for_end(fleet: Fleet, campaign: str, *, within_s: float) -> float:
    """Wait until a campaign has ended; returns how many seconds that took."""
    began = time.monotonic()
    while not has_ended(fleet, campaign):
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"the campaign does not end:\n{fleet.logs()[-3000:]}")
        pause(0.5)
    return time.monotonic() - began


def settings_for(rate: str, delivery: str) -> dict[str, str]:
    """Return what the deployment sets: the defaults, but for the pace and the time for proof."""
    defaults = ("LEASE", "SETTLE", "VERIFY_DELAY", "SHUTDOWN_GRACE")
    return {f"CALPATCH_{name}": "" for name in defaults} | {
        "CALPATCH_RATE": rate,
        "CALPATCH_BATCH_SIZE": str(BATCH),
        "CALPATCH_DELIVERY": delivery,
        # Writes that the API has lost are given up after a quarter of an hour otherwise.
        "CALPATCH_VERIFY_WITHIN": "2m",
    }


def provider(rate: str, *, people: int, events: int) -> list[str]:
    """Return how the simulator is to be: with answers and effects that take their time."""
    return [
        "--accounts", str(people), "--events", str(events), "--rate", rate,
        "--behaviour", "latency_s=[0.05,0.3]", "lag_s=0.3", "lag_max_s=1.5",
    ]  # fmt: skip


def calm_pace(rate: str, delivery: str) -> float:
    """Return the edits a minute of an eighth of the campaign when nothing fails."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calpatch-")))
        fleet = stack.enter_context(
            a_fleet(
                folder,
                stack.enter_context(postgres_server()).create_database(),
                simulate=provider(rate, people=PEOPLE // 8, events=500),
                workers=3,
                settings=settings_for(rate, delivery),
                supervised=True,
            )
        )
        campaign = submitted(fleet)
        seconds = wait_for_end(fleet, campaign, within_s=LONGEST_END_S)
        found = fleet.store.campaigns.get(campaign)
        assert found is not None
        return 60 * found.total / seconds


def soak(chosen: argparse.Namespace) -> Result:
    """Run one soak and return what came of it."""
    events = -(-chosen.edits // PEOPLE)
    a_second = chosen.edits / EDITS_A_CALL / (chosen.minutes * 60 * CALM_PART)
    limit = max(10, round(a_second * 10))
    rate = f"{limit}/10s"
    say(f"seed {chosen.seed}; calm run first, at {rate}")
    calm = calm_pace(rate, chosen.delivery)
    say(f"calm: {calm:.0f} edits a minute")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calpatch-")))
        postgres: PostgresServer | None = None
        url = f"sqlite:///{folder / 'calpatch.db'}"
        if chosen.database == "postgresql":
            postgres = stack.enter_context(postgres_server())
            url = postgres.create_database()
        fleet = stack.enter_context(
            a_fleet(
                folder,
                url,
                simulate=provider(rate, people=PEOPLE, events=events),
                workers=3,
                settings=settings_for(rate, chosen.delivery),
                through={"redis", "api"} | ({"database"} if postgres else set()),
                supervised=True,
            )
        )
        watch = Watch(fleet)
        stack.enter_context(every(LOOK_S, watch.look))
        began = time.monotonic()
        campaign = submitted(fleet)
        place = Place(fleet, postgres, random.Random(chosen.seed))
        run = Soak(place, campaign, until=began + chosen.minutes * 60)
        run.run()
        say("all is healed; the campaign ends")
        wait_for_end(fleet, campaign, within_s=LONGEST_END_S)
        seconds = time.monotonic() - began
        verdict = fleet.audit_run()
        say(str(verdict))
        return _result(chosen, run, watch, verdict, limit=limit, seconds=seconds, calm=calm)


def _result(
    chosen: argparse.Namespace,
    run: Soak,
    watch: Watch,
    verdict: Verdict,
    *,
    limit: int,
    seconds: float,
    calm: float,
) -> Result:
    fleet = run.place.fleet
    stats = fleet.simulator_lines("stats")[0]
    counts: dict[str, int] = {}
    for (state, code), number in fleet.store.reading.counts(run.campaign).items():
        counts[f"{state} {code}"] = number
    return Result(
        seed=chosen.seed,
        minutes=chosen.minutes,
        database=chosen.database,
        delivery=chosen.delivery,
        edits=verdict.edits,
        seconds=seconds,
        calm_edits_a_minute=calm,
        edits_a_minute=60 * verdict.edits / seconds,
        writes=verdict.writes,
        recovered=verdict.recovered,
        restarts=fleet.restarts,
        lost=len(verdict.lost),
        unexpected=len(verdict.unexpected),
        duplicated=len(verdict.duplicated),
        broken=len(verdict.broken),
        most_in_window=stats["busiest"]["10s"],
        limit=limit,
        peak_mb=watch.peak_mb,
        slope_mb_a_minute=watch.slope_mb_a_minute,
        most_files=watch.most_files,
        troubles=run.tallies,
        outcomes=dict(sorted(counts.items())),
    )


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = ["| fault | rows | times | longest recovery |", "|---|---|---|---|"]
    for name, each in sorted(result.troubles.items()):
        lines.append(f"| {name} | {each.rows} | {each.times} | {each.longest_s:.1f} s |")
    times = sum(each.times for each in result.troubles.values())
    lines.append(f"| **all** | | **{times}** | **{result.longest_s:.1f} s** |")
    return "\n".join(lines) + "\n"


def summary(result: Result) -> str:
    """Return the result in a few lines."""
    slope = result.slope_mb_a_minute
    memory = "too short to tell" if slope is None else f"{slope:+.2f} MB a minute"
    facts: Mapping[str, Any] = {
        "edits": f"{result.edits:,} in {result.seconds:.0f} s, {result.edits_a_minute:.0f} a"
        f" minute (calm: {result.calm_edits_a_minute:.0f})",
        "faults": sum(each.times for each in result.troubles.values()),
        "processes started again": result.restarts,
        "edits in doubt or sent again": result.recovered,
        "lost, unexpected, duplicated": f"{result.lost}, {result.unexpected}, {result.duplicated}",
        "otherwise broken": result.broken,
        "longest recovery": f"{result.longest_s:.1f} s",
        "busiest window": f"{result.most_in_window} of {result.limit} calls",
        "memory of a worker": f"at most {result.peak_mb:.0f} MB, {memory}",
        "open files of a worker": f"at most {result.most_files}",
        "outcomes": ", ".join(f"{number} {name}" for name, number in result.outcomes.items()),
    }
    return "".join(f"{name}: {told}\n" for name, told in facts.items())


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--edits", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--delivery", choices=["early", "late"], default="early")
    parser.add_argument("--out", type=Path, help="write the table as Markdown, and JSON beside it")
    chosen = parser.parse_args()
    result = soak(chosen)
    sys.stdout.write(table(result) + "\n" + summary(result))
    if chosen.out:
        chosen.out.write_text(table(result) + "\n" + summary(result))
        chosen.out.with_suffix(".json").write_bytes(msgspec.json.encode(result))
    return 0 if result.is_well else 1


if __name__ == "__main__":
    sys.exit(main())
