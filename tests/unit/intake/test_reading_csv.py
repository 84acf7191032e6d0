"""What a right CSV comes to: patches, hints and cells, whatever program wrote the file."""

from __future__ import annotations

from datetime import date

import pytest

from tests.unit.intake.samples import IDS, a_csv, checked, problems, read, read_one
from worker.intake import RESULT_COLUMNS, moments
from worker.model import EventKey, Patch, Reschedule, Shift

HEAD = "account,calendar_id,event_uid,shift\n"
ROW = "acc_1,cal_1,evt_external_1,PT1H\n"
PARIS = "Europe/Paris"

PATCHES: dict[str, tuple[dict[str, str], Patch]] = {
    "shift": ({"shift": "PT1H"}, Patch(move=Shift(seconds=3600))),
    "shift back": ({"shift": "-P1D"}, Patch(move=Shift(days=-1))),
    "shift in a zone": (
        {"shift": "PT1H", "tzid": PARIS},
        Patch(move=Shift(seconds=3600), tzid=PARIS),
    ),
    "start": (
        {"new_start": "2026-03-02T15:00+01:00"},
        Patch(move=Reschedule(start="2026-03-02T15:00:00+01:00")),
    ),
    "start in UTC": (
        {"new_start": "2026-03-02 15:00:00Z"},
        Patch(move=Reschedule(start="2026-03-02T15:00:00+00:00")),
    ),
    "end": (
        {"new_end": "2026-03-02T15:00+01:00"},
        Patch(move=Reschedule(end="2026-03-02T15:00:00+01:00")),
    ),
    "both by the clocks of a zone": (
        {"new_start": "2026-03-02T15:00", "new_end": "2026-03-02T16:00", "tzid": PARIS},
        Patch(move=Reschedule(start="2026-03-02T15:00:00", end="2026-03-02T16:00:00"), tzid=PARIS),
    ),
    "all day": (
        {"new_start": "2026-03-02", "new_end": "2026-03-03"},
        Patch(move=Reschedule(start="2026-03-02", end="2026-03-03")),
    ),
    "across the change of the clocks": (
        {"new_start": "2026-10-25T01:30", "new_end": "2026-10-25T03:30", "tzid": PARIS},
        Patch(move=Reschedule(start="2026-10-25T01:30:00", end="2026-10-25T03:30:00"), tzid=PARIS),
    ),
    "repeated hour by its offset": (
        {"new_start": "2026-10-25T02:30+02:00", "new_end": "2026-10-25T02:30+01:00"},
        Patch(move=Reschedule(start="2026-10-25T02:30:00+02:00", end="2026-10-25T02:30:00+01:00")),
    ),
    "first and last year": (
        {"new_start": "1970-01-01", "new_end": "2200-12-31"},
        Patch(move=Reschedule(start="1970-01-01", end="2200-12-31")),
    ),
    "title": ({"summary": "Design review"}, Patch(summary="Design review")),
    "title in other scripts": ({"summary": "עברית 🎉"}, Patch(summary="עברית 🎉")),
    "longest title": ({"summary": "s" * 1024}, Patch(summary="s" * 1024)),
    "longest description": ({"description": "d" * 4096}, Patch(description="d" * 4096)),
    "text like a formula": ({"summary": "=1+1"}, Patch(summary="=1+1")),
    "description of lines": (
        {"description": "one, two\n\t# three\n"},
        Patch(description="one, two\n\t# three\n"),
    ),
    "description cleared": ({"description": "#N/A"}, Patch(description="")),
    "location cleared": ({"location": "#N/A"}, Patch(location="")),
    "transparency": ({"transparency": "opaque"}, Patch(transparency="opaque")),
    "guarded": (
        {"summary": "New", "expect_start": "2026-03-02T14:00", "tzid": PARIS},
        Patch(summary="New", expect_start="2026-03-02T14:00:00", tzid=PARIS),
    ),
    "guarded by a date": (
        {"shift": "P1D", "expect_start": "2026-03-02"},
        Patch(move=Shift(days=1), expect_start="2026-03-02"),
    ),
}


@pytest.mark.parametrize("case", PATCHES)
def test_cells_become_the_patch_that_they_ask_for(case: str) -> None:
    """A blank leaves, #N/A clears, and a time is kept as it was asked."""
    cells, patch = PATCHES[case]
    assert read_one(a_csv(**cells)).patch == patch


def test_a_row_carries_ids_hint_ref_and_its_own_cells() -> None:
    """The results echo what was given, column by column."""
    row = read_one(a_csv(shift="PT1H", date_hint="2026-03-02", x_team="red", ref="crm-1"))
    assert (row.account, row.key) == ("acc_1", EventKey("cal_1", "evt_external_1"))
    assert (row.hint, row.ref, row.line_no) == (date(2026, 3, 2), "crm-1", 2)
    assert row.cells == (*IDS.values(), "PT1H", "2026-03-02", "red", "crm-1")


def test_a_hint_may_be_a_time_whose_date_counts() -> None:
    """People paste the start of the event, with whatever zone."""
    row = read_one(a_csv(shift="PT1H", date_hint="2026-03-02T23:30:00+01:00"))
    assert row.hint == date(2026, 3, 2)


def test_the_order_of_columns_is_free() -> None:
    """Spreadsheets are rearranged."""
    row = read_one("shift,event_uid,account,calendar_id\nPT1H,evt_external_1,acc_1,cal_1\n")
    assert (row.account, row.key.event_uid) == ("acc_1", "evt_external_1")
    assert row.cells == ("PT1H", "evt_external_1", "acc_1", "cal_1")


@pytest.mark.row(29)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_matter(end: str) -> None:
    """Windows, Unix and old Mac programs write the same edits."""
    plain = HEAD + ROW + ROW.replace("external_1", "external_2")
    assert read(plain.replace("\n", end)) == read(plain)


def test_mixed_line_ends_within_quotes_come_out_as_line_feeds() -> None:
    """The API compares texts with line feeds, so do we."""
    content = "account,calendar_id,event_uid,description\r\na,c,e,'1\r\n2\r3\n4'\r".replace(
        "'", '"'
    )
    assert read_one(content).patch.description == "1\n2\n3\n4"


@pytest.mark.row(29)
def test_a_byte_order_mark_is_accepted() -> None:
    """Excel writes one when it saves as "CSV UTF-8"."""
    assert read(b"\xef\xbb\xbf" + (HEAD + ROW).encode()) == read(HEAD + ROW)


def test_comments_and_blank_lines_do_not_count_but_keep_their_numbers() -> None:
    """A line number is what the editor shows."""
    rows = read(f'# moved by Ana\n\n{HEAD}\n# "later, \n{ROW}\n,,,\n  \n{ROW.replace("_1", "_2")}')
    assert [row.line_no for row in rows] == [6, 10]


def test_a_line_within_quotes_is_text_even_if_it_looks_like_a_comment() -> None:
    """Only the start of a record can be a comment."""
    rows = read(a_csv({"description": "a\n# b\n\nc"}, {"event_uid": "e2", "summary": "New"}))
    assert rows[0].patch.description == "a\n# b\n\nc"
    assert [row.line_no for row in rows] == [2, 6]


def test_a_record_of_many_lines_is_known_by_its_first() -> None:
    """The editor's cursor goes where the record begins."""
    content = a_csv({"description": "a\nb", "shift": "PT1H"}, {"event_uid": "e2", "shift": "x"})
    assert [problem.line for problem in problems(content)] == [4]


def test_the_last_line_needs_no_line_end() -> None:
    """Many programs leave it out."""
    assert len(read((HEAD + ROW).rstrip("\n"))) == 1


def test_reading_twice_gives_the_same_edits() -> None:
    """Both passes see one file."""
    content = HEAD + ROW
    assert read(content) == read(content)
    assert checked(content) == checked(content)


def test_wishes_without_end_are_not_all_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded, and forgetting changes nothing."""
    monkeypatch.setattr(moments, "CACHED", 4)
    days = [f"2026-03-{day:02}" for day in range(1, 29)]
    edits = [{"event_uid": day, "shift": "P1D", "expect_start": day} for day in days]
    rows = read(a_csv(*edits, {"event_uid": "again", "shift": "P1D", "expect_start": days[0]}))
    assert [row.patch.expect_start for row in rows] == [*days, days[0]]


@pytest.mark.parametrize(("count", "last"), [(16, "verified_at"), (22, "conflict")])
def test_results_of_every_version_are_inputs_again(count: int, last: str) -> None:
    """Who upgrades still has the failed.csv of last week: what is ours in it is passed over."""
    ours = RESULT_COLUMNS[:count]
    assert ours[-1] == last
    header = f"{HEAD.strip()},{','.join(ours)}"
    [row] = read(f"{header}\n{ROW.strip()}{',=x' * count}\n")
    assert row.patch == Patch(move=Shift(seconds=3600))
    assert row.cells == (*IDS.values(), "PT1H")
