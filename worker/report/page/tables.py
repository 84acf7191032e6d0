"""The tables of a page: each edit in exactly one of them, and no more rows than a browser bears."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from worker.model import EditState
from worker.report.lines import PlanLine, needs_attention
from worker.report.page.markup import Html, tag
from worker.report.page.rows import change_row, reason_row

#: rows of one table; what lies beyond is counted, and said where to find
MOST_ROWS: Final = 5_000

ATTENTION, CHANGES, WAITING, ALONE, UNTRIED = "attention", "changes", "waiting", "alone", "untried"
_CHANGE_COLUMNS: Final = ("Event", "Change", "Guests")
_REASON_COLUMNS: Final = ("Event", "When", "Why")


@dataclass(slots=True, kw_only=True)
class Table:
    """A table that grows row by row; `count` goes on when it has all that it shows."""

    name: str
    title: str
    lead: str
    columns: tuple[str, ...]
    row: Callable[..., Html]
    count: int = 0
    rows: list[Html] = field(default_factory=list)

    def add(self, line_of: Callable[[], PlanLine], *, who_of: Callable[[str], str]) -> None:
        """Take an edit, of which a line is made only while there is room for it."""
        self.count += 1
        if len(self.rows) < MOST_ROWS:
            line = line_of()
            self.rows.append(self.row(line, who=who_of(line.account)))


def new_tables(*, has_begun: bool) -> dict[str, Table]:
    """Return the tables, empty, in the order of the page."""
    changes = "What has been changed" if has_begun else "What would change"
    made = (
        Table(
            name=ATTENTION, title="What needs attention", columns=_CHANGE_COLUMNS, row=change_row,
            lead="These did not come to what was asked; each says why.",
        ),
        Table(
            name=CHANGES, title=changes, columns=_CHANGE_COLUMNS, row=change_row,
            lead="Before, after, and by how much. Times are those of the zone that is named.",
        ),
        Table(
            name=WAITING, title="Not looked at yet", columns=_REASON_COLUMNS, row=reason_row,
            lead="Nobody has read these events so far.",
        ),
        Table(
            name=ALONE, title="What is left alone", columns=_REASON_COLUMNS, row=reason_row,
            lead="Nothing is sent for these, and nobody hears of it.",
        ),
        Table(
            name=UNTRIED, title="Not attempted", columns=_CHANGE_COLUMNS, row=change_row,
            lead="The campaign ended before their turn: these events are as they were.",
        ),
    )  # fmt: skip
    return {table.name: table for table in made}


def table_of(status: str, code: str) -> str:
    """Return the one table that an edit belongs into."""
    if needs_attention(status, code):
        return ATTENTION
    match status:
        case "waiting":
            return WAITING
        case EditState.SKIPPED | EditState.UNCHANGED:
            return ALONE
        case EditState.NOT_ATTEMPTED:
            return UNTRIED
        case _:
            return CHANGES


def drawn(table: Table, *, campaign: str) -> Iterator[Html]:
    """Yield a table in pieces; nothing for one without rows."""
    if not table.count:
        return
    yield Html(f'<section class="list {table.name}">')
    yield tag("h2", table.title, " ", tag("span", f"{table.count:,}", class_="number"))
    yield tag("p", table.lead)
    if table.count > len(table.rows):
        yield tag("p", *_beyond(table, campaign), class_="beyond")
    if table.name == CHANGES:
        yield from _filters()
    yield Html('<table class="rows"><thead>')
    yield tag("tr", [tag("th", name, scope="col") for name in table.columns])
    yield Html("</thead><tbody>\n")
    for row in table.rows:
        yield Html(f"{row}\n")
    yield Html("</tbody></table></section>\n")


def _beyond(table: Table, campaign: str) -> Iterator[Html | str]:
    left = table.count - len(table.rows)
    yield f"The first {len(table.rows):,} are shown, {left:,} more are not. All of them: "
    yield tag("code", f"calpatch show {campaign} --only all")


def _filters() -> Iterator[Html]:
    """Yield what shows some rows only, by style alone."""
    choices = (("all", "All"), ("warned", "To be looked at twice"), ("told", "With guests"))
    for name, _ in choices:
        yield tag(
            "input", type="radio", name="filter", id=f"show-{name}", checked=name == "all",
            class_="filter",
        )  # fmt: skip
    labels = [tag("label", said, for_=f"show-{name}") for name, said in choices]
    yield tag("div", labels, class_="filters")
