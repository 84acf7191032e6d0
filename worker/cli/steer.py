"""`calpatch pause`, `resume`, `cancel`, `tune`, `freeze`, `unfreeze`: each with its reason."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from worker.cli.context import find_campaign, opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption, WrongOption, reason_words
from worker.cli.person import user_name
from worker.cli.talk import give, give_json, plural
from worker.cli.tuning import asked_for, read_tuning
from worker.errors import Held
from worker.model import CampaignState, Run
from worker.report import (
    TUNING_HELP,
    failures_that_hold,
    hold_of,
    look_around,
    told_hold,
    tuning_of,
    visible,
)
from worker.settings import Settings
from worker.store import HELD_BY_CANARY, Campaign, Freeze, Store

CampaignOfAll: TypeAlias = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="A campaign's id or key.")
]
WhyOption: TypeAlias = Annotated[
    str, typer.Option("--reason", help="Why; it is kept in the audit.")
]
AllOption: TypeAlias = Annotated[
    bool, typer.Option("--all", help="Every campaign; there is no other kind of freeze.")
]

#: what every worker knows by then
IN_FORCE = "in force on every worker within 2 s"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command, example in (
        ("pause", pause, 'calpatch pause c_1a2b3c4d5e --reason "the board is meeting"'),
        ("resume", resume, 'calpatch resume c_1a2b3c4d5e --reason "they are done"'),
        ("cancel", cancel, 'calpatch cancel c_1a2b3c4d5e --reason "wrong week"'),
        ("tune", tune, 'calpatch tune c_1a2b3c4d5e share=50% batch=25 --reason "be gentle"'),
        ("freeze", freeze, 'calpatch freeze --all --reason "incident 4711"'),
        ("unfreeze", unfreeze, 'calpatch unfreeze --all --reason "incident is over"'),
    ):
        app.command(name, epilog=f"Example: {example}")(command)


def pause(campaign: CampaignOfAll, *, reason: WhyOption, as_json: JsonOption = False) -> None:
    """Send nothing more of a campaign until it is resumed.

    What is on its way is seen home and read back. It is in force on every worker within 2 seconds.
    """
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        changed = store.steering.pause(found.id, actor=user_name(), reason=why)
        said = f"paused, {IN_FORCE}" if changed else f"paused already ({_why(store, found)})"
        step = f"Let it go on: calpatch resume {found.id} --reason TEXT"
        _tell(store, found.id, said, step=step, changed=changed, as_json=as_json)


def resume(
    campaign: CampaignOfAll,
    *,
    reason: WhyOption,
    max_failures: Annotated[
        str | None,
        typer.Option(help="What it may fail from now on: 10%, 50 or none; else it is held again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let a campaign go on that was paused, or held for its failures or its canary."""
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        words = [] if max_failures is None else [f"max-failures={max_failures}"]
        run = read_tuning(words, found.run)
        changed = store.steering.resume(found.id, actor=user_name(), reason=why, run=run)
        if not changed and words:
            raise _not_resumed(found, words[0])
        said = _resumed(found, run) if changed else _going(found)
        step = f"Follow it: calpatch status {found.id} --watch"
        _tell(store, found.id, said, step=step, changed=changed, as_json=as_json)


def cancel(campaign: CampaignOfAll, *, reason: WhyOption, as_json: JsonOption = False) -> None:
    """Stop a campaign for good: what has had no turn ends as not_attempted.

    What is on its way is seen home and read back, and results are complete. There is no way back
    but `calpatch retry`, which makes a new campaign of what was left.
    """
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        changed = store.steering.cancel(found.id, actor=user_name(), reason=why)
        said = f"being cancelled, {IN_FORCE}" if changed else "being cancelled already"
        step = f"See what was done: calpatch results {found.id}"
        _tell(store, found.id, said, step=step, changed=changed, as_json=as_json)


def tune(
    campaign: CampaignOfAll,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE …",
            help="share=50% · max-rps=5 · batch=25 · max-failures=10%; `none` takes one away, "
            "`share=?` shows it.",
        ),
    ] = None,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", help="Why; it is kept in the audit.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change how fast a campaign goes and what it may fail, while it runs; or show it.

    `share` is of what calpatch may use in all, `max-rps` calls a second, on average over ten.
    """
    names = asked_for(changes or ())
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        run = found.run
        if changes and not names:
            run = read_tuning(changes, found.run)
            if reason is None:
                raise WrongOption(
                    "tune needs a reason to change anything", next_step="Add --reason TEXT"
                )
            why = reason_words(reason)
            store.steering.tune(found.id, actor=user_name(), reason=why, run=run)
    told = {name: value for name, value in tuning_of(run).items() if name in (names or TUNING_HELP)}
    if as_json:
        give_json({"campaign": found.id, "tuning": told})
        return
    _give_tuning(run, told)
    if changes and not names:
        give(f"{found.id} is tuned, {IN_FORCE}")


def _give_tuning(run: Run, told: dict[str, str]) -> None:
    """Give what may be tuned: its value, and what it is."""
    for name, value in told.items():
        about = TUNING_HELP[name]
        if name == "max-failures":
            about = f"{about}: {failures_that_hold(run.max_failures)}"
        give(f"{name:<13} {value:<6} {about}")


def freeze(
    *, reason: WhyOption, everything: AllOption = False, as_json: JsonOption = False
) -> None:
    """Stop all writing at once: every campaign is paused, and none begins, until `unfreeze`."""
    _need_all(everything, "freeze")
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        before = store.steering.frozen()
        paused = store.steering.freeze(actor=user_name(), reason=why)
    if as_json:
        give_json({"frozen": True, "was_frozen": before is not None, "paused": paused})
        return
    give(_frozen(before, len(paused)))
    for each in paused:
        give(f"  {each}")
    give("End it: calpatch unfreeze --all --reason TEXT")


def _frozen(before: Freeze | None, count: int) -> str:
    if before is not None:
        since = f"by {before.actor} since {before.at:%Y-%m-%d %H:%MZ}: {before.reason}"
        return visible(f"Everything was frozen already, {since}. It has your reason now")
    what = f"{plural(count, 'campaign')} paused" if count else "no campaign was sending"
    return f"Everything is frozen, {IN_FORCE}: {what}, and none begins"


def unfreeze(
    *, reason: WhyOption, everything: AllOption = False, as_json: JsonOption = False
) -> None:
    """End a freeze: what it has paused goes on; what a person has paused stays so."""
    _need_all(everything, "unfreeze")
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        going = store.steering.unfreeze(actor=user_name(), reason=why)
    if as_json:
        give_json({"frozen": False, "resumed": going or []})
    elif going is None:
        give("Nothing was frozen")
    else:
        went = f"{plural(len(going), 'campaign')} going on" if going else "it had paused nothing"
        give(f"The freeze is over: {went}")
        for each in going:
            give(f"  {each}")


def _why(store: Store, campaign: Campaign) -> str:
    hold = hold_of(campaign, look_around(store, campaign))
    return told_hold(hold) if hold else campaign.state_reason


def _resumed(before: Campaign, run: Run) -> str:
    if run.has_hours:
        return f"not paused any more, and sends in its hours, {IN_FORCE}"
    if before.state_reason.startswith(HELD_BY_CANARY):
        return f"going on, and what waited for its canary follows, {IN_FORCE}"
    return f"going on, {IN_FORCE}"


def _going(campaign: Campaign) -> str:
    """Return what a campaign does that was not paused."""
    if campaign.state is CampaignState.SCHEDULED:
        return "not paused: it waits for its hours"
    return "not paused: it goes on already"


def _not_resumed(campaign: Campaign, change: str) -> Held:
    return Held(
        f"Campaign {campaign.id} is not paused, and its max-failures stays as it is",
        next_step=f"Change it: calpatch tune {campaign.id} {change} --reason TEXT",
    )


def _need_all(everything: bool, command: str) -> None:
    if not everything:
        raise WrongOption(
            f"{command} is about every campaign",
            next_step=f"Say so: calpatch {command} --all --reason TEXT; or pause one campaign",
        )


def _tell(
    store: Store, campaign_id: str, said: str, *, step: str, changed: bool, as_json: bool
) -> None:
    """Say what a campaign is now."""
    now = find_campaign(store, campaign_id)
    if as_json:
        give_json(
            {
                "campaign": now.id,
                "state": now.state,
                "state_reason": now.state_reason,
                "changed": changed,
            }
        )
    else:
        give(visible(f"{now.id} is {said}"))
        give(step)
    raise typer.Exit(ExitCode.OK)
