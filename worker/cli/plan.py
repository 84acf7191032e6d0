"""`calpatch plan`: what a file would change, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from worker.cli.context import find_campaign, opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow
from worker.cli.options import (
    FileArgument,
    FormatOption,
    JsonOption,
    WrongOption,
    chosen,
    reason_words,
    wait_seconds,
)
from worker.cli.page import HtmlOption, give_page
from worker.cli.person import user_name
from worker.cli.progress import bar
from worker.cli.show import give_plan
from worker.cli.submit_options import (
    FoldOption,
    GapOption,
    LaneOption,
    NotifyOption,
    OwnerOption,
    PastOption,
    RepeatOption,
    VerifyOption,
    WebhookOption,
    policy_of,
    told_to,
)
from worker.cli.talk import give_json, problems_object, tell, tell_error
from worker.cli.validate import known_in
from worker.errors import InvalidInput
from worker.intake import Input, check, open_input
from worker.intake.producer import Order
from worker.intake.terms import LANES
from worker.model import CampaignState, Policy
from worker.planning import (
    Planned,
    described,
    free_key,
    order_of,
    plan_campaign,
    plan_edits,
)
from worker.report import visible
from worker.report.plan import PlanView
from worker.report.standing import next_step
from worker.selection import Selected, accounts_meant
from worker.settings import Settings
from worker.store import Store

#: accounts that are named
MOST_TOLD = 10
#: seconds that a plan is followed unless told otherwise
WAIT_S = 1800.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog="Example: calpatch plan office-move.yaml")(plan)


def plan(  # noqa: PLR0917 - a command line's options are its arguments
    file: FileArgument,
    key: Annotated[
        str | None, typer.Option(help="Names the campaign; YAML: without it, campaign.id.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; it is kept in the audit. YAML has its own.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many of all.")] = None,
    past_events: PastOption = False,
    dst_gap: GapOption = "refuse",
    dst_fold: FoldOption = "refuse",
    verify: VerifyOption = "all",
    allow_repeat: RepeatOption = False,
    lane: LaneOption = "bulk",
    owner: OwnerOption = None,
    webhook: WebhookOption = None,
    notify: NotifyOption = None,
    format_: FormatOption = None,
    wait: Annotated[
        str | None, typer.Option(metavar="TIME", help="Follow it for at most 90s, 30m, 2h.")
    ] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="8 if it has changes, 0 if none.")
    ] = False,
    html: HtmlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read the calendars and show what would change; nothing is written.

    The plan then waits for `calpatch apply`, which does exactly what was planned, or nothing.
    """
    if limit and sample:
        raise WrongOption("--limit and --sample exclude each other", next_step="Give one of them")
    asked = _Asked(
        key=key, reason=reason, owner=owner or user_name(), limit=limit, sample=sample, lane=lane,
        policy=policy_of(
            past_events=past_events, dst_gap=dst_gap, dst_fold=dst_fold, verify=verify,
            allow_repeat=allow_repeat,
        ),
    )  # fmt: skip
    settings, wait_s = Settings.load(), wait_seconds(wait) or WAIT_S
    asked = replace(asked, notify=told_to(settings, webhook, notify))
    with opened_store(settings) as store:
        made = _made(settings, store, file, format_, asked, as_json=as_json)
        campaign_id = made.submitted.campaign.id
        code = follow_plan(settings, store, campaign_id, wait_s=wait_s)
        if code is ExitCode.OK:
            view = give_plan(settings, store, campaign_id, as_json=as_json)
            if html is not None:
                give_page(settings, store, find_campaign(store, campaign_id), html)
            if view.changes and detailed_exitcode:
                code = ExitCode.PLAN_HAS_CHANGES
            tell_next_step(view)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line says of a plan."""

    key: str | None
    reason: str | None
    owner: str
    limit: int | None
    sample: int | None
    lane: str
    policy: Policy
    #: JSON, as an `Order` has it
    notify: str = ""


def _made(
    settings: Settings,
    store: Store,
    file: str,
    format_: str | None,
    asked: _Asked,
    *,
    as_json: bool,
) -> Planned:
    """Have a plan made. Ends the command with 2 for a file with problems."""
    try:
        with open_input(file, format=format_) as given:
            make = _of_campaign if given.format == "yaml" else _of_edits
            return make(settings, store, given, asked, shown=not as_json)
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong


def _of_campaign(
    settings: Settings, store: Store, given: Input, asked: _Asked, *, shown: bool
) -> Planned:
    from worker.intake.campaign import read_campaign

    known, _ = known_in(settings)
    campaign = read_campaign(given, known=known, webhook_hosts=settings.allowed_hosts)
    if asked.reason is not None:
        raise WrongOption("A campaign file has its own reason", next_step="Leave --reason out")
    order = order_of(campaign, owner=asked.owner, key=asked.key)
    order = replace(order, key=free_key(store, order.key), notify=asked.notify or order.notify)
    accounts = len(accounts_meant(store.accounts.all(), campaign.select))
    with bar("Reading calendars", total=accounts, shown=shown) as progress:
        made = plan_campaign(
            settings, store, campaign, order, source=given.name, limit=asked.limit,
            sample=asked.sample, progress=progress,
        )  # fmt: skip
    if made.selected is not None:
        tell_selected(made.selected)
    return made


def _of_edits(
    settings: Settings, store: Store, given: Input, asked: _Asked, *, shown: bool
) -> Planned:
    if asked.key is None or asked.reason is None:
        raise WrongOption(
            "A file of edits needs --key and --reason",
            next_step='Such as --key move-2026-03 --reason "New office hours"',
        )
    with bar("Checking the file", total=given.size, shown=shown) as progress:
        checked = check(given, accounts=store.accounts.subs(), progress=progress)
    order = Order(
        key=free_key(store, asked.key), reason=reason_words(asked.reason), owner=asked.owner,
        policy=asked.policy, lane=chosen("--lane", asked.lane, among=LANES), is_planned=True,
        kind="planned", notify=asked.notify,
    )  # fmt: skip
    return plan_edits(
        settings, store, given, checked, order, limit=asked.limit, sample=asked.sample
    )


def tell_selected(found: Selected) -> None:
    """Say what was read, and of which accounts nothing could be."""
    tell(described(found))
    for sub, why in sorted(found.unread.items())[:MOST_TOLD]:
        tell(visible(f"  {sub}: not read, {why}"))
    if found.without:
        named = ", ".join(found.without[:MOST_TOLD])
        tell(visible(f"  without such a calendar: {named}"))


def follow_plan(settings: Settings, store: Store, campaign_id: str, *, wait_s: float) -> ExitCode:
    """Wait until a plan is complete."""
    look, _ = follow(
        settings, store, campaign_id, wait_s=wait_s,
        is_over=lambda look: look.campaign.state is not CampaignState.PLANNING,
    )  # fmt: skip
    is_planning = look.campaign.state is CampaignState.PLANNING
    return ExitCode.STILL_RUNNING if is_planning else ExitCode.OK


def tell_next_step(view: PlanView) -> None:
    """Say what to do about a plan that is complete."""
    if view.changes:
        tell(f"See each of them: calpatch show {view.campaign} --diff")
    else:
        tell("There is nothing to change")
    if step := next_step(view, now=datetime.now(UTC)):
        tell(step)
