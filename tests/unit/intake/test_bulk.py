"""The quick way through many lines at once gives what the careful way gives, line by line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from tests.unit.intake.samples import IDS, a_csv, a_jsonl, an_input, problems
from worker.intake import Checked, Format, Row, check
from worker.intake import rows as rows_of
from worker.intake.csv_file import CsvFile
from worker.intake.jsonl_file import JsonlFile
from worker.store import Spool, cells_of


def kept(content: str | bytes, *, kind: Format = "csv") -> tuple[Checked, list[object]]:
    """What is known of an input, and what is stored of each line, its cells as they were."""
    opened = an_input(content, kind=kind)
    found = check(opened, accounts=None)
    lines = [(*row[:7], cells_of(row[7], (*row[1:4], row[5])), *row[8:]) for row in opened.spool]
    return found, lines


@pytest.fixture(params=["csv", "jsonl"])
def kind(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


EDITS = {
    "shifts": [{"shift": f"PT{n % 5 + 1}H"} for n in range(40)],
    "times": [{"new_start": f"2026-03-{n % 28 + 1:02}T09:00Z"} for n in range(40)],
    "guards": [{"shift": "P1D", "expect_start": f"2026-03-{n % 28 + 1:02}"} for n in range(40)],
    "hints": [{"shift": "P1D", "date_hint": f"2026-03-{n % 28 + 1:02}T08:00"} for n in range(40)],
    "texts": [{"summary": f"Meeting {n}", "location": "Salle é 💥"} for n in range(40)],
    "zones": [{"new_start": "2026-03-02T09:00", "tzid": "Europe/Paris"} for _ in range(40)],
    "refs": [{"shift": "P1D", "ref": f"order {n} #N/A é"} for n in range(40)],
    "uids": [{"shift": "P1D", "event_uid": f"é#N/A{n}"} for n in range(40)],
    "blanks": [{"shift": "P1D", "summary": "", "ref": ""} for _ in range(40)],
}


def a_file(edits: list[dict[str, str]], kind: Format) -> str:
    full = [{"event_uid": f"e{n}"} | edit for n, edit in enumerate(edits)]
    if kind == "csv":
        return a_csv(*full)
    names = {"new_start": "start", "summary": "summary", "location": "location"}
    lines = []
    for edit in full:
        new = {names[name]: text for name, text in edit.items() if name in names and text}
        rest = {name: text for name, text in edit.items() if name not in names}
        expected = {"expect": {"start": rest.pop("expect_start")}} if "expect_start" in rest else {}
        lines.append(rest | expected | ({"set": new} if new else {}))
    return a_jsonl(*lines)


@pytest.mark.parametrize("case", EDITS)
def test_both_ways_keep_the_same(case: str, kind: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patch, digest, hint, cells and line: whoever wrote the file cannot know which way it goes."""
    content = a_file(EDITS[case], kind)
    at_once = kept(content, kind=kind)
    for reader in (CsvFile, JsonlFile):
        monkeypatch.setattr(reader, "_at_once", lambda _: None)
    assert kept(content, kind=kind) == at_once


def none_of(rows: Iterator[Row]) -> Iterator[Row]:
    assert not list(rows)
    return iter(())


QUICK = {
    "plain": a_csv(*({"event_uid": f"e{n}", "shift": "P1D"} for n in range(9))),
    "quoted": a_csv(*({"event_uid": f"e{n}", "summary": f'"a", {n}'} for n in range(9))),
    "backslashes": a_csv(*({"event_uid": f"e{n}", "summary": f"a\\{n}"} for n in range(9))),
    "no last line end": a_csv(shift="P1D").rstrip("\n"),
}


@pytest.mark.parametrize("case", QUICK)
def test_usual_files_take_the_quick_way(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes are usual: what a spreadsheet saves must not be six times slower."""
    wanted = kept(QUICK[case])

    # It is asked at the end of the file, too, where it finds nothing.
    closely = CsvFile._one_by_one
    monkeypatch.setattr(CsvFile, "_one_by_one", lambda file: none_of(closely(file)))
    assert kept(QUICK[case]) == wanted


def test_a_record_over_two_lines_is_read_among_quick_ones() -> None:
    """Where one begins is known by its first line, and what follows it is not shifted."""
    edits = [{"event_uid": f"e{n}", "description": "x" * 40} for n in range(4_000)]
    edits[2_000]["description"] = "one\ntwo"
    _, stored = kept(a_csv(*edits))
    lines = [row[0] for row in stored]  # type: ignore[index]
    assert lines == [*range(2, 2_003), *range(2_004, 4_003)]


@pytest.mark.parametrize("at", [0, 1_999, 3_999])
def test_one_wrong_line_among_thousands_is_told_as_if_alone(at: int) -> None:
    """The lines around it are passed over quickly; it is looked at closely."""
    edits = [{"event_uid": f"e{n}", "shift": "P1D"} for n in range(4_000)]
    edits[at] = IDS | {"shift": "soon"}
    (problem,) = problems(a_csv(*edits))
    assert (problem.line, problem.column, problem.value) == (at + 2, "shift", "soon")


def test_a_short_line_and_a_long_one_are_not_taken_for_two_good_ones() -> None:
    """Their commas add up; the cells would be those of the neighbour."""
    content = a_csv({"shift": "P1D"}, {"shift": "P1D"}) + "a,c,e\nacc_1,cal_1,e2,P1D,x\n"
    assert [problem.line for problem in problems(content)] == [4, 5]


def test_cells_are_kept_as_the_file_has_them() -> None:
    """They are echoed in the results, own columns included."""
    out = io.StringIO(newline="")
    rows = [["acc_1", "cal_1", f"e{n}", "P1D", text] for n, text in enumerate(("a,b", "é'", "\t"))]
    csv.writer(out, lineterminator="\n").writerows(
        [["account", "calendar_id", "event_uid", "shift", "x_note"], *rows]
    )
    opened = an_input(out.getvalue())
    check(opened, accounts=None)
    assert [[*row.cells] for row in rows_of(opened)] == rows
    assert json.loads(next(iter(opened.spool))[7]) == [0, 1, 2, "P1D", "a,b"]


def test_event_text_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be as long as the file."""
    from worker.intake.bulk import BulkReader

    readers: list[BulkReader] = []
    make = BulkReader.__init__

    def watched(self: BulkReader, **given: object) -> None:
        make(self, **given)  # type: ignore[arg-type]
        readers.append(self)

    monkeypatch.setattr(BulkReader, "__init__", watched)
    kept(a_csv(*({"event_uid": f"e{n}", "summary": f"text {n}"} for n in range(9))))
    kept(a_csv(*({"event_uid": f"e{n}", "shift": "P1D"} for n in range(9))))
    assert [len(reader._wanted) for reader in readers] == [0, 1]


@pytest.mark.row(27)
def test_a_full_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it, and without the line that did not fit."""
    from worker.errors import StoreUnavailable

    spool = Spool()
    spool.cursor().execute("PRAGMA max_page_count = 3")
    opened = an_input(a_csv(*({"event_uid": f"e{n}", "shift": "P1D"} for n in range(3_000))))
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL") as caught:
        check(type(opened)(name="", format="csv", stream=opened.stream, spool=spool), accounts=None)
    assert "TMPDIR" in str(caught.value)
    assert "evt" not in str(caught.value)
