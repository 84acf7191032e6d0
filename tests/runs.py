"""What tests with a fleet share: submitting, waiting for a moment or the end, counting writes.

Whether what came out is right is the auditor's business, which judges every fleet at its end.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.fleet import Fleet, pause
from worker.intake.producer import Order, submit
from worker.model import ENDED, EditState, Policy

#: one person with some sixty events; the provider shows a write after a moment
SMALL = ["--accounts", "1", "--events", "60", "--rate", "off", "--behaviour", "lag_s=0.2"]

#: leases so short that a dead worker's chunk is soon another one's
BRIEF = {"CALPATCH_LEASE": "3", "CALPATCH_RESEND_AFTER": "2"}


# ---------------------------------------------------------------- beginning


def submitted(fleet: Fleet, key: str = "k") -> str:
    """Submit the fleet's edits, and return the campaign."""
    return submit(
        fleet.settings,
        fleet.store,
        path=str(fleet.edits),
        order=Order(key=key, reason="test", owner="test", policy=Policy()),
    ).campaign.id


def fault(fleet: Fleet, match: Mapping[str, object], act: Mapping[str, object]) -> None:
    """Arm a fault of the simulator."""
    fleet.control("faults", {"match": dict(match), "act": dict(act)})


def slowly(fleet: Fleet, seconds: float) -> None:
    """Have each batch take so long at the API."""
    fault(fleet, {"route": "batch", "times": None}, {"do": "delay", "seconds": seconds})


# ---------------------------------------------------------------- waiting


def until(
    reached: Callable[[], object], fleet: Fleet, *, within_s: float = 40, every_s: float = 0.05
) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, fleet.logs()[-3000:]
        pause(every_s)


def wait_for_end(fleet: Fleet, campaign: str, *, within_s: float = 240) -> None:
    """Wait until the campaign has ended."""
    until(lambda: has_ended(fleet, campaign), fleet, within_s=within_s, every_s=0.3)


def has_ended(fleet: Fleet, campaign: str) -> bool:
    """Tell whether a campaign has ended."""
    found = fleet.store.campaigns.get(campaign)
    assert found is not None
    return found.state in ENDED


# ---------------------------------------------------------------- looking


def states(fleet: Fleet, campaign: str) -> Counter[EditState]:
    """Count a campaign's edits by state."""
    counts: Counter[EditState] = Counter()
    for (state, _), number in fleet.store.reading.counts(campaign).items():
        counts[state] += number
    return counts


def taken(fleet: Fleet) -> Counter[tuple[str, str]]:
    """Return how often each event was written to."""
    writes = fleet.simulator_lines("writes")
    return Counter((one["calendar_id"], one["event_uid"]) for one in writes if one["taken"])


def ended_well(
    fleet: Fleet, campaign: str, *, most: int = 1, least: int = 30
) -> Counter[EditState]:
    """Check that enough was proven, and no event written to more often than `most` times.

    Returns how many edits have which state.
    """
    found = states(fleet, campaign)
    assert found[EditState.VERIFIED] >= least, found
    writes = taken(fleet)
    assert max(writes.values(), default=0) <= most, writes.most_common(3)
    return found


def simulator_stats(fleet: Fleet) -> Any:
    """Return what the simulator counted: busiest windows, refused calls, writes."""
    return json.loads(fleet.simulator("stats"))
