"""`calpatch apply`, `approve` and `reject`: agreeing to a plan, and having it carried out."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from worker.cli.context import find_campaign, look_at, opened_store
from worker.cli.exits import ExitCode
from worker.cli.follow import follow, reattach
from worker.cli.options import JsonOption, WrongOption, reason_words, wait_seconds, wrong_option
from worker.cli.person import require_typed, user_name
from worker.cli.show import give_plan
from worker.cli.status import give_status
from worker.cli.steer import CampaignOfAll, WhyOption
from worker.cli.submit_options import AsyncOption, WaitOption, YesOption
from worker.cli.talk import give, give_json, tell
from worker.cli.tuning import read_tuning
from worker.intake.producer import announce
from worker.intake.terms import hours_in, moment, read_term
from worker.model import Run
from worker.planning import planned_run
from worker.settings import Settings
from worker.store import Store

PlanOption = Annotated[
    str | None, typer.Option("--plan", help="The plan's sha256 as shown; another one is refused.")
]
#: as much of a plan's hash as is shown, or more
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{16,64})…?", re.ASCII)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command, example in (
        ("apply", apply, 'calpatch apply office-move-paris --reason "agreed in the board" --yes'),
        ("approve", approve, 'calpatch approve office-move-paris --reason "looked at all of it"'),
        ("reject", reject, 'calpatch reject office-move-paris --reason "wrong rooms"'),
    ):
        app.command(name, epilog=f"Example: {example}")(command)


def apply(  # noqa: PLR0917 - a command line's options are its arguments
    campaign: CampaignOfAll,
    reason: WhyOption,
    yes: YesOption = False,
    plan: PlanOption = None,
    at: Annotated[str | None, typer.Option(help="Not before: 2026-02-25T20:00+01:00.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Not after.")] = None,
    window: Annotated[
        list[str] | None, typer.Option(help="Hours in which to send: 20:00-06:00@Europe/Paris.")
    ] = None,
    quiet: Annotated[
        list[str] | None, typer.Option(help="Hours in which nobody gets mail, in the same form.")
    ] = None,
    canary: Annotated[
        int | None, typer.Option(min=1, help="So many first; the rest when they are proven.")
    ] = None,
    share: Annotated[str | None, typer.Option(help="Of calpatch's own limit: 50%.")] = None,
    rate: Annotated[str | None, typer.Option(help="Calls a second at most, on average.")] = None,
    max_failures: Annotated[str | None, typer.Option(help="5%, 25 or none.")] = None,
    max_changes: Annotated[int | None, typer.Option(help="Refuse a larger plan.")] = None,
    max_people: Annotated[int | None, typer.Option(help="Refuse to mail more.")] = None,
    wait: WaitOption = None,
    in_background: AsyncOption = False,
    as_json: JsonOption = False,
) -> None:
    """Carry out a plan: exactly what was planned, where the event still is what it was.

    Shows it once more and asks for the number of changes; without --yes and without a terminal to
    ask on it refuses (exit code 4).
    """
    if wait is not None and in_background:
        raise WrongOption("--wait and --async exclude each other", next_step="Give one of them")
    wait_s, why, hashed = wait_seconds(wait), reason_words(reason), _hash(plan)
    tuned = {"share": share, "max-rps": rate, "max-failures": max_failures}
    words = [f"{name}={value}" for name, value in tuned.items() if value is not None]
    given: dict[str, Any] = {
        "at": read_term("--at", at, moment),
        "deadline": read_term("--deadline", deadline, moment),
        "windows": hours_in("--window", window or ()),
        "quiet": hours_in("--quiet", quiet or ()),
        "canary": canary,
        "max_changes": max_changes,
        "max_people": max_people,
    }
    settings = Settings.load()
    with opened_store(settings) as store:
        found = find_campaign(store, campaign)
        run = read_tuning(words, planned_run(found.run, **given))
        if not yes:
            view = give_plan(settings, store, found.id, as_json=False)
            require_typed(view.changes, of="changes", to="begin", nothing="begun")
        _begin(settings, store, found.id, why=why, run=run, plan=hashed)
        if wait_s is None:
            look, code = look_at(settings, store, found.id), ExitCode.OK
            tell(f"To follow it: {reattach(found.id)}")
        else:
            look, code = follow(settings, store, found.id, wait_s=wait_s)
    give_status(look, as_json=as_json)
    raise typer.Exit(code)


def _begin(
    settings: Settings, store: Store, campaign_id: str, *, why: str, run: Run, plan: str
) -> None:
    begun = store.plans.begin(campaign_id, actor=user_name(), reason=why, run=run, plan=plan)
    state = str(begun.state).replace("_", " ")
    tell(f"{begun.id} is approved and {state}")
    if note := announce(settings, store):
        tell(note)


def approve(
    campaign: CampaignOfAll,
    *,
    reason: WhyOption,
    plan: PlanOption = None,
    as_json: JsonOption = False,
) -> None:
    """Agree to a plan as a second person; `calpatch apply` begins it."""
    why, hashed = reason_words(reason), _hash(plan)
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        store.plans.approve(found.id, actor=user_name(), reason=why, plan=hashed)
        names = [each.actor for each in store.plans.approvals(found)]
    if as_json:
        give_json({"campaign": found.id, "plan": found.plan_hash, "approved_by": names})
        return
    give(f"The plan of {found.id} is approved by {', '.join(dict.fromkeys(names))}")
    give(f"Begin it: calpatch apply {found.id} --reason TEXT")


def reject(campaign: CampaignOfAll, *, reason: WhyOption, as_json: JsonOption = False) -> None:
    """End a plan without carrying it out; each of its lines says so."""
    why = reason_words(reason)
    with opened_store(Settings.load()) as store:
        found = find_campaign(store, campaign)
        done = store.plans.reject(found.id, actor=user_name(), reason=why)
    if as_json:
        give_json({"campaign": found.id, "rejected": done})
    elif done:
        give(f"The plan of {found.id} is rejected; nothing of it will be sent")
    else:
        state = str(found.state).replace("_", " ")
        tell(f"calpatch: {found.id} waits for no approval: it is {state}")
        raise typer.Exit(ExitCode.HELD)


def _hash(plan: str | None) -> str:
    """Return what a plan's hash has to begin with; "" where none was asked for.

    Raises WrongOption, for an empty one as well: a script whose variable is empty means some plan.
    """
    if plan is None:
        return ""
    found = _HASH.fullmatch(plan.strip().lower())
    if found is None:
        raise wrong_option("--plan", plan, "expected a plan's sha256, as `calpatch show` has it")
    return found[1]
