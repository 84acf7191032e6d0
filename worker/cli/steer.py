"""`calpatch pause`, `resume`, `cancel`, `tune`, `freeze`, `unfreeze`: each with its reason."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from worker.cli.context import find_campaign, opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption, WrongOption, reason_words
from worker.cli.person import user_name
from worker.cli.talk import give, give_json, plural
from worker.cli.tuning import read_tuning, shown_tuning
from worker.settings import Settings
from worker.store import Store

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
        said = f"paused, {IN_FORCE}" if changed else "paused already"
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
        said = "resumed" if changed else "going on already"
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
            help="share=50% · max-rps=5 · batch=25 · max-failures=10%; `none` takes one away.",
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
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        run = found.run
        if changes:
            if reason is None:
                raise WrongOption("tune needs --reason TEXT to change anything")
            run = read_tuning(changes, found.run)
            why = reason_words(reason)
            store.steering.tune(found.id, actor=user_name(), reason=why, run=run)
    told = shown_tuning(run)
    if as_json:
        give_json({"campaign": found.id, "tuning": told})
        return
    give(f"{found.id}: {', '.join(f'{name}={value}' for name, value in told.items())}")
    if changes:
        give(f"It is {IN_FORCE}")


def freeze(
    *, reason: WhyOption, everything: AllOption = False, as_json: JsonOption = False
) -> None:
    """Stop all writing at once: every campaign is paused, and none begins, until `unfreeze`."""
    _need_all(everything, "freeze")
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        paused = store.steering.freeze(actor=user_name(), reason=why)
    if as_json:
        give_json({"frozen": True, "paused": paused})
        return
    give(f"Everything is frozen: {plural(len(paused), 'campaign')} paused, {IN_FORCE}")
    for each in paused:
        give(f"  {each}")
    give("End it: calpatch unfreeze --all --reason TEXT")


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
        give(f"The freeze is over: {plural(len(going), 'campaign')} going on")
        for each in going:
            give(f"  {each}")


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
        give(f"{now.id} is {said}")
        give(step)
    raise typer.Exit(ExitCode.OK)
