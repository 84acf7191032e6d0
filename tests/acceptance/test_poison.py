"""An edit that kills its worker, each time (row 4): it is found, named, and the others go on."""

from __future__ import annotations

import csv
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fleet import Fleet, a_fleet, pause
from tests.runs import SMALL, submitted, taken
from worker.model import ENDED, EditState

pytestmark = pytest.mark.row(4)

SETTINGS = {
    "CALPATCH_LEASE": "2",
    "CALPATCH_SETTLE": "100ms",
    "CALPATCH_VERIFY_DELAY": "200ms",
    "CALPATCH_RESEND_AFTER": "2",
}


def keep_good_lines(fleet: Fleet, count: int) -> list[str]:
    """Leave so many lines in the fleet's file, all about events that may be edited."""
    events = {one["event_uid"]: one["event"] for one in fleet.simulator_lines("events")}
    with fleet.edits.open(newline="") as file:
        lines = list(csv.DictReader(file))
    good = [line for line in lines if _is_plain(events.get(line["event_uid"]))][:count]
    assert len(good) == count
    with fleet.edits.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(good)
    return [line["event_uid"] for line in good]


def _is_plain(event: dict[str, object] | None) -> bool:
    if event is None:
        return False
    barred = ("recurring", "event_id", "deleted", "series_identifier")
    options = event["options"]
    assert isinstance(options, dict)
    is_plain = options["update"] is True and not any(event.get(name) for name in barred)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    return is_plain and "T" in str(event["start"]) and str(event["start"]) > tomorrow


def run_to_the_end(fleet: Fleet, campaign: str, *, within_s: float) -> int:
    """Start a worker whenever the last one has died; returns how many did."""
    deadline = time.monotonic() + within_s
    deaths = 0
    fleet.start_worker(app="tests.deadly")
    while True:
        found = fleet.store.campaigns.get(campaign)
        assert found is not None
        if found.state in ENDED:
            return deaths
        assert time.monotonic() < deadline, (deaths, fleet.logs()[-3000:])
        if fleet.workers[-1].poll() is not None:
            deaths += 1
            fleet.start_worker(app="tests.deadly")
        pause(0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "count", "state", "most"),
    [
        pytest.param("decide", 8, EditState.FAILED, 4 + 2 * 3, marks=pytest.mark.nightly),
        ("send", 4, EditState.UNVERIFIED, 4 + 2 * 2),
        pytest.param("read_back", 4, EditState.UNVERIFIED, 2 + 2, marks=pytest.mark.nightly),
    ],
)
def test_an_edit_that_kills_its_worker_ends_by_name_and_no_other_does(
    sqlite_url: str, tmp_path: Path, *, moment: str, count: int, state: EditState, most: int
) -> None:
    """Wherever in its life: a bounded number of workers dies, and its neighbours are proven."""
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=0, settings=SETTINGS) as fleet:
        uids = keep_good_lines(fleet, count)
        deadly = uids[count // 2]
        fleet.environ |= {"TEST_DEADLY_UID": deadly, "TEST_DEADLY_AT": moment}
        campaign = submitted(fleet)

        deaths = run_to_the_end(fleet, campaign, within_s=170)

        outcomes = {one.event_uid: one for one in fleet.store.reading.outcomes(campaign)}
        bad = outcomes.pop(deadly)
        assert (bad.state, bad.code) == (state, "poison")
        assert {(one.state, one.code) for one in outcomes.values()} == {
            (EditState.VERIFIED, "verified")
        }
        assert 1 < deaths <= most
        assert max(taken(fleet).values()) == 1
        report = fleet.calpatch("results", campaign, "--out", str(tmp_path / "results"))
        assert report.returncode == 0, report.stderr
        failed = (tmp_path / "results" / "failed.csv").read_text()
        assert deadly in failed
        assert "poison" in failed
