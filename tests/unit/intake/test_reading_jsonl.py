"""What right JSONL comes to; the same wish is the same patch as in CSV."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.unit.intake.samples import IDS, a_csv, a_jsonl, checked, read, read_one
from worker.model import EventKey, Patch, Reschedule, Shift

DOCUMENTED = (
    '{"account":"acc_1","calendar_id":"cal_1","event_uid":"evt_external_1",'
    '"date_hint":"2026-03-02","fields":["start","end"],"tzid":"Europe/Paris",'
    '"set":{"start":"2026-03-02T15:00","end":"2026-03-02T16:00"},'
    '"expect":{"start":"2026-03-02T14:00+01:00"},"ref":"crm-991"}'
)


def test_the_documented_line_is_read() -> None:
    """The example of the manual works as it is."""
    row = read_one(DOCUMENTED, kind="jsonl")
    assert (row.account, row.key) == ("acc_1", EventKey("cal_1", "evt_external_1"))
    assert (row.hint, row.ref, row.line_no) == (date(2026, 3, 2), "crm-991", 1)
    assert row.patch == Patch(
        move=Reschedule(start="2026-03-02T15:00:00", end="2026-03-02T16:00:00"),
        tzid="Europe/Paris",
        expect_start="2026-03-02T14:00:00+01:00",
    )


def test_the_one_cell_is_the_line() -> None:
    """The results echo the line as it came."""
    assert read_one(DOCUMENTED + "\r\n", kind="jsonl").cells == (DOCUMENTED,)
    assert checked(DOCUMENTED, kind="jsonl").source.columns == ("line",)


@pytest.mark.parametrize(("mode", "elapsed"), [("wall_clock", False), ("elapsed", True)])
def test_a_shift_goes_by_the_clock_unless_asked_for_elapsed_time(mode: str, elapsed: bool) -> None:
    """Across a change of the clocks the two differ by an hour."""
    row = read_one(a_jsonl(shift="PT1H", mode=mode), kind="jsonl")
    assert row.patch.move == Shift(seconds=3600, elapsed=elapsed)


def test_equal_shifts_of_both_modes_stay_apart() -> None:
    """What is remembered of one mode is not taken for the other."""
    edits = ({"shift": "PT1H"}, {"event_uid": "e2", "shift": "PT1H", "mode": "elapsed"})
    rows = read(a_jsonl(*edits), kind="jsonl")
    assert [row.patch.move for row in rows] == [
        Shift(seconds=3600),
        Shift(seconds=3600, elapsed=True),
    ]


def test_an_empty_text_clears() -> None:
    """JSON can say empty, so it needs no mark for it."""
    row = read_one(a_jsonl(set={"description": "", "location": ""}), kind="jsonl")
    assert row.patch == Patch(description="", location="")


def test_fields_may_list_more_than_is_set() -> None:
    """The list says what may be touched, not what is."""
    fields = ["start", "end", "summary", "description", "location", "transparency"]
    row = read_one(a_jsonl(fields=fields, shift="P1D", set={"summary": "New"}), kind="jsonl")
    assert row.patch == Patch(move=Shift(days=1), summary="New")


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\rb"])
def test_line_ends_in_a_text_come_out_as_line_feeds(text: str) -> None:
    """As they do in CSV, so that the same description is the same change."""
    row = read_one(a_jsonl(set={"description": text}), kind="jsonl")
    assert row.patch.description == "a\nb"


def test_escapes_are_read() -> None:
    """Pipelines escape what is not ASCII, quotes and backslashes."""
    text = 'é "quoted": \\ 🎉'
    assert read_one(a_jsonl(set={"summary": text}), kind="jsonl").patch.summary == text


def test_the_operation_may_be_named() -> None:
    """There is one, so it need not be."""
    row = read_one(a_jsonl(op="edit", shift="PT1H"), kind="jsonl")
    assert row.patch == Patch(move=Shift(seconds=3600))


def test_blank_lines_do_not_count_but_keep_their_numbers() -> None:
    """A line number is what the editor shows."""
    content = f"\n{a_jsonl(shift='PT1H')}  \n{a_jsonl(shift='PT1H', event_uid='e2')}"
    assert [row.line_no for row in read(content, kind="jsonl")] == [2, 4]


SAME: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "shift": ({"shift": "PT90M"}, {"shift": "PT1H30M"}),
    "times": (
        {"new_start": "2026-03-02T15:00Z", "new_end": "2026-03-02T16:00Z"},
        {"set": {"start": "2026-03-02 15:00:00+00:00", "end": "2026-03-02T16:00:00Z"}},
    ),
    "texts": (
        {"summary": "New", "description": "#N/A", "location": "Room 1"},
        {"set": {"summary": "New", "description": "", "location": "Room 1"}},
    ),
    "guard": (
        {"transparency": "transparent", "expect_start": "2026-03-02"},
        {"set": {"transparency": "transparent"}, "expect": {"start": "2026-03-02"}},
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_wish_in_csv_and_jsonl_is_the_same_change(case: str) -> None:
    """A pipeline may change its format without editing anything twice."""
    cells, keys = SAME[case]
    by_csv, by_jsonl = a_csv(**cells), a_jsonl(**keys)
    assert read_one(by_csv).patch == read_one(by_jsonl, kind="jsonl").patch
    assert checked(by_csv).digest == checked(by_jsonl, kind="jsonl").digest


def test_ids_are_enough_in_any_order() -> None:
    """JSON objects have no order."""
    line = '{"shift":"PT1H",' + ",".join(f'"{k}":"{v}"' for k, v in reversed(IDS.items())) + "}"
    assert read_one(line, kind="jsonl").account == "acc_1"
