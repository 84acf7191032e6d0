"""`calpatch why`."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import msgspec
import typer

from worker.cli.context import opened_store
from worker.cli.options import JsonOption
from worker.cli.talk import give, give_folded, give_json, plural, tell_unopened
from worker.errors import NotFound
from worker.report import Chapter, chapter, linked, told
from worker.settings import Settings
from worker.store import AuditRow, Campaign, Store

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
    account: Annotated[
        str | None, typer.Option(help="Only in this account; an event may be in several.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what was asked of one event, who agreed, and what came of it, campaign by campaign.

    It shows the event's own text: mind who is looking.
    """
    with opened_store(Settings.load()) as store:
        found = _story(store, event_uid, account=account)
        tell_unopened(store)
    if as_json:
        give_json(found)
        return
    for number, each in enumerate(found):
        if number:
            give("")
        for line in told(each):
            give_folded(line, hang=HANG)


def _story(store: Store, event_uid: str, *, account: str | None) -> list[Chapter]:
    """Return an event's chapters, oldest first. Raises NotFound."""
    outcomes = store.reading.of_event(event_uid)
    kept = [each for each in outcomes if account in {None, each.account}]
    if not kept:
        raise _unknown(store, event_uid, account=account if outcomes else None)
    audit = store.audit.of_event(event_uid)

    @cache
    def campaign(name: str) -> tuple[Campaign | None, list[AuditRow], list[str]]:
        known = store.campaigns.get(name)
        return known, store.search.deeds(name), _rule(known)

    chapters = []
    for each in kept:
        known, deeds, rule = campaign(each.campaign_id)
        chapters.append(chapter(each, known, audit, deeds=deeds, rule=rule))
    return linked(chapters)


def _unknown(store: Store, event_uid: str, *, account: str | None) -> NotFound:
    if account is not None:
        return NotFound(
            f"No campaign has an edit of {event_uid} in account {account}",
            next_step="Other accounts have; leave --account out to see them",
        )
    gone = store.campaigns.pruned()
    lost = f"; the lines of {plural(gone, 'campaign')} have been pruned" if gone else ""
    return NotFound(
        f"No campaign has an edit of {event_uid}{lost}",
        next_step="Copy the event_uid from the input or from a results file",
    )


def _rule(campaign: Campaign | None) -> list[str]:
    """Return what a campaign file does to each event, in the words of `validate`."""
    if campaign is None or not campaign.spec:
        return []
    from worker.intake.campaign import CampaignFile, changed

    try:
        file = msgspec.json.decode(campaign.spec, type=CampaignFile)
    except msgspec.MsgspecError:
        return []  # of another version: its lines tell the same as values
    return [changed(op) for op in file.ops]
