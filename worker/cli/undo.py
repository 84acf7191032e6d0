"""`calpatch undo`: plans how a campaign's events get back what they had; `apply` does it."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from worker.again import undo_of
from worker.cli.context import find_campaign, opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption, reason_words, wait_seconds
from worker.cli.person import user_name
from worker.cli.plan import WAIT_S, follow_plan, tell_next_step
from worker.cli.show import give_plan
from worker.cli.steer import CampaignOfAll
from worker.cli.submit_options import OwnerOption, PastOption
from worker.cli.talk import give, give_json, plural, problems_object, tell, tell_error
from worker.errors import InvalidInput
from worker.intake.items import lines_named, read_items
from worker.report import visible
from worker.report.headline import told_line
from worker.report.lines import line_of
from worker.report.plan import PlanView, planned_at
from worker.settings import Settings
from worker.store import Campaign, Store

#: edits that cannot be taken back and are named
MOST_NAMED = 10
#: what a plan says of edits with which all is well
_WELL = frozenset({"change", "unchanged"})

ReasonOption = Annotated[
    str | None, typer.Option("--reason", help="Why; without it, that of the campaign.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = 'Example: calpatch undo office-move-paris --reason "the move is put off"'
    app.command("undo", epilog=example)(undo)


def undo(
    campaign: CampaignOfAll,
    *,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Only these lines: CSV or JSONL with line_no or event_uid."
        ),
    ] = None,
    reason: ReasonOption = None,
    key: Annotated[
        str | None,
        typer.Option(help="Names the undo; without it, that of the campaign with -undo."),
    ] = None,
    past_events: PastOption = False,
    owner: OwnerOption = None,
    wait: Annotated[
        str | None, typer.Option(metavar="TIME", help="Follow it for at most 90s, 30m, 2h.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Plan to give a campaign's events back what they had before it; nothing is written yet.

    Only fields that the campaign changed, and only where the event still has what it wrote: what
    people have changed since stays theirs, and is listed. `calpatch apply` carries the plan out,
    and guests may get mail once more.
    """
    settings, wait_s = Settings.load(), wait_seconds(wait) or WAIT_S
    why = reason_words(reason) if reason is not None else None
    with opened_store(settings) as store:
        parent = find_campaign(store, campaign)
        lines = _lines(store, parent, items, as_json=as_json) if items else None
        with undo_of(
            store, parent, owner=owner or user_name(), reason=why, key=key, lines=lines,
            past_events=past_events,
        ) as child:  # fmt: skip
            made = child.submit(settings, store)
        undoing = made.campaign
        tell(_told(undoing, parent, is_new=made.created))
        if made.note:
            tell(made.note)
        code = follow_plan(settings, store, undoing.id, wait_s=wait_s)
        if code is ExitCode.OK:
            view = give_plan(settings, store, undoing.id, as_json=as_json)
            if not as_json:
                _give_left(store, undoing, view)
            if view.changes:
                tell("Guests may get mail once more about each event that is given back")
            tell_next_step(view)
    raise typer.Exit(code)


def _told(undoing: Campaign, parent: Campaign, *, is_new: bool) -> str:
    edits = plural(undoing.total, "edit")
    if is_new:
        return f"{edits} of {parent.id} may be taken back; planned as {undoing.id}"
    return f"{edits} of {parent.id} are being taken back already, by {undoing.id}"


def _lines(store: Store, parent: Campaign, path: str, *, as_json: bool) -> set[int]:
    """Return the lines that a file names. Ends the command with 2 for one with problems."""
    try:
        return lines_named(read_items(path), store.again.names(parent.id))
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong


def _give_left(store: Store, undoing: Campaign, view: PlanView) -> None:
    """Name the first edits that cannot be taken back, each with its reason."""
    left = {status: count for status, count in view.by_status.items() if status not in _WELL}
    if not left:
        return
    give(f"{plural(sum(left.values()), 'edit')} cannot be taken back:")
    at = planned_at(undoing)
    lines = (
        line_of(outcome, policy=undoing.policy, at=at)
        for outcome in store.reading.outcomes(undoing.id)
    )
    for line in islice((each for each in lines if each.status in left), MOST_NAMED):
        for text in told_line(line):
            give(visible(f"  {text}"))
    if sum(left.values()) > MOST_NAMED:
        for status in left:
            tell(f"See all of them: calpatch show {view.campaign} --only {status}")
