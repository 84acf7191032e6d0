"""`calpatch show`: a plan, event by event, before anybody agrees to it; and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from worker.cli.context import find_campaign, opened_store, pace_of
from worker.cli.options import CampaignArgument, JsonOption, WrongOption, chosen
from worker.cli.page import HtmlOption, give_page
from worker.cli.talk import give, give_folded, give_json, give_table, tell, tell_unopened
from worker.report import visible, visible_json
from worker.report.headline import headline, told_line
from worker.report.lines import GROUPING, GROUPS, PlanLine, line_of, needs_attention
from worker.report.plan import PlanView, planned_at, totals_of, view_of
from worker.report.standing import next_step
from worker.report.tally import Tally
from worker.settings import Settings
from worker.store import Campaign, Store

ONLY = (
    "changed", "unchanged", "skipped", "conflict", "failed", "attention", "not_attempted", "all",
)  # fmt: skip
#: where the second column of a plan's head begins
HANG = 11


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("show", epilog="Example: calpatch show office-move-paris --diff")(show)


def show(
    campaign: CampaignArgument = None,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Every change, before → after.")] = False,
    only: Annotated[
        str | None, typer.Option(help=f"Only these lines: {', '.join(ONLY[:-1])} or {ONLY[-1]}.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="reason, organizer, account or day: counts of each.")
    ] = None,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a plan: what would change and what not, whom it may mail, what it costs.

    It shows the events' own text: mind who is looking.
    """
    _check(diff=diff, only=only, group_by=group_by)
    settings = Settings.load()
    with opened_store(settings) as store:
        found = find_campaign(store, campaign)
        lines = only or ("changed" if diff else None)
        if html is not None:
            give_page(settings, store, found, html)
        if as_json:
            _give_objects(settings, store, found, only=lines, group_by=group_by)
        elif group_by is not None:
            _give_groups(store, found, only=only, group_by=group_by)
        else:
            view = give_plan(settings, store, found.id, as_json=False)
            if lines is not None:
                _give_lines(store, found, only=lines)
            if step := next_step(view, now=datetime.now(UTC)):
                tell(step)
        tell_unopened(store)


def _check(*, diff: bool, only: str | None, group_by: str | None) -> None:
    """Raise WrongOption for options that make no sense, alone or together."""
    if only is not None:
        chosen("--only", only, among=ONLY)
    if group_by is not None:
        chosen("--group-by", group_by, among=GROUPS)
    if group_by is not None and diff:
        raise WrongOption("--diff and --group-by exclude each other", next_step="Give one of them")


def give_plan(settings: Settings, store: Store, campaign_id: str, *, as_json: bool) -> PlanView:
    """Give a plan's figures, and return them."""
    view = look_at_plan(settings, store, find_campaign(store, campaign_id))
    if as_json:
        give_json(view)
    else:
        for line in headline(view, now=datetime.now(UTC)):
            give_folded(visible(line), hang=HANG)
    return view


def look_at_plan(settings: Settings, store: Store, campaign: Campaign) -> PlanView:
    """Return a plan's figures, in one pass over its lines."""
    totals = totals_of(store, campaign)
    return view_of(store, campaign, totals, pace=pace_of(settings), chunk_size=settings.chunk_size)


def _lines(store: Store, campaign: Campaign, only: str | None) -> Iterator[PlanLine]:
    at = planned_at(campaign)
    for outcome in store.reading.outcomes(campaign.id):
        line = line_of(outcome, policy=campaign.policy, at=at)
        if _is_wanted(line, only):
            yield line


def _is_wanted(line: PlanLine, only: str | None) -> bool:
    match only:
        case None | "all":
            return True
        case "changed":
            return bool(line.changes)
        case "attention":
            return needs_attention(line.status, line.code)
        case _:
            return line.status == only


def _give_lines(store: Store, campaign: Campaign, *, only: str) -> None:
    for line in _lines(store, campaign, only):
        for text in told_line(line):
            give(visible(text))


def _grouped(
    store: Store, campaign: Campaign, *, only: str | None, group_by: str
) -> list[tuple[str, int]]:
    """Return the counts of each group: days in their order, others by size."""
    tally, name_of = Tally(), GROUPING[group_by]
    for line in _lines(store, campaign, only):
        tally.add(name_of(line))
    return tally.by_name() if group_by == "day" else tally.by_count()


def _give_groups(store: Store, campaign: Campaign, *, only: str | None, group_by: str) -> None:
    groups = _grouped(store, campaign, only=only, group_by=group_by)
    rows = [(name, f"{count:,}") for name, count in groups]
    give_table((group_by, "edits"), rows, right="edits", texts=group_by)


def _give_objects(
    settings: Settings, store: Store, campaign: Campaign, *, only: str | None, group_by: str | None
) -> None:
    """Give the figures, and the groups or the lines if asked for, as one object."""
    view = msgspec.to_builtins(look_at_plan(settings, store, campaign))
    if group_by is not None:
        view["groups"] = dict(_grouped(store, campaign, only=only, group_by=group_by))
    elif only is not None:
        _give_with_lines(view, _lines(store, campaign, only))
        return
    give_json(view)


def _give_with_lines(view: object, lines: Iterator[PlanLine]) -> None:
    """Give an object and its lines one by one: a million of them are no single text."""
    head = visible_json(msgspec.json.format(msgspec.json.encode(view), indent=2).decode())
    give(f'{head.removesuffix("}").rstrip()},\n  "lines": [')
    mark = " "
    for line in lines:
        give(f"  {mark} {visible_json(msgspec.json.encode(line).decode())}")
        mark = ","
    give("  ]\n}")
