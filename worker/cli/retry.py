"""`calpatch retry`: what came to nothing, once more, as a campaign of its own."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from worker.again import RETRIED, USUAL, Child, retry_of
from worker.cli.context import find_campaign, look_at, opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow, reattach
from worker.cli.options import (
    JsonOption,
    WrongOption,
    chosen,
    reason_words,
    wait_seconds,
    wrong_option,
)
from worker.cli.person import require_typed, user_name
from worker.cli.plan import WAIT_S, follow_plan, tell_next_step
from worker.cli.show import give_plan
from worker.cli.status import give_status
from worker.cli.steer import CampaignOfAll
from worker.cli.submit_options import AsyncOption, OwnerOption, WaitOption, YesOption
from worker.cli.talk import plural, tell
from worker.cli.undo import ReasonOption
from worker.intake.problems import nearest
from worker.model import Code, EditState
from worker.settings import Settings
from worker.store import Campaign, Store

_ONLY = tuple(map(str, RETRIED))
_STATUS = re.compile(r"[2-5][0-9]{2}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = "Example: calpatch retry office-move-paris --only failed --code upstream"
    app.command("retry", epilog=example)(retry)


def retry(
    campaign: CampaignOfAll,
    *,
    only: Annotated[
        str, typer.Option(metavar="STATUS,…", help=f"Which lines: {', '.join(_ONLY)}.")
    ] = ",".join(USUAL),
    code: Annotated[
        list[str] | None,
        typer.Option(help="Only those with this code or HTTP status; may be given twice."),
    ] = None,
    reason: ReasonOption = None,
    key: Annotated[
        str | None,
        typer.Option(help="Names the retry; without it, that of the campaign with -retry."),
    ] = None,
    owner: OwnerOption = None,
    yes: YesOption = False,
    wait: WaitOption = None,
    in_background: AsyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Try again what failed or had no turn, as a new campaign: nothing is moved twice by it.

    Where the campaign knew what an event was to become, that is asked again. What was planned is
    planned again and waits for `calpatch apply`; with --yes it begins by itself. Edits in conflict
    are left alone unless --only conflict asks for a plan of them, made anew.
    """
    if wait is not None and in_background:
        raise WrongOption("--wait and --async exclude each other", next_step="Give one of them")
    states = [EditState(chosen("--only", each, among=_ONLY)) for each in only.split(",")]
    codes = [_code(each) for each in code or []]
    wait_s = wait_seconds(wait)
    why = reason_words(reason) if reason is not None else None
    settings = Settings.load()
    with opened_store(settings) as store:
        parent = find_campaign(store, campaign)
        with retry_of(
            store, parent, owner=owner or user_name(), reason=why, key=key, states=states,
            codes=codes, begins_itself=yes,
        ) as child:  # fmt: skip
            retrying = _saved(settings, store, child, yes=yes)
            begins = not child.order.is_planned or retrying.run.is_automatic
        end = _begun if begins else _planned
        ended = end(settings, store, retrying, wait_s=wait_s, as_json=as_json)
    raise typer.Exit(ended)


def _code(text: str) -> str:
    """Return a code or an HTTP status that results may have. Raises WrongOption."""
    if text in tuple(Code) or _STATUS.fullmatch(text):
        return text
    near = nearest(text, tuple(Code))
    hint = f"did you mean {near}? " if near else ""
    raise wrong_option("--code", text, f"{hint}expected a code of the results, or an HTTP status")


def _saved(settings: Settings, store: Store, child: Child, *, yes: bool) -> Campaign:
    """Save it; what is not planned begins at once, so that a person is asked first."""
    edits = f"{plural(child.count, 'edit')} of {child.parent.id}"
    if not (yes or child.order.is_planned):
        tell(f"{edits} would be tried again")
        require_typed(child.count, of="edits", to="begin", nothing="saved")
    made = child.submit(settings, store)
    done = "are tried again" if made.created else "are being tried again already,"
    tell(f"{edits} {done} as {made.campaign.id}")
    if made.note:
        tell(made.note)
    return made.campaign


def _planned(
    settings: Settings, store: Store, retrying: Campaign, *, wait_s: float | None, as_json: bool
) -> ExitCode:
    """Show what the retry would do, once that is known."""
    code = follow_plan(settings, store, retrying.id, wait_s=wait_s or WAIT_S)
    if code is ExitCode.OK:
        view = give_plan(settings, store, retrying.id, as_json=as_json)
        tell_next_step(view)
    return code


def _begun(
    settings: Settings, store: Store, retrying: Campaign, *, wait_s: float | None, as_json: bool
) -> ExitCode:
    if wait_s is None:
        look, code = look_at(settings, store, retrying.id), ExitCode.OK
        tell(f"To follow it: {reattach(retrying.id)}")
    else:
        look, code = follow(settings, store, retrying.id, wait_s=wait_s)
    give_status(look, as_json=as_json)
    return code
