"""What is measured: so many accounts with so many edits each, against which limit, by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

#: The API's default limit (cronofy-api §7) and the time that it takes to answer.
RATE = "50/s,500/min"
LATENCY_S = (0.1, 0.2)


class Scenario(Struct, frozen=True, kw_only=True):
    """A campaign and the provider that it meets."""

    name: str
    accounts: int
    #: an account's, and each is edited once
    events: int
    #: do lines carry a date_hint?
    hinted: bool = True
    #: the share of events that already are what is asked
    done_share: float = 0.0
    batch_counts_as: Literal["one", "each"] = "one"
    #: "" is no limit
    rate: str = RATE
    latency_s: tuple[float, float] = LATENCY_S
    seed: int = 1
    #: accounts of the scenario as it is named; fewer or more are simulated
    named_accounts: int = 0

    @property
    def edits(self) -> int:
        return self.accounts * self.events

    def with_accounts(self, accounts: int) -> Scenario:
        """Return the scenario with another number of accounts, which it does not hide."""
        return replace(self, accounts=accounts, named_accounts=self.named_accounts or self.accounts)


DENSE = Scenario(name="dense", accounts=20, events=500)
ALL = (
    DENSE,
    Scenario(name="medium", accounts=200, events=50),
    Scenario(name="sparse", accounts=2000, events=1),
    replace(DENSE, name="hintless", hinted=False),
    replace(DENSE, name="half", done_share=0.5),
    replace(DENSE, name="each", batch_counts_as="each"),
)
BY_NAME = {scenario.name: scenario for scenario in ALL}

#: Who runs, in the order of the table.
PEERS = ("script", "script_batch", "celery_per_event", "ours", "ours_unverified", "bare")
#: The same deployment with other numbers of worker processes, and on PostgreSQL.
FLEETS = ("ours_1", "ours_8", "ours_postgres")
#: Per-event peers do the same two calls an edit everywhere; once is enough.
PER_EVENT = ("script", "celery_per_event")


class Plan(Struct, frozen=True, kw_only=True):
    """One run: who, what, and until when."""

    scenario: Scenario
    peer: str
    #: job: all of it, from an unspent minute. steady: for so long, with more work than time.
    kind: Literal["job", "steady"]
    #: seconds from the first call; a job that takes longer is cut and says so
    seconds: float


def peers_of(scenario: str) -> tuple[str, ...]:
    """Return who runs a scenario when nobody asks for somebody else."""
    if scenario == "dense":
        return (*PEERS, *FLEETS)
    return tuple(peer for peer in PEERS if peer not in PER_EVENT)


def selected(only: Sequence[str], peers: Sequence[str]) -> list[tuple[Scenario, str]]:
    """Return what runs, by names of scenarios and peers; ValueError names an unknown one."""
    unknown = sorted({*only} - BY_NAME.keys() | {*peers} - {*PEERS, *FLEETS})
    if unknown:
        known = ", ".join((*BY_NAME, *PEERS, *FLEETS))
        raise ValueError(f"unknown: {', '.join(unknown)}; there are: {known}")
    return [
        (BY_NAME[name], peer) for name in (only or BY_NAME) for peer in (peers or peers_of(name))
    ]
