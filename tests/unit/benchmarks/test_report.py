"""The table and the JSON, from made-up results."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from tests.benchmarks.measured import Cost, Result
from tests.benchmarks.observed import Observed
from tests.benchmarks.report import as_json, is_right, lines, notes, table

SEEN = Observed(
    edits=10_000,
    written_s=6.0,
    ended_s=10.0,
    calls=280,
    calls_by_route={"batch": 200, "events": 80},
    refused=0,
    busiest={"1s": 50, "60s": 280},
    by_second=[50, 50, 50, 50, 40, 0],
    share_at_start=0.98,
    steady_edits_per_min=None,
    steady_calls_per_min=None,
    steady_share=None,
)


def a_result(peer: str = "ours", kind: str = "job", **more: Any) -> Result:
    """A dense run of 10,000 edits that went well."""
    values: dict[str, Any] = {
        "scenario": "dense",
        "peer": peer,
        "kind": kind,
        "rate": "50/s,500/min",
        "batch_counts_as": "one",
        "accounts": 20,
        "events": 500,
        "named_accounts": 20,
        "complete": kind == "job",
        "to_write": 10_000,
        "written_once": 10_000,
        "seen": SEEN,
        "calls_per_edit": 0.028,
        "floor_calls": 280,
        "cost": Cost(cpu_s=3.0, peak_rss_mb=120.0, processes=2),
        "cpu_ms_per_edit": 0.3,
        "provider_cpu_s": 1.0,
        "outcomes": {"verified": 10_000},
    }
    return Result(**(values | more))


def steady(edits: float, calls: float) -> Observed:
    """A log of two minutes at a pace."""
    return replace(
        SEEN,
        edits=int(2 * edits),
        steady_edits_per_min=edits,
        steady_calls_per_min=calls,
        steady_share=calls / 500,
    )


def test_a_job_and_its_pace_are_one_line() -> None:
    """The pace is by calls and what a whole job costs in calls."""
    (line,) = lines([a_result(), a_result(kind="steady", seen=steady(20_000, 500))])
    assert (line.written_s, line.ended_s, line.job_edits) == (6.0, 10.0, 10_000)
    assert line.steady_per_min == pytest.approx(500 / 0.028)
    assert line.over_floor == 1.0
    assert line.ceiling_per_min == pytest.approx(500 * 10_000 / 280)
    assert line.steady_share == 1.0


def test_a_peer_without_a_whole_job_has_its_edits_counted() -> None:
    """A script that would take an hour."""
    (line,) = lines(
        [a_result("celery_per_event", "steady", seen=steady(240, 500), floor_calls=None)]
    )
    assert line.steady_per_min == 240
    assert line.job_edits is line.over_floor is line.ceiling_per_min is None


def test_a_short_sample_counts_whole() -> None:
    """A script that never meets the limit is as fast in ten seconds as in two minutes."""
    seen = replace(SEEN, edits=33, written_s=10.0)
    (line,) = lines([a_result("script", "steady", seen=seen, floor_calls=None)])
    assert line.steady_per_min == pytest.approx(198)


def test_ratios_are_of_the_same_scenario() -> None:
    """Per-event peers stand for all; a batch script is compared where it ran."""
    found = lines([
        a_result("script", "steady", seen=steady(200, 400)),
        a_result("ours", "steady", seen=steady(18_000, 500)),
        a_result("ours", "steady", scenario="medium", seen=steady(9_000, 500)),
        a_result("script_batch", "steady", scenario="medium", seen=steady(6_000, 400)),
    ])  # fmt: skip
    times = {(line.scenario, line.peer): line.times for line in found}
    assert times["dense", "ours"] == {"script": 90.0}
    assert times["medium", "ours"] == {"script": 45.0, "script_batch": 1.5}


def test_per_event_peers_do_not_stand_for_a_campaign_that_is_half_done() -> None:
    """They would write only half of it: nobody has measured how fast."""
    found = lines([
        a_result("script", "steady", seen=steady(200, 400)),
        a_result("ours", "steady", scenario="half", seen=steady(30_000, 500)),
    ])  # fmt: skip
    assert found[1].times == {}


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({}, True),
        ({"written_once": 9_999}, False),
        ({"seen": replace(SEEN, edits=10_001)}, False),
        ({"complete": False, "written_once": 0}, True),
    ],
)
def test_a_run_that_missed_or_doubled_an_edit_is_wrong(
    changes: dict[str, Any], right: bool
) -> None:
    """Fast and wrong is not fast; a run that was cut is not judged."""
    result = a_result(**changes)
    assert is_right(result) is right
    assert ("WRONG" in table(lines([result]))) is not right


def test_the_table_lines_up_and_shows_what_is_missing_as_a_dash() -> None:
    """One heading, one line each, no trailing blanks."""
    text = table(lines([a_result(), a_result("script", "steady", floor_calls=None)]))
    heading, ours, script = text.splitlines()
    assert heading.startswith("scenario  peer")
    assert heading.index("peer") == ours.index("ours") == script.index("script")
    assert "100.0%" in ours
    assert " - " in script
    assert all(line == line.rstrip() for line in text.splitlines())


def test_notes_tell_what_was_scaled() -> None:
    """A smaller job must not pass for the named one."""
    told = notes([a_result(accounts=4), a_result("bare")])
    assert "scaled: dense (job, ours): 4 accounts x 500 instead of 20" in told
    assert not any("bare" in line for line in told if line.startswith("scaled"))


def test_without_runs_there_is_nothing_to_note() -> None:
    """Only an extra was asked for."""
    assert notes([]) == []
    assert lines([]) == []


def test_the_json_holds_machine_versions_lines_and_runs() -> None:
    """Whoever doubts a figure finds what it was made of."""
    whole = json.loads(as_json([a_result()], statements={"statements": 7}))
    assert {"machine", "notes", "lines", "runs", "statements"} <= whole.keys()
    assert whole["machine"]["cores"] >= 1
    assert whole["machine"]["versions"]["celery"]
    assert whole["runs"][0]["seen"]["calls_by_route"] == {"batch": 200, "events": 80}
    assert whole["lines"][0]["over_floor"] == 1.0
