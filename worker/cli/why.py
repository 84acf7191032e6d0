"""`calpatch why`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.options import JsonOption
from worker.cli.talk import give, give_folded, give_json, tell_unopened
from worker.errors import NotFound
from worker.report import chapter, told
from worker.settings import Settings

#: where the story's second column begins
HANG = 13


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = "Example: calpatch why evt_external_5f3b0c2a9d1e4b7f8a6c3d2e"
    app.command("why", epilog=example)(why)


def why(
    event_uid: Annotated[
        str, typer.Argument(metavar="EVENT_UID", help="The event's uid, as in the input.")
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Tell what was asked of one event and what came of it, campaign by campaign.

    It shows the event's own text: mind who is looking.
    """
    with opened_store(Settings.load()) as store:
        outcomes = store.reading.of_event(event_uid)
        tell_unopened(store)
        if not outcomes:
            raise NotFound(
                f"No campaign has an edit of {event_uid}",
                next_step="Copy the event_uid from the input or from a results file",
            )
        audit = store.audit.of_event(event_uid)
        found = [chapter(each, store.campaigns.get(each.campaign_id), audit) for each in outcomes]
    if as_json:
        give_json(found)
        return
    for number, each in enumerate(found):
        if number:
            give("")
        for line in told(each):
            give_folded(line, hang=HANG)
