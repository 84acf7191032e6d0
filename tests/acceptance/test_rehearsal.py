"""A rehearsal of live calendars foretells what the run does, line by line, and touches nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.fleet import Fleet, a_fleet
from worker.report import FILES

pytestmark = [pytest.mark.redis, pytest.mark.slow]

SIMULATE = ["--accounts", "3", "--events", "80", "--rate", "off", "--behaviour", "lag_s=0.1"]
TOLD = ("status", "code", "before_start", "after_start", "after_end", "changed_fields")


def outcomes(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return what results tell of each line."""
    found = {}
    for name in FILES:
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found[row["line_no"]] = tuple(row[column] for column in TOLD)
    return found


def test_a_rehearsal_foretells_the_run_and_touches_nothing(sqlite_url: str, tmp_path: Path) -> None:
    """Each line ends as it was rehearsed; until then the API saw reads alone, SQL no campaign."""
    with a_fleet(tmp_path, sqlite_url, simulate=SIMULATE, workers=1) as fleet:
        rehearsed = fleet.calpatch("rehearse", "edits.csv", "--out", "rehearsed", "--json")
        assert rehearsed.returncode == 0, rehearsed.stderr
        assert json.loads(rehearsed.stdout)["copied"]["unread"] == {}
        _nothing_was_touched(fleet)

        real = fleet.calpatch(
            "submit", "edits.csv", "--key", "real", "--reason", "In earnest", "--yes",
            "--wait", "2m",
        )  # fmt: skip
        assert real.returncode == 0, real.stderr
        fleet.calpatch("results", "real", "--out", "real")
        assert outcomes(tmp_path / "rehearsed") == outcomes(tmp_path / "real")
        codes = {line[1] for line in outcomes(tmp_path / "real").values()}
        assert codes >= {"verified", "recurring", "event_locked", "managed_event", "deleted"}


def _nothing_was_touched(fleet: Fleet) -> None:
    told = fleet.simulator_lines("requests")
    assert {each["method"] for each in told} == {"GET"}
    assert fleet.simulator_lines("writes") == []
    assert fleet.store.campaigns.newest(limit=1) == []
