"""`calpatch submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from worker.cli.context import look_at, opened_store, pace_of
from worker.cli.exits import ExitCode
from worker.cli.follow import follow, reattach
from worker.cli.options import FileArgument, FormatOption, JsonOption, WrongOption, wait_seconds
from worker.cli.person import confirmed, is_present
from worker.cli.progress import bar
from worker.cli.status import give_status
from worker.cli.submit_options import (
    AsyncOption,
    FoldOption,
    GapOption,
    KeyOption,
    LaneOption,
    Order,
    OwnerOption,
    PastOption,
    ReasonOption,
    RepeatOption,
    VerifyOption,
    WaitOption,
    YesOption,
    policy_of,
)
from worker.cli.talk import give_json, plural, problems_object, tell, tell_error
from worker.cli.validate import described
from worker.errors import InvalidInput
from worker.intake import Checked, check, open_input
from worker.report import Pace
from worker.rules import format_seconds, loads_of
from worker.settings import Settings
from worker.store import Store

if TYPE_CHECKING:  # it brings all that an engine needs, which `--help` does not
    from worker.intake.producer import Submitted


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = (
        'Example: calpatch submit edits.csv --key move-2026-03 --reason "New office hours" '
        "--yes --wait 30m"
    )
    app.command("submit", epilog=example)(submit)


def submit(  # noqa: PLR0917 - a command line's options are its arguments
    file: FileArgument,
    reason: ReasonOption,
    key: KeyOption,
    yes: YesOption = False,
    wait: WaitOption = None,
    in_background: AsyncOption = False,
    past_events: PastOption = False,
    dst_gap: GapOption = "refuse",
    dst_fold: FoldOption = "refuse",
    verify: VerifyOption = "all",
    allow_repeat: RepeatOption = False,
    lane: LaneOption = "bulk",
    owner: OwnerOption = None,
    format_: FormatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a file of edits as one campaign: checked whole, saved at once, then carried out.

    Nothing is saved when the file has any problem. Without --yes it shows what would happen and
    asks; without a terminal to ask on, it refuses (exit code 4).
    """
    if wait is not None and in_background:
        raise WrongOption("--wait and --async exclude each other", next_step="Give one of them")
    wait_s = wait_seconds(wait)
    policy = policy_of(
        past_events=past_events, dst_gap=dst_gap, dst_fold=dst_fold, verify=verify,
        allow_repeat=allow_repeat,
    )  # fmt: skip
    order = Order.checked(
        file=file, format=format_, key=key, reason=reason, owner=owner, policy=policy, lane=lane,
        yes=yes,
    )  # fmt: skip
    _submit(order, wait_s=wait_s, as_json=as_json)


def _submit(order: Order, *, wait_s: float | None, as_json: bool) -> None:
    settings = Settings.load()
    with opened_store(settings) as store:
        placed = _place(settings, store, order, as_json=as_json)
        campaign = placed.campaign
        if wait_s is None:
            fault = "Redis does not answer" if placed.note else ""
            look, code = look_at(settings, store, campaign.id, redis_fault=fault), ExitCode.OK
            if not look.has_ended:
                tell(f"To follow it: {reattach(campaign.id)}")
                tell(f"When it has ended: calpatch results {campaign.id} --out DIR")
        else:
            look, code = follow(settings, store, campaign.id, wait_s=wait_s)
    give_status(look, as_json=as_json)
    raise typer.Exit(code)


def _place(settings: Settings, store: Store, order: Order, *, as_json: bool) -> Submitted:
    """Check the file, ask if need be, and save it. Ends the command with 2 or 4."""
    try:
        placed = _saved(settings, store, order, as_json=as_json)
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong
    except KeyboardInterrupt:
        known = store.campaigns.get(order.key)
        tell(f"It is saved as {known.id}" if known else "Nothing was saved")
        raise
    saved = f"saved as {placed.campaign.id}" if placed.created else "known already, not run again"
    tell(f"{plural(placed.campaign.total, 'edit')} {saved}")
    if placed.note:
        tell(placed.note)
    return placed


def _saved(settings: Settings, store: Store, order: Order, *, as_json: bool) -> Submitted:
    from worker.intake.producer import submit_checked

    with open_input(order.file, format=order.format) as given:
        with bar("Checking the file", total=given.size, shown=not as_json) as progress:
            checked = check(given, accounts=store.accounts.subs(), progress=progress)
        if not order.yes:
            _ask(settings, checked, order)
        with bar("Saving the edits", total=checked.rows, shown=not as_json) as progress:
            return submit_checked(settings, store, given, checked, order.placed, progress=progress)


def _ask(settings: Settings, checked: Checked, order: Order) -> None:
    """Show what would happen, and let only a person who types the number of edits go on."""
    for line in (*described(checked), forecast(settings, checked, verify=order.policy.verify)):
        tell(line)
    if not is_present():
        tell("calpatch: nothing was submitted, nobody is there to ask. Add --yes to submit it")
        raise typer.Exit(ExitCode.HELD)
    question = f"Guests may get mail about each change. Type {checked.rows} to submit: "
    if not confirmed(question, answer=str(checked.rows)):
        tell("calpatch: nothing was submitted. Type the number of edits to submit them")
        raise typer.Exit(ExitCode.HELD)


def forecast(settings: Settings, checked: Checked, *, verify: str) -> str:
    """Return how many calls the file will take, and how long that lasts at the limit."""
    pace: Pace = pace_of(settings)
    loads = loads_of(checked.accounts.values(), chunk_size=settings.chunk_size)
    calls = pace.calls(loads.items(), verify=verify != "none").total
    if pace.granted_per_min is None:
        return f"about {plural(calls, 'API call')}, with no limit set"
    lasts = format_seconds(60 * calls / pace.granted_per_min)
    return (
        f"about {plural(calls, 'API call')}, {lasts} at the {pace.granted_per_min:,.0f} a minute "
        f"that calpatch may use ({settings.share:.0%} of {settings.rate})"
    )
