"""`calpatch status` and `calpatch list`."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

import typer

from worker.cli.context import find_campaign, look_at, opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow
from worker.cli.options import (
    CampaignArgument,
    JsonOption,
    LatestOption,
    SinceOption,
    chosen,
    seconds_ago,
)
from worker.cli.talk import give_folded, give_json, give_table, tell
from worker.model import CampaignState
from worker.report import Snapshot, status_lines, status_of, told_reason, visible
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


def list_campaigns(
    *,
    state: Annotated[str | None, typer.Option(help="Only campaigns in this state.")] = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List campaigns, newest first."""
    if state is not None:
        chosen("--state", state, among=tuple(CampaignState))
    with opened_store(Settings.load()) as store:
        found = store.campaigns.newest(state=state, since_s=seconds_ago(since), limit=limit + 1)
    listed = found[:limit]
    if as_json:
        give_json([_object(each) for each in listed])
    elif listed:
        _give_listed(listed)
    else:
        tell(_none_of(state, since))
    if len(found) > limit:
        tell(f"There are more: calpatch list --limit {10 * limit}")


def _give_listed(listed: list[Campaign]) -> None:
    """Give campaigns as a table; why they wait only where one of them does."""
    columns = ("campaign", "key", "state", "edits", "submitted", "reason", "why")
    rows = [
        (
            each.id, each.key, str(each.state), f"{each.total:,}", _minute(each), each.reason,
            told_reason(each),
        )
        for each in listed
    ]  # fmt: skip
    shown = len(columns) - (not any(row[-1] for row in rows))
    give_table(
        columns[:shown],
        [row[:shown] for row in rows],
        right="edits",
        texts="key,state,reason,why",
    )


def _none_of(state: str | None, since: str | None) -> str:
    if state is None and since is None:
        return "There is no campaign yet"
    which = f" is {state.replace('_', ' ')}" if state else " was submitted"
    return f"No campaign{which}{f' in the last {since}' if since else ''}"


def _minute(campaign: Campaign) -> str:
    return campaign.submitted_at.astimezone(UTC).strftime("%Y-%m-%d %H:%MZ")


def _object(campaign: Campaign) -> dict[str, object]:
    return {
        "campaign": campaign.id,
        "key": campaign.key,
        "kind": campaign.kind,
        "state": campaign.state,
        "state_reason": told_reason(campaign),
        "reason": campaign.reason,
        "owner": campaign.owner,
        "total": campaign.total,
        "parent": campaign.parent,
        "job": campaign.job,
        "job_date": campaign.job_date,
        "submitted_at": campaign.submitted_at,
        "finished_at": campaign.finished_at,
    }
