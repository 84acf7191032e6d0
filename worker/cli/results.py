"""`calpatch results`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.context import find_campaign, look_at, opened_store
from worker.cli.options import CampaignArgument, JsonOption, LatestOption, chosen
from worker.cli.talk import give_json, give_table, tell, tell_unopened
from worker.report import FILES, Summary, asks_something, write_results
from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("results", epilog="Example: calpatch results --latest --out ./results")(results)


def results(
    campaign: CampaignArgument = None,
    *,
    latest: LatestOption = False,  # noqa: ARG001 - the default, in words
    out: Annotated[
        Path | None, typer.Option(help="The folder to write to; default: results-CAMPAIGN.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this file: {', '.join(FILES)}.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write every input line with its outcome: succeeded, failed, skipped, not attempted.

    The input's columns come first, so that each file can be submitted again under a new key; rows
    of a campaign file only name events, and `calpatch retry` tries those again. A campaign that
    still runs gives what there is, and open.csv with the rest.
    """
    wanted = [chosen("--only", name, among=FILES) for name in only or []]
    settings = Settings.load()
    with opened_store(settings) as store:
        found = find_campaign(store, campaign)
        look = look_at(settings, store, found.id)
        folder = out or Path(f"results-{found.id}")
        summary = write_results(store, look, folder=folder, only=wanted)
        tell_unopened(store)
    _give(summary, folder, as_json=as_json)
    if not asks_something(found.columns):
        tell(f"The rows name events and ask nothing. To try them again: calpatch retry {found.id}")


def _give(summary: Summary, folder: Path, *, as_json: bool) -> None:
    if summary.is_partial:
        tell("The campaign still runs: these results are partial (open.csv has the rest)")
    if as_json:
        give_json(summary)
        return
    # Checksums are for scripts: they would fill a person's screen.
    columns = ("file", "edits") if sys.stdout.isatty() else ("file", "edits", "sha256")
    rows = [
        (str(folder / each.name), f"{each.rows:,}", each.sha256)[: len(columns)]
        for each in summary.files
    ]
    give_table(columns, rows, right="edits", texts="file")
    tell(f"{folder / 'summary.json'} has the counts; they add up to {summary.counts.total:,} lines")
