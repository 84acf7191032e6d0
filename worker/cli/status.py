"""`calpatch status` and `calpatch list`."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from worker.cli.context import find_campaign, look_at, opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow
from worker.cli.options import CampaignArgument, JsonOption, LatestOption, chosen
from worker.cli.talk import give_folded, give_json, give_table, plural, tell
from worker.model import CampaignState
from worker.report import Snapshot, limit_line, next_step, status_of, visible, why_it_waits
from worker.settings import Settings
from worker.store import Campaign

#: where the status's second column begins
HANG = 9


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("status", epilog="Example: calpatch status --latest --watch")(status)
    app.command("list", epilog="Example: calpatch list --state running")(list_campaigns)


def status(
    campaign: CampaignArgument = None,
    *,
    latest: LatestOption = False,  # noqa: ARG001 - the default, in words
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Follow it until it ends; exit code as of submit --wait."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far a campaign is, how fast it goes, and why it waits."""
    settings = Settings.load()
    with opened_store(settings) as store:
        found = find_campaign(store, campaign)
        if watch:
            look, code = follow(settings, store, found.id)
        else:
            look, code = look_at(settings, store, found.id), ExitCode.OK
    give_status(look, as_json=as_json)
    raise typer.Exit(code)


def give_status(look: Snapshot, *, as_json: bool) -> None:
    """Give a campaign's status as data: one object, or a few lines."""
    if as_json:
        give_json(status_of(look))
        return
    for line in status_lines(look):
        give_folded(visible(line), hang=HANG)


def status_lines(look: Snapshot) -> list[str]:
    """Return the status as lines: what, how far, why, outcomes, and what to do next."""
    campaign, progress = look.campaign, look.progress()
    calls = sum(row.calls for row in look.calls)
    pace = f", {look.rate_per_min:,.0f} edits/min" if look.rate_per_min is not None else ""
    lines = [
        f"{campaign.id}  {campaign.key}  ({campaign.reason})",
        f"state    {str(campaign.state).replace('_', ' ')}",
        f"done     {progress.done:,} of {plural(progress.total, 'edit')}, {progress.percent:.1f} %",
        f"calls    {plural(calls, 'API call')}{pace}",
    ]
    if why := why_it_waits(look):
        lines.append(f"why      {why}")
    if not look.has_ended and look.limiter is not None:
        lines.append(f"limit    {limit_line(look)}")
    outcomes = sorted(look.counts.items(), key=lambda each: (-each[1], each[0]))
    for (state, code), count in outcomes:
        name = str(state) if code in ("", str(state)) else f"{state}: {code}"
        lines.append(f"  {count:>9,}  {name}")
    return [*lines, f"next     {next_step(look)}"]


def list_campaigns(
    *,
    state: Annotated[str | None, typer.Option(help="Only campaigns in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List campaigns, newest first."""
    if state is not None:
        chosen("--state", state, among=tuple(CampaignState))
    with opened_store(Settings.load()) as store:
        found = store.campaigns.newest(state=state, limit=limit)
    if as_json:
        give_json([_object(each) for each in found])
        return
    if not found:
        tell(f"No campaign is {state}" if state else "There is no campaign yet")
        return
    rows = [
        (each.id, each.key, str(each.state), f"{each.total:,}", _minute(each), each.reason)
        for each in found
    ]
    columns = ("campaign", "key", "state", "edits", "submitted", "reason")
    give_table(columns, rows, right="edits", texts="key,state,reason")


def _minute(campaign: Campaign) -> str:
    return campaign.submitted_at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _object(campaign: Campaign) -> dict[str, object]:
    return {
        "campaign": campaign.id,
        "key": campaign.key,
        "state": campaign.state,
        "reason": campaign.reason,
        "owner": campaign.owner,
        "total": campaign.total,
        "submitted_at": campaign.submitted_at,
        "finished_at": campaign.finished_at,
    }
