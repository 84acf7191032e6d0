"""The provider's calendars: only what may be edited, so that the floor is exact."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.benchmarks.profile import OTHER, group_of
from tests.benchmarks.scenarios import DENSE, Scenario
from tests.benchmarks.script import Row, wanted
from tests.benchmarks.world import LAST_DAY, build, write_edits
from worker.simulator import Simulator

SMALL = replace(DENSE, accounts=3, events=40)
TODAY = datetime.now(UTC).date()


def a_campaign(scenario: Scenario, folder: Path) -> tuple[Simulator, list[Row]]:
    """The world, and the lines about it."""
    sim = build(scenario, today=TODAY)
    write_edits(sim, folder / "edits.csv", scenario)
    with (folder / "edits.csv").open(newline="") as file:
        return sim, list(csv.DictReader(file))


def test_every_line_names_an_event_that_may_be_edited(tmp_path: Path) -> None:
    """Once each, account by account."""
    sim, rows = a_campaign(SMALL, tmp_path)
    keys = [(row["calendar_id"], row["event_uid"]) for row in rows]
    assert len(set(keys)) == len(keys) == SMALL.edits
    assert [row["account"] for row in rows] == sorted(row["account"] for row in rows)
    for key in keys:
        event = sim.event(*key)
        assert event.options.update
        assert not any((event.recurring, event.event_id, event.deleted))
        assert isinstance(event.start, datetime)
        assert TODAY < event.start.date() <= TODAY + timedelta(days=LAST_DAY)


def test_a_hint_is_the_day_of_the_event_in_utc(tmp_path: Path) -> None:
    """The smallest window holds it, whoever asks."""
    sim, rows = a_campaign(SMALL, tmp_path)
    for row in rows:
        start = sim.event(row["calendar_id"], row["event_uid"]).start
        assert isinstance(start, datetime)
        assert date.fromisoformat(row["date_hint"]) == start.date()


def test_without_hints_no_line_has_one(tmp_path: Path) -> None:
    """The scenario that needs the whole window."""
    _, rows = a_campaign(replace(SMALL, hinted=False), tmp_path)
    assert {row["date_hint"] for row in rows} == {""}


def test_half_of_the_events_already_are_what_is_asked(tmp_path: Path) -> None:
    """And the other half is an hour early."""
    sim, rows = a_campaign(replace(SMALL, done_share=0.5), tmp_path)
    changes = []
    for row in rows:
        event = sim.event(row["calendar_id"], row["event_uid"])
        shown = {
            "event_uid": event.event_uid,
            "summary": event.summary,
            "start": f"{event.start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{event.end:%Y-%m-%dT%H:%M:%SZ}",
        }
        changes.append(wanted(row, shown))
    assert sum(change is None for change in changes) == SMALL.edits / 2


def test_the_same_seed_gives_the_same_world(tmp_path: Path) -> None:
    """Every peer meets the same calendars."""
    assert build(SMALL, today=TODAY).events == build(SMALL, today=TODAY).events


@pytest.mark.parametrize(
    ("stack", "group"),
    [
        (["/lib/sqlalchemy/engine/default.py:DefaultDialect.do_execute"], "the database itself"),
        (["/lib/json/decoder.py:decode", "/x/worker/cronofy/events.py:read_page"], "JSON and wire"),
        (["/x/worker/store/chains.py:digest", "/x/worker/store/chunks.py:record"], "audit hashes"),
        (["/lib/enum.py:__call__"], OTHER),
    ],
)
def test_a_moment_belongs_to_the_innermost_part_that_is_known(stack: list[str], group: str) -> None:
    """Tools of the library belong to whoever uses them."""
    assert group_of(stack).endswith(group)
