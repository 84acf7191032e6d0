"""What holds for every input: no file breaks intake, and every right edit comes through whole."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from worker.errors import InvalidInput, Problem
from worker.intake import (
    COLUMNS,
    Checked,
    Format,
    Input,
    Row,
    change_digest,
    check,
    rows,
    values,
)
from worker.intake.csv_file import misquoted
from worker.model import AllDay, Patch, Policy, Reschedule, Shift, Timed
from worker.rules import Ambiguous, format_shift, moved, rescheduled

HEADER = ",".join(COLUMNS).encode()
ZONES = ("Europe/Paris", "America/New_York", "Asia/Kathmandu", "Pacific/Apia", "UTC")
POLICY = Policy()


def read(content: bytes, *, kind: Format) -> list[Row]:
    """The edits of an input that has been checked."""
    opened = Input(name="edits", format=kind, stream=io.BytesIO(content))
    found = check(opened, accounts=None)
    read_rows = list(rows(opened))
    assert len(read_rows) == found.rows == sum(found.accounts.values())
    return read_rows


def refusal(content: bytes, *, kind: Format) -> list[Problem]:
    """The problems of an input; none when it is right, and then both passes agree on it."""
    try:
        assert read(content, kind=kind)
    except InvalidInput as error:
        return error.problems
    return []


def check_refusal(content: bytes, *, kind: Format) -> None:
    """Nothing but rows or problems comes of it; problems lie within the file and can be shown."""
    lines = content.count(b"\n") + content.count(b"\r") + 1
    for problem in refusal(content, kind=kind):
        assert problem.message
        assert problem.value.isprintable()
        assert problem.column.isprintable()
        assert 0 <= problem.line <= lines


@pytest.mark.row(29)
@given(content=st.binary(max_size=200))
@example(content=b"\x00" * 8)
@example(content=b"\xff\xfe")
def test_any_bytes_are_rows_or_problems(content: bytes) -> None:
    """Whatever is submitted, the answer is not a stack trace."""
    check_refusal(content, kind="csv")
    check_refusal(content, kind="jsonl")


HEADS = st.sampled_from([HEADER + b"\n", b"account,calendar_id,event_uid,shift,x_\x1b\n", b""])
PIECES = st.sampled_from(
    [
        *(b",", b",,,,,,,,,,", b'"', b"\n", b"\r", b"\r\n", b" ", b"#", b"#N/A", b"#REF!", b";"),
        *(b"acc,cal,evt,", b"PT1H", b"2026-03-02", b"2026-03-02T02:30", b"Europe/Paris", b"opaque"),
        *("é".encode(), b"\xe9", b"\0", b"\x1b[2J", b"account", b"shift", b"x_", b"\xef\xbb\xbf"),
    ]
)


@pytest.mark.row(29)
@given(head=HEADS, pieces=st.lists(PIECES, max_size=40))
def test_any_cells_below_a_header_are_rows_or_problems(head: bytes, pieces: list[bytes]) -> None:
    """Quotes, line ends and commas go together in every way."""
    check_refusal(head + b"".join(pieces), kind="csv")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["account", "set", "fields", "expect", "start", "shift", "mode", "op", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(value=JSON)
@example(value={"account": "a", "calendar_id": "c", "event_uid": "e", "set": {"summary": "\ud800"}})
def test_any_json_is_rows_or_problems(value: Any) -> None:
    """Every value of the wrong type is said, none breaks decoding."""
    check_refusal(json.dumps(value).encode(), kind="jsonl")


IDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","),
    min_size=1,
    max_size=30,
)
NAMES = IDS.filter(lambda text: not text.startswith("#"))
DAYS = st.dates(date(1971, 1, 1), date(2199, 12, 30))
TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t"),
    min_size=1,
    max_size=60,
).filter(lambda text: not text.isspace() and not text.startswith("#"))
SHIFTS = st.builds(Shift, days=st.integers(-390, 390), seconds=st.integers(-86_399, 86_399)).filter(
    lambda shift: shift.delta != timedelta()
)
CLOCKS = st.datetimes(
    datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2199-12-30")
).map(lambda naive: naive.replace(microsecond=0))
TIMES = CLOCKS.map(lambda naive: naive.replace(tzinfo=UTC))


@st.composite
def moves(draw: st.DrawFn) -> dict[str, str]:
    """No move, or a shift, or new times: dates or aware times."""
    match draw(st.sampled_from(["none", "shift", "days", "times"])):
        case "shift":
            return {"shift": format_shift(draw(SHIFTS))}
        case "days":
            start = draw(DAYS)
            end = start + timedelta(days=draw(st.integers(1, 9)))
        case "times":
            start = draw(TIMES)
            end = start + timedelta(seconds=draw(st.integers(1, 99_999)))
        case _:
            return {}
    times = {"new_start": start.isoformat(), "new_end": end.isoformat()}
    return draw(st.sampled_from([times, {"new_start": times["new_start"]}]))


EDITS = st.builds(
    lambda ids, move, rest: {name: value for name, value in (ids | rest | move).items() if value},
    st.fixed_dictionaries({"account": NAMES, "calendar_id": NAMES, "event_uid": NAMES}),
    moves(),
    st.fixed_dictionaries(
        {
            "date_hint": st.none() | DAYS.map(str),
            "tzid": st.none() | st.sampled_from(ZONES),
            "summary": st.none() | TEXTS,
            "description": st.none() | TEXTS | st.just("#N/A"),
            "location": st.none() | TEXTS | st.just("#N/A"),
            "transparency": st.none() | st.sampled_from(["opaque", "transparent"]),
            "ref": st.none() | NAMES,
        }
    ),
).filter(lambda edit: set(edit) & {"shift", "new_start", "summary", "description", "location"})

FILES = st.lists(
    EDITS,
    min_size=1,
    max_size=4,
    unique_by=lambda edit: (edit["account"], edit["calendar_id"], edit["event_uid"]),
)


def as_csv(
    edits: list[dict[str, str]], *, end: str = "\n", quoting: Literal[0, 1] = csv.QUOTE_MINIMAL
) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", quoting=quoting)
    writer.writeheader()
    writer.writerows(edits)
    # The writer quotes line feeds only while they are part of its own line ends.
    return out.getvalue().replace("\r\n", end).encode()


def as_jsonl(edits: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(_as_json(edit)).encode() + b"\n" for edit in edits)


def _as_json(edit: dict[str, str]) -> dict[str, Any]:
    new = {
        name.removeprefix("new_"): "" if edit[name] == "#N/A" else edit[name]
        for name in COLUMNS[5:12]
        if name in edit and name != "tzid"
    }
    rest = {name: value for name, value in edit.items() if name not in COLUMNS[5:12]}
    zone = {"tzid": edit["tzid"]} if "tzid" in edit else {}
    return rest | zone | ({"set": new} if new else {})


def wanted(edit: dict[str, str]) -> Patch:
    """What an edit asks, read without intake."""

    def text(name: str) -> str | None:
        return "" if edit.get(name) == "#N/A" else edit.get(name)

    return Patch(
        move=Reschedule(start=edit["new_start"], end=edit.get("new_end"))
        if "new_start" in edit
        else None,
        summary=edit.get("summary"),
        description=text("description"),
        location=text("location"),
        transparency=edit.get("transparency"),
        tzid=edit.get("tzid"),
    )


@given(
    edits=FILES,
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_every_edit_comes_through_csv_whole(
    edits: list[dict[str, str]], end: str, quoting: Literal[0, 1]
) -> None:
    """What is asked is what is stored, whatever quotes and line ends the file has."""
    for edit, row in zip(
        edits, read(as_csv(edits, end=end, quoting=quoting), kind="csv"), strict=True
    ):
        assert (row.account, *row.key) == (edit["account"], edit["calendar_id"], edit["event_uid"])
        assert row.ref == edit.get("ref", "")
        assert str(row.hint or "") == edit.get("date_hint", "")
        assert row.cells == tuple(edit.get(name, "") for name in COLUMNS)
        if isinstance(row.patch.move, Shift):
            assert format_shift(row.patch.move) == edit["shift"]
        else:
            assert row.patch == wanted(edit)


@given(edits=FILES)
def test_the_same_edits_in_jsonl_are_the_same_patches(edits: list[dict[str, str]]) -> None:
    """Equal wishes are equal changes, in order, with equal digests."""
    by_csv, by_jsonl = read(as_csv(edits), kind="csv"), read(as_jsonl(edits), kind="jsonl")
    assert [row.patch for row in by_csv] == [row.patch for row in by_jsonl]
    assert [change_digest(row) for row in by_csv] == [change_digest(row) for row in by_jsonl]


@pytest.mark.row(31)
@given(edits=FILES, data=st.data())
def test_cells_echoed_into_a_file_ask_the_same_again(
    edits: list[dict[str, str]], data: st.DataObject
) -> None:
    """The failed rows of a report are a valid input."""
    first = read(as_csv(edits), kind="csv")
    some = data.draw(
        st.lists(st.sampled_from(first), min_size=1, unique_by=lambda row: row.line_no)
    )
    out = io.StringIO(newline="")
    csv.writer(out).writerows([COLUMNS, *(row.cells for row in some)])
    again = read(out.getvalue().encode(), kind="csv")
    assert [(row.key, row.patch) for row in again] == [(row.key, row.patch) for row in some]


@given(naive=CLOCKS, tzid=st.sampled_from(ZONES))
@example(naive=datetime.fromisoformat("2026-03-29T02:30"), tzid="Europe/Paris")
@example(naive=datetime.fromisoformat("2026-10-25T02:30"), tzid="Europe/Paris")
@example(naive=datetime.fromisoformat("2011-12-30T12:00"), tzid="Pacific/Apia")
def test_a_wall_clock_time_is_taken_just_when_the_rules_can_place_it(
    naive: datetime, tzid: str
) -> None:
    """A time that exists once comes through; a gap or a fold is refused before anything is sent."""
    edit = {
        "account": "a",
        "calendar_id": "c",
        "event_uid": "e",
        "new_start": naive.isoformat(),
        "tzid": tzid,
    }
    event = Timed(start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2020, 1, 1, 1, tzinfo=UTC))
    target = rescheduled(event, Reschedule(start=naive.isoformat()), tzid=tzid, policy=POLICY)
    if problems := refusal(as_csv([edit]), kind="csv"):
        assert isinstance(target, Ambiguous)
        assert "exist" in problems[0].message
    else:
        (row,) = read(as_csv([edit]), kind="csv")
        assert row.patch.move == Reschedule(start=naive.isoformat())
        assert isinstance(target, Timed)
        assert target.start == naive.replace(tzinfo=ZoneInfo(tzid)).astimezone(UTC)


@given(edit=EDITS)
def test_the_rules_understand_every_patch_that_is_let_in(edit: dict[str, str]) -> None:
    """What passes here never fails in a worker for its form."""
    (row,) = read(as_csv([edit]), kind="csv")
    move, tzid = row.patch.move, row.patch.tzid
    assume(move is not None)
    for event in (
        AllDay(start=date(2026, 3, 2), end=date(2026, 3, 3)),
        Timed(start=datetime(2026, 3, 2, 9, tzinfo=UTC), end=datetime(2026, 3, 2, 10, tzinfo=UTC)),
    ):
        if isinstance(move, Shift):
            moved(event, move, tzid=tzid, policy=POLICY)
        elif isinstance(move, Reschedule):
            rescheduled(event, move, tzid=tzid, policy=POLICY)


@given(text=st.text(max_size=300))
@example(text="a" * 255)
@example(text="a" * 256)
@example(text="#N/A")
def test_what_is_plain_to_see_passes_the_closer_look(text: str) -> None:
    """The quick check of ids never lets in what the careful one refuses."""
    if values.plain(text):
        assert values.name(text) == values.ref(text) == text


@given(cells=st.lists(st.text(st.sampled_from('",\na'), max_size=9), min_size=1, max_size=5))
def test_a_fault_in_quotes_is_told_by_the_cell_where_it_opens(cells: list[str]) -> None:
    """The place is found apart from the reading, so both must agree on what is well quoted."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow(cells)
    at = misquoted(f'{out.getvalue()},"open')
    assert at == (sum(cell.count("\n") for cell in cells), len(cells), None)
    at = misquoted(f'{out.getvalue()},"closed"x')
    assert at == (sum(cell.count("\n") for cell in cells), len(cells), 0)


@given(edits=FILES, data=st.data())
def test_comments_and_blank_lines_between_records_mean_nothing(
    edits: list[dict[str, str]], data: st.DataObject
) -> None:
    """Whoever comments a file does not make another campaign of it."""
    notes = st.sampled_from(["", "# why\n", "\n", " \t\n", '#"\n', ",,,,,,,,,,,,,\n"])
    plain = [as_csv([edit]).decode().split("\n", 1) for edit in edits]
    noted = plain[0][0] + "\n" + "".join(data.draw(notes) + record for _, record in plain)
    assert digest(noted.encode()) == digest(as_csv(edits))


def digest(content: bytes) -> str:
    opened = Input(name="edits", format="csv", stream=io.BytesIO(content))
    return check(opened, accounts=None).digest


@given(edits=FILES)
def test_an_edit_is_read_the_same_alone_and_among_others(edits: list[dict[str, str]]) -> None:
    """What is remembered of earlier lines never changes a later one."""
    together = [row.patch for row in read(as_csv([*edits, *edits]), kind="csv")]
    alone = [read(as_csv([edit]), kind="csv")[0].patch for edit in edits]
    assert together == alone + alone


@given(edits=FILES, data=st.data())
def test_a_wrong_line_among_right_ones_is_told_by_its_number(
    edits: list[dict[str, str]], data: st.DataObject
) -> None:
    """The number is that of the line where the record starts, whatever texts come before it."""
    at = data.draw(st.integers(0, len(edits) - 1))
    wrong = [edit | {"ref": "r" * 256} if n == at else edit for n, edit in enumerate(edits)]
    line = 1 + as_csv(edits[:at]).count(b"\n")
    found = refusal(as_csv(wrong), kind="csv")
    assert [(problem.line, problem.column) for problem in found] == [(line, "ref")]


@given(edits=FILES, data=st.data())
def test_each_repeated_line_names_the_first_of_its_kind(
    edits: list[dict[str, str]], data: st.DataObject
) -> None:
    """However often a line is repeated, one edit is made of it."""
    order = data.draw(st.lists(st.integers(0, len(edits) - 1), min_size=1, max_size=8))
    by_line: dict[int, int] = {}
    for row, n in zip(read(as_csv([edits[n] for n in order]), kind="csv"), order, strict=True):
        assert row.duplicate_of == by_line.get(n)
        by_line.setdefault(n, row.line_no)


def kept(content: bytes, *, kind: Format) -> tuple[Checked | list[Problem], list[Row]]:
    """All that comes of an input: what is known of it and its rows, or its problems."""
    opened = Input(name="edits", format=kind, stream=io.BytesIO(content))
    try:
        return check(opened, accounts=None), list(rows(opened))
    except InvalidInput as error:
        return error.problems, []


@given(edits=FILES, data=st.data(), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_lines_read_at_once_are_read_as_if_one_by_one(
    edits: list[dict[str, str]], data: st.DataObject, quoting: Literal[0, 1]
) -> None:
    """A comment at the end has all lines of a file looked at closely, and changes nothing else."""
    order = data.draw(st.lists(st.integers(0, len(edits) - 1), min_size=1, max_size=6))
    changed = st.sampled_from([{}, {"ref": "r" * 256}, {"event_uid": "a b"}, {"summary": " "}])
    chosen = [edits[n] | data.draw(changed) for n in order]
    as_file = as_csv(chosen, quoting=quoting)
    assert kept(as_file, kind="csv") == kept(as_file + b"# the end\n", kind="csv")
    lines = as_jsonl(chosen)
    assert kept(lines, kind="jsonl") == kept(lines + b" \n", kind="jsonl")


@given(head=HEADS, pieces=st.lists(PIECES, max_size=40))
@example(head=HEADER + b"\n", pieces=[b'"', b"\n"])
def test_any_lines_are_the_same_at_once_and_one_by_one(head: bytes, pieces: list[bytes]) -> None:
    """Wrong ones as well: the quick way may only give up, never judge otherwise."""
    content = head + b"".join(pieces)
    assume(content.count(b'"') % 2 == 0)  # an open quote would take the comment for its text
    if not content.endswith((b"\n", b"\r")):
        content += b"\n"
    assert kept(content, kind="csv") == kept(content + b"# the end\n", kind="csv")
