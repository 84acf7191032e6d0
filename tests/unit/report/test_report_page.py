"""The page: well-formed whatever calendars hold, obeyed by no browser, and its counts add up."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report.campaigns import ONE_OF_EACH, PACE, End, a_campaign, a_store
from tests.unit.report.outcomes import a_line, at
from worker.errors import SettingsError
from worker.model import Code, EditState
from worker.report.page import About, tables, write_page
from worker.report.page.charts import MOST_COLUMNS, chart_over_time, columns_over_time, stack
from worker.report.page.markup import Html, event_text, plain, tag
from worker.report.page.page import POLICY, style
from worker.report.page.rows import change_row, reason_row
from worker.report.page.tables import new_tables, table_of
from worker.simulator.seeds.texts import HOSTILE
from worker.store import Store

VOID = {"meta", "input", "br", "hr", "rect"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "main", "header", "footer", "section", "h1",
    "h2", "p", "div", "span", "b", "code", "ul", "li", "dl", "dt", "dd", "table", "caption",
    "thead", "tbody", "tfoot", "tr", "th", "td", "svg", "rect", "figure", "figcaption", "del",
    "ins", "mark", "bdi", "input", "label",
}  # fmt: skip
BEFORE, AFTER = at("2026-03-02T13:00"), at("2026-03-02T14:00")
ABOUT = About(
    asked=["selects events of all accounts", "  in <all> their calendars"], pace=PACE,
    chunk_size=200, now=datetime(2126, 6, 1, 12, tzinfo=UTC), version="0.0.1",
)  # fmt: skip


class Reader(HTMLParser):
    """Reads a page as a browser would, and refuses whatever is not closed, or not expected."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.said: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID - {"rect"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.said.append(data)

    @property
    def text(self) -> str:
        """All that is shown."""
        return " ".join(" ".join(self.said).split())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def a_page(store: Store, folder: Path, ends: Sequence[End] = ONE_OF_EACH, **fields: Any) -> str:
    """Write a campaign's page and return it."""
    campaign = a_campaign(store, ends, **fields)
    write_page(store, campaign, folder / "plan.html", about=ABOUT)
    return (folder / "plan.html").read_text(encoding="utf-8")


def tables_of(page: str, name: str) -> list[str]:
    """Return a page's tables of a class."""
    found: list[str] = re.findall(rf'<table class="{name}">.*?</table>', page, re.DOTALL)
    return found


def in_a_table(row: Html) -> Reader:
    """Read one row as part of a page."""
    return Reader(f"<table><tbody>{row}</tbody></table>")


# ------------------------------------------------------------------- what strangers write


@pytest.mark.parametrize("title", [*HOSTILE, "</title></style><svg onload=x>", "&lt;b&gt; \ud800"])
def test_no_title_becomes_markup(title: str) -> None:
    """A stranger's invitation is in a manager's browser: it is shown, and never obeyed."""
    line = a_line(
        at("2026-03-02T13:00", summary=title), at("2026-03-02T13:00", summary=f"X {title}")
    )
    for row in (change_row(line, who=title), reason_row(line, who=title)):
        read = in_a_table(row)
        assert {name for _, name, _ in read.attributes} <= {"class", "scope", "data-label"}
        assert all(ord(char) >= 32 for char in row)
        assert not re.search("[\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", row)


@given(st.text(max_size=60))
def test_whatever_is_written_is_read_as_text(text: str) -> None:
    """Every character comes out as itself, or by its number."""
    shown = "".join(Reader(f"<p>{tag('span', text)}</p>").said)
    expected = "".join(
        char if char.isprintable() or char in "\u00a0\u202f" else f"U+{ord(char):04X}"
        for char in text
    )
    assert shown == expected
    assert Reader(f"<p>{event_text(text)}</p>").open == []


def test_attributes_cannot_be_left() -> None:
    """A quote within one ends it."""
    made = tag("td", data_label='" onclick="x', class_=None, hidden=True, checked=False)
    assert made == '<td data-label="&quot; onclick=&quot;x" hidden></td>'


def test_signs_that_are_joined_stay_together() -> None:
    """A family of emoji is one sign; the same joiner between letters would hide."""
    assert event_text("👩‍💻") == "<bdi>👩‍💻</bdi>"
    assert "U+200D" in event_text("a\u200db")
    assert "U+200B" in event_text("\u200b")
    assert plain("a\u00a0b") == "a\u00a0b"


def test_the_page_forbids_scripts_and_everything_from_elsewhere(
    store: Store, tmp_path: Path
) -> None:
    """Also what a mistake of ours might let through."""
    page = a_page(store, tmp_path)
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert page.index("Content-Security-Policy") < page.index("<style>")
    read = Reader(page)
    names = {name for _, name, _ in read.attributes}
    assert names.isdisjoint({"src", "href", "style", "srcset", "action"})
    assert not any(name.startswith("on") for name in names)
    assert "url(" not in style()
    assert "@import" not in style()
    assert "</" not in style()


def test_hostile_campaigns_make_no_markup_either(store: Store, tmp_path: Path) -> None:
    """Reason and source are written by people too."""
    page = a_page(store, tmp_path, reason="<script>alert(1)</script>")
    assert "<script" not in page
    assert "<script>alert(1)</script>" in Reader(page).text


# ------------------------------------------------------------------- what it tells


def test_the_page_is_whole_and_its_counts_add_up(store: Store, tmp_path: Path) -> None:
    """Law 2: each edit is in exactly one table, and in exactly one line of the outcomes."""
    page = a_page(store, tmp_path)
    read = Reader(page)
    assert page.startswith('<!doctype html>\n<html lang="en">')
    [outcomes] = tables_of(page, "outcomes")
    counts = [int(n) for n in re.findall(r"</svg></td><td>([\d,]+)</td>", outcomes)]
    assert sum(counts) == len(ONE_OF_EACH)
    rows = [table.count("<tr") - 1 for table in tables_of(page, "rows")]
    heads = [int(n) for n in re.findall(r'<h2>[^<]* <span class="number">([\d,]+)</span>', page)]
    assert rows == heads == [4, 1, 2, 1]
    assert sum(rows) == len(ONE_OF_EACH)
    assert "in <all> their calendars" in read.text
    assert "Made by calpatch 0.0.1 on 2126-06-01 at 12:00 UTC." in read.text


@pytest.mark.parametrize("state", list(EditState))
def test_every_state_has_its_table(state: EditState) -> None:
    """A state that was forgotten would lose its edits."""
    assert table_of(str(state), "") in new_tables(has_begun=True)


def test_a_plan_and_what_came_of_it_are_told_apart() -> None:
    """What would change has not been changed."""
    assert new_tables(has_begun=False)["changes"].title == "What would change"
    assert new_tables(has_begun=True)["changes"].title == "What has been changed"


def test_a_row_marks_what_differs() -> None:
    """In a title of ten words, the one that is new."""
    line = a_line(BEFORE, at("2026-03-02T13:00", location="Building B, Room 4", description=""))
    row = change_row(line, who="Ann")
    assert "<ins><bdi><mark>Building B, </mark>Room 4</bdi></ins>" in row
    assert '<ins><span class="nothing">nothing</span></ins>' in row
    assert "Mon 2026-03-02 14:00–15:00 Europe/Paris" not in row


def test_a_conflict_has_its_third_value() -> None:
    """What it is now, beside what it was and what it should be."""
    seen = at("2026-03-02T17:00", location="")
    line = a_line(
        BEFORE, at("2026-03-02T14:00", location="Room 5"), state=EditState.CONFLICT,
        code=Code.CHANGED_ELSEWHERE, seen=seen,
    )  # fmt: skip
    text = in_a_table(change_row(line, who="Ann")).text
    assert "now: Mon 2026-03-02 18:00–19:00 Europe/Paris" in text
    assert "now: nothing" in text
    assert "conflict Somebody changed the event in the meantime" in text


def test_rows_without_texts_say_so() -> None:
    """An erased event, one without a title, and one whose texts nobody changed."""
    assert "not shown" in reason_row(a_line(), who="Ann")
    untitled = a_line(at("2026-03-02T13:00", summary=" "), state=EditState.SKIPPED)
    assert "without a title" in reason_row(untitled, who="Ann")
    same = a_line(BEFORE, None, state=EditState.FAILED, code=Code.END_BEFORE_START)
    assert "Mon 2026-03-02 14:00–15:00 Europe/Paris" in change_row(same, who="Ann")


def test_labels_stand_for_accounts(store: Store, tmp_path: Path) -> None:
    """A manager knows people, and no ids; of an account without a label there is nothing else."""
    page = a_page(store, tmp_path)
    assert '<span class="who"><bdi>acc_1</bdi></span>' in page


def test_more_rows_than_a_browser_bears_are_counted(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not shown is said, with the command that shows it."""
    monkeypatch.setattr(tables, "MOST_ROWS", 10)
    ends = [End(state=EditState.SKIPPED, code=Code.RECURRING)] * 25
    page = a_page(store, tmp_path, ends)
    assert page.count("<tr") < 25
    assert "The first 10 are shown, 15 more are not. All of them: calpatch show c_1 --only all" in (
        Reader(page).text
    )
    assert '<span class="number">25</span>' in page


# ------------------------------------------------------------------- the file


def test_the_file_is_its_owners_and_whole_or_not_there(store: Store, tmp_path: Path) -> None:
    """It holds text of calendars; and half a page would look like a whole one."""
    (tmp_path / "plan.html").write_text("old")
    (tmp_path / "plan.html").chmod(0o644)
    a_page(store, tmp_path)
    assert stat.S_IMODE((tmp_path / "plan.html").stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir() if "html" in each.name} == {"plan.html"}


@pytest.mark.parametrize("name", ["none/plan.html", "."])
def test_a_place_that_cannot_be_written_is_one_line(
    store: Store, tmp_path: Path, name: str
) -> None:
    """A folder that is not there, and one that is no file."""
    campaign = a_campaign(store, ONE_OF_EACH)
    with pytest.raises(SettingsError, match="Give another file with --html"):
        write_page(store, campaign, tmp_path / name, about=ABOUT)


# ------------------------------------------------------------------- charts


def days(*numbers: int) -> Iterator[tuple[str, int]]:
    """Give so many events on days of 2026, by their number."""
    for number in numbers:
        yield (date(2026, 1, 1) + timedelta(days=number)).isoformat(), 2


@pytest.mark.parametrize(
    ("numbers", "unit", "length"),
    [
        ((0,), "day", 1), ((0, 3), "day", 4), ((0, 69), "day", 70), ((0, 70), "week", 11),
        ((0, 600), "month", 2), (range(0, 40_000, 300), "year", 110), ((), "day", 0),
    ],
)  # fmt: skip
def test_time_is_put_together_to_what_can_be_drawn(
    numbers: Sequence[int], unit: str, length: int
) -> None:
    """Every day has its place, and no event is lost on the way."""
    found, columns = columns_over_time([*days(*numbers)])
    assert (found, len(columns)) == (unit, length)
    assert sum(each.events for each in columns) == 2 * len(numbers)
    assert unit == "year" or len(columns) <= MOST_COLUMNS


def test_charts_say_in_words_what_they_draw() -> None:
    """Who does not see them, or prints them black on white, loses nothing."""
    chart = chart_over_time([("2026-03-02", 1), ("2026-03-04", 5)])
    assert chart is not None
    words = "6 events by day, from Mon 2026-03-02 to Wed 2026-03-04; most on Wed 2026-03-04: 5"
    read = Reader(chart)
    assert read.text.count(words) == 2
    assert ("svg", "role", "img") in read.attributes
    assert chart.count("<rect") == 2
    assert chart_over_time([]) is None
    both = stack({"change": 10, "not_attempted": 2})
    assert "Of 12: change 10, not attempted 2" in Reader(both).text
    assert "Of 0:" in stack({})
