"""`calpatch show`: a plan, event by event, before anybody agrees to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec
import typer

from worker.cli.context import find_campaign, opened_store, pace_of
from worker.cli.options import CampaignArgument, JsonOption, chosen
from worker.cli.talk import give, give_folded, give_json, give_table, tell_unopened
from worker.report import visible
from worker.report.plan import (
    GROUPING,
    GROUPS,
    PlanLine,
    PlanView,
    Totals,
    headline,
    line_of,
    told_line,
    view_of,
)
from worker.settings import Settings
from worker.store import Store

ONLY = ("changed", "unchanged", "skipped", "conflict", "failed", "not_attempted")
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
        str | None, typer.Option(help="changed, unchanged, skipped, conflict, failed or all.")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="reason, organizer, account or day: counts of each.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a plan: what would change and what not, whom it may mail, what it costs.

    It shows the events' own text: mind who is looking.
    """
    if only is not None:
        chosen("--only", only, among=ONLY)
    if group_by is not None:
        chosen("--group-by", group_by, among=GROUPS)
    settings = Settings.load()
    with opened_store(settings) as store:
        found = find_campaign(store, campaign)
        if as_json:
            _give_objects(settings, store, found.id, only=only, whole=diff or only is not None)
        elif group_by is not None:
            _give_groups(store, found.id, only=only, group_by=group_by)
        else:
            give_plan(settings, store, found.id, as_json=False)
            if diff or only is not None:
                _give_lines(store, found.id, only=only or "changed")
        tell_unopened(store)


def give_plan(settings: Settings, store: Store, campaign_id: str, *, as_json: bool) -> PlanView:
    """Give a plan's figures, and return them."""
    view = look_at_plan(settings, store, campaign_id)
    if as_json:
        give_json(view)
    else:
        for line in headline(view):
            give_folded(visible(line), hang=HANG)
    return view


def look_at_plan(settings: Settings, store: Store, campaign_id: str) -> PlanView:
    """Return a plan's figures, in one pass over its lines."""
    campaign, totals = find_campaign(store, campaign_id), Totals()
    for outcome in store.reading.outcomes(campaign_id):
        totals.add(outcome)
    names = [each.actor for each in store.plans.approvals(campaign)]
    return view_of(
        campaign, totals, pace=pace_of(settings), chunk_size=settings.chunk_size, approvals=names
    )


def _lines(store: Store, campaign_id: str, only: str | None) -> Iterator[PlanLine]:
    wanted = "change" if only == "changed" else only
    for outcome in store.reading.outcomes(campaign_id):
        line = line_of(outcome)
        is_changed = wanted == "change" and bool(line.changes)
        if wanted is None or line.status == wanted or is_changed:
            yield line


def _give_lines(store: Store, campaign_id: str, *, only: str) -> None:
    for line in _lines(store, campaign_id, only):
        for text in told_line(line):
            give(visible(text))


def _give_groups(store: Store, campaign_id: str, *, only: str | None, group_by: str) -> None:
    counts = Counter(map(GROUPING[group_by], _lines(store, campaign_id, only)))
    rows = [(name, f"{count:,}") for name, count in counts.most_common()]
    give_table((group_by, "edits"), rows, right="edits", texts=group_by)


def _give_objects(
    settings: Settings, store: Store, campaign_id: str, *, only: str | None, whole: bool
) -> None:
    """Give the figures, and the lines if asked for, as one object."""
    view = msgspec.to_builtins(look_at_plan(settings, store, campaign_id))
    if whole:
        view["lines"] = [msgspec.to_builtins(each) for each in _lines(store, campaign_id, only)]
    give_json(view)
