"""`python -m tests.faults.simulation --runs 100 --seed 1`: storms, one for each seed from there on.

Ends with 1 when a promise was broken, and says how to run that one storm again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.faults.simulation.judge import Verdict
from tests.faults.simulation.stage import a_stage
from tests.faults.simulation.storm import STEPS, storm


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="how many storms")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed")
    parser.add_argument("--steps", type=int, default=STEPS, help="how much happens in each")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no storm after so long")
    parser.add_argument("--go-on", action="store_true", help="do not end with the first wrong one")
    asked = parser.parse_args(arguments)
    totals = Totals()
    with a_stage() as stage:
        for seed in range(asked.seed, asked.seed + asked.runs):
            if totals.seconds > asked.seconds:
                break
            verdict = storm(stage, seed, steps=asked.steps)
            totals.add(verdict)
            if not verdict.is_right:
                sys.stdout.write(_told(seed, asked.steps, verdict))
                if not asked.go_on:
                    break
    sys.stdout.write(totals.told())
    return 1 if totals.wrong else 0


def _told(seed: int, steps: int, verdict: Verdict) -> str:
    again = f"python -m tests.faults.simulation --runs 1 --seed {seed} --steps {steps}"
    return "\n".join([f"seed {seed} is wrong; again: {again}", *verdict.wrongs, ""]) + "\n"


class Totals:
    """What many storms came to."""

    def __init__(self) -> None:
        self._began = time.process_time()
        self.runs = self.wrong = 0
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.recovery_s = 0.0

    @property
    def seconds(self) -> float:
        """Return the processor time used so far."""
        return time.process_time() - self._began

    def add(self, verdict: Verdict) -> None:
        """Add one."""
        self.runs += 1
        self.wrong += not verdict.is_right
        for name in ("lost", "unexpected", "duplicated", "violations"):
            self.counts[name] += len(getattr(verdict, name))
        self.counts["recovered"] += verdict.recovered
        self.counts["lines"] += len(verdict.outcomes)
        self.outcomes.update(f"{state} {code}" for state, code in verdict.outcomes.values())
        self.faults.update(verdict.faults)
        self.recovery_s = max(self.recovery_s, verdict.recovery_s)

    def told(self) -> str:
        """Return a table of it."""
        lines = [
            f"{self.runs} runs, {self.wrong} wrong, {self.seconds:.1f} s",
            _listed("result", self.counts),
            f"longest recovery: {self.recovery_s:.0f} simulated seconds",
            _listed("outcomes", self.outcomes),
            _listed("faults", self.faults),
        ]
        return "\n".join(lines) + "\n"


def _listed(name: str, counts: Counter[str]) -> str:
    shown: Iterable[str] = (f"  {count:7} {what}" for what, count in counts.most_common())
    return "\n".join([f"{name}:", *shown])


if __name__ == "__main__":
    sys.exit(main())
