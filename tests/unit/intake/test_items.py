"""Lists of a campaign's lines: by number, by event, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.errors import InvalidInput
from worker.intake.items import Item, lines_named, read_items
from worker.store import Named

NAMES = [
    Named(2, "acc_1", "cal_1", "evt_a", True),
    Named(3, "acc_1", "cal_1", "evt_b", True),
    Named(4, "acc_2", "cal_2", "evt_a", False),
    Named(5, "acc_2", "cal_2", "evt_c", True),
]

NO_NUMBER = "not the number of a line; give it as in the results"
UNKNOWN = "no line of the campaign is that; take it from its results"


def listed(folder: Path, text: str, *, name: str = "items.csv") -> list[Item]:
    """Read a list."""
    (folder / name).write_text(text, encoding="utf-8")
    return read_items(str(folder / name))


def wrong(folder: Path, text: str, *, name: str = "items.csv") -> list[str]:
    """Return what is said of a list that is refused, as it is or for the campaign."""
    with pytest.raises(InvalidInput) as refused:
        lines_named(listed(folder, text, name=name), NAMES)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("line_no\n3\n5\n", {3, 5}),
        ("event_uid\nevt_b\n", {3}),
        # The same meeting in two calendars, and in the one that is meant.
        ("event_uid\nevt_a\n", {2, 4}),
        ("event_uid,account\nevt_a,acc_2\n", {4}),
        ('calendar_id,event_uid,title\ncal_1,evt_a,"One, two\nthree"\n', {2}),
        # As spreadsheets save it: a mark in front, capitals, empty lines, cells left out.
        ("\ufeffLine_No , Event_Uid\r\n2\r\n\r\n,evt_c\r\n", {2, 5}),
        ("line_no\n2\n2\n", {2}),
        # A line that is named in both ways is that line only.
        ("line_no,event_uid\n4,evt_a\n", {4}),
    ],
)
def test_lines_are_named_by_number_or_by_event(tmp_path: Path, text: str, lines: set[int]) -> None:
    """The results of a campaign are such a list, and so is a column from anywhere."""
    assert lines_named(listed(tmp_path, text), NAMES) == lines


def test_json_lines_name_them_as_well(tmp_path: Path) -> None:
    """With numbers as numbers or as texts."""
    text = '{"line_no": 2}\n\n{"line_no": "3", "title": null}\n{"event_uid": "evt_c"}\n'
    assert lines_named(listed(tmp_path, text, name="items.jsonl"), NAMES) == {2, 3, 5}


def test_cells_that_were_defused_are_read_as_they_were(tmp_path: Path) -> None:
    """Results put an apostrophe before what a spreadsheet would run."""
    names = [Named(2, "acc_1", "cal_1", "=evt", True)]
    assert lines_named(listed(tmp_path, "event_uid\n'=evt\n"), names) == {2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title\nfoo\n", "file: there is neither a column line_no nor one event_uid; add one"),
        ("", "file: there is neither a column line_no nor one event_uid; add one"),
        ("line_no\n", "file: nothing is listed; give line_no or event_uid, a line each"),
        ("line_no\nx\n", f"line 2, line_no 'x': {NO_NUMBER}"),
        ("line_no\n٣\n", f"line 2, line_no '٣': {NO_NUMBER}"),
        ("line_no,title\n,foo\n", "line 2: neither line_no nor event_uid; give one"),
        ("line_no\n7\n", f"line 2, line_no '7': {UNKNOWN}"),
        ("event_uid,account\nevt_b,acc_2\n", f"line 2, event_uid 'evt_b': {UNKNOWN}"),
        ('line_no\n"2\n', "line 2: no CSV: unexpected end of data; save it as CSV"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_line(tmp_path: Path, text: str, said: str) -> None:
    """Nothing is left out in silence: a slip of the hand would stay in the calendars."""
    assert wrong(tmp_path, text) == [said]


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    """Not one after the other."""
    said = wrong(tmp_path, '{"line_no": 2}\nnonsense\n[1]\n{}\n', name="items.jsonl")
    assert [each.partition(":")[0] for each in said] == ["line 2", "line 3", "line 4"]


def test_a_campaign_file_is_no_list(tmp_path: Path) -> None:
    """Nor is what is not there."""
    assert wrong(tmp_path, "version: 1\n", name="move.yaml") == [
        "file: no list of lines; give CSV or JSONL with line_no or event_uid"
    ]
    with pytest.raises(InvalidInput):
        read_items(str(tmp_path / "nothing.csv"))
