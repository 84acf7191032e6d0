"""The page as a whole: read in one pass over a campaign's edits, then written in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path

from worker.report.lines import line_of, status_of_line
from worker.report.page.markup import Html, tag
from worker.report.page.parts import (
    asked_for,
    figures,
    opening,
    outcomes,
    over_time,
    particulars,
    people,
)
from worker.report.page.tables import Table, drawn, new_tables, table_of
from worker.report.plan import BEFORE, PlanView, planned_at, view_of
from worker.report.sheet import Sheet, writing
from worker.report.snapshot import Pace
from worker.report.tally import Totals
from worker.store import Campaign, Store

#: Nothing is loaded, run or sent, whatever an event's text should make a browser want.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
#: accounts whose labels are kept at hand
MOST_LABELS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a page tells that the campaign's row does not: what is asked, in lines; the pace; when.

    Lines of `asked` that go into detail begin with blanks.
    """

    asked: Sequence[str]
    pace: Pace
    chunk_size: int
    now: datetime
    version: str


def write_page(store: Store, campaign: Campaign, path: Path, *, about: About) -> PlanView:
    """Write the page of a campaign as it is now, for its owner's eyes only, and return its figures.

    Raises SettingsError for a file that cannot be written; one that is there stays as it was then.
    """
    totals = Totals(policy=campaign.policy, at=planned_at(campaign))
    tables = new_tables(has_begun=campaign.state not in BEFORE)
    _fill(store, campaign, totals, tables)
    view = view_of(store, campaign, totals, pace=about.pace, chunk_size=about.chunk_size)
    with (
        writing("The page", path, next_step="Give another file with --html"),
        Sheet(path.parent, path.name) as sheet,
    ):
        for piece in pieces(view, totals, tables, about=about):
            sheet.write(piece)
        sheet.place()
    return view


def _fill(store: Store, campaign: Campaign, totals: Totals, tables: dict[str, Table]) -> None:
    who_of, at = _labels(store), planned_at(campaign)
    for outcome in store.reading.outcomes(campaign.id):
        totals.add(outcome)
        table = tables[table_of(status_of_line(outcome), outcome.code)]
        table.add(partial(line_of, outcome, policy=campaign.policy, at=at), who_of=who_of)


def _labels(store: Store) -> Callable[[str], str]:
    """Return what says how people call an account: its label, or its name where it has none."""

    @lru_cache(maxsize=MOST_LABELS)
    def label(sub: str) -> str:
        account = store.accounts.get(sub)
        return (account.label if account else "") or sub

    return label


def pieces(
    view: PlanView, totals: Totals, tables: dict[str, Table], *, about: About
) -> Iterator[str]:
    """Yield the page from its first character to its last."""
    yield '<!doctype html>\n<html lang="en">\n'
    yield _head(view)
    yield "\n<body><main>\n"
    yield opening(view, now=about.now)
    yield figures(view)
    yield asked_for(about.asked) or ""
    yield from outcomes(view, totals)
    yield from over_time(totals)
    yield from people(view, totals)
    yield particulars(view)
    for table in tables.values():
        yield from drawn(table, campaign=view.campaign)
    yield _foot(about)
    yield "\n</main></body>\n</html>\n"


def _head(view: PlanView) -> Html:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{view.key}: calpatch"),
        tag("style", Html(style())),
    )


def style() -> str:
    """Return the page's style."""
    return files(__package__).joinpath("style.css").read_text("utf-8")


def _foot(about: About) -> Html:
    made = f"Made by calpatch {about.version} on {about.now:%Y-%m-%d at %H:%M} UTC."
    mind = "It holds text of people's calendars: handle it as you would handle these."
    return tag("footer", tag("p", made, " ", mind))
