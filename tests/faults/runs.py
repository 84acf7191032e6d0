"""What the tests of the fault matrix share: small campaigns, waiting for their moments, the end."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.acceptance.test_main_job import starts, target_start, wait_for_end
from tests.acceptance.test_workers import submitted, taken
from tests.fleet import Fleet, pause
from worker.model import FINAL, EditState

__all__ = ["SMALL", "ended_well", "fault", "submitted", "taken", "until", "wait_for_end"]

#: one person with some sixty events; the provider shows a write after a moment
SMALL = ["--accounts", "1", "--events", "60", "--rate", "off", "--behaviour", "lag_s=0.2"]

#: leases so short that a dead worker's chunk is soon another one's
BRIEF = {"CALPATCH_LEASE": "3", "CALPATCH_RESEND_AFTER": "2"}


def fault(fleet: Fleet, match: Mapping[str, object], act: Mapping[str, object]) -> None:
    """Arm a fault of the simulator."""
    body = json.dumps({"match": dict(match), "act": dict(act)}).encode()
    request = urllib.request.Request(f"{fleet.simulator_url}/_sim/faults", data=body)
    urllib.request.urlopen(request, timeout=10).close()


def slowly(fleet: Fleet, seconds: float) -> None:
    """Have each batch take so long at the API."""
    fault(fleet, {"route": "batch", "times": None}, {"do": "delay", "seconds": seconds})


def until(
    reached: Callable[[], object], fleet: Fleet, *, within_s: float = 40, every_s: float = 0.05
) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < deadline, fleet.logs()[-3000:]
        pause(every_s)


def ended_well(
    fleet: Fleet, campaign: str, *, most: int = 1, least: int = 30
) -> Counter[EditState]:
    """Check a campaign that has ended, and return how many edits have which state.

    Each line has one final outcome; each event is where its outcome says and was written to no more
    than `most` times, others not at all; the audit verifies.
    """
    found = fleet.store.campaigns.get(campaign)
    assert found is not None
    outcomes = list(fleet.store.reading.outcomes(campaign))
    assert len(outcomes) == found.total
    assert all(one.state in FINAL for one in outcomes), Counter(one.state for one in outcomes)
    truth = {(one["calendar_id"], one["event_uid"]): one for one in fleet.simulator_lines("events")}
    verified = [one for one in outcomes if one.state is EditState.VERIFIED]
    assert len(verified) >= least, Counter((one.state, one.code) for one in outcomes)
    for one in verified:
        assert one.target is not None
        event = truth[one.calendar_id, one.event_uid]["event"]
        assert starts(event) == target_start(one.target.when), f"line {one.line_no}"
    proven = {(one.calendar_id, one.event_uid) for one in verified}
    changed = {key for key, one in truth.items() if one["changed"]}
    assert changed <= proven, "an event has changed whose outcome does not say so"
    writes = taken(fleet)
    assert max(writes.values(), default=0) <= most, writes.most_common(3)
    assert not fleet.store.audit.verify()[1]
    return Counter(one.state for one in outcomes)


def simulator_stats(fleet: Fleet) -> Any:
    """Return what the simulator counted: busiest windows, refused calls, writes."""
    return json.loads(fleet.simulator("stats"))
