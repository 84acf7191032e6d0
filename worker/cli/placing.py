"""What `calpatch submit` does: ask, save, follow, and say in one line what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import typer

from worker.cli.context import look_at, opened_store, pace_of
from worker.cli.exits import ExitCode, exit_of
from worker.cli.follow import follow, reattach
from worker.cli.person import require_typed, user_name
from worker.cli.progress import bar
from worker.cli.talk import give, give_json, plural, problems_object, tell, tell_error
from worker.cli.validate import described
from worker.errors import Held, InvalidInput
from worker.intake import Checked, Input, check, open_input
from worker.intake.order import Order, Submitted
from worker.intake.terms import Terms, Wanted, wanted_of
from worker.model import CampaignState
from worker.report import Pace, Snapshot, changed, next_step, outline, status_of, visible
from worker.rules import format_seconds, loads_of
from worker.settings import Settings
from worker.store import JobBusy, Store

if TYPE_CHECKING:  # for annotations alone
    from worker.selection import Selected

T = TypeVar("T")

_PLANNING = CampaignState.PLANNING
#: somebody must decide before it goes on
_WAITING = frozenset({CampaignState.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One submission as the command line has it."""

    file: str
    format: str | None
    terms: Terms
    yes: bool
    wait_s: float | None
    #: seconds for which a run before this one may still take
    previous_s: float
    error_on_noop: bool
    as_json: bool


def place(asked: Asked) -> ExitCode:
    """Submit a file, follow it if asked to, and give what came of it."""
    settings = Settings.load()
    wanted = wanted_of(asked.terms, user=user_name(), hosts=settings.allowed_hosts)
    with opened_store(settings) as store:
        placed = _placed(settings, store, asked, wanted)
        _tell_placed(placed)
        if asked.wait_s is None:
            look, code = _looked(settings, store, placed)
        else:
            look, code = follow(
                settings, store, placed.campaign.id, wait_s=asked.wait_s, is_over=_needs_somebody
            )
    _give(look, code, as_json=asked.as_json)
    if asked.error_on_noop and code is ExitCode.OK and look.has_ended and not changed(look):
        return ExitCode.NOTHING_TO_DO
    return code


def _looked(settings: Settings, store: Store, placed: Submitted) -> tuple[Snapshot, ExitCode]:
    """Look once. What was known already has its own exit code; what is new has just been saved."""
    campaign = placed.campaign
    fault = "Redis does not answer" if placed.note else ""
    look = look_at(settings, store, campaign.id, redis_fault=fault)
    code = exit_of(look)
    if code is ExitCode.STILL_RUNNING or (placed.created and not look.has_ended):
        tell(f"To follow it: {reattach(campaign.id)}")
        tell(f"When it has ended: calpatch results {campaign.id} --out DIR")
        code = ExitCode.OK
    return look, code


def _needs_somebody(look: Snapshot) -> bool:
    """Tell whether it will not go on by itself: a cap, a canary or too many failures hold it."""
    campaign = look.campaign
    if campaign.state is CampaignState.PAUSED:
        return campaign.state_reason.startswith("held: ")
    return campaign.state in _WAITING


def _give(look: Snapshot, code: ExitCode, *, as_json: bool) -> None:
    if as_json:
        give_json(status_of(look))
        return
    give(visible(outline(look)))
    if code is not ExitCode.OK:
        tell(visible(next_step(look)))


def _placed(settings: Settings, store: Store, asked: Asked, wanted: Wanted) -> Submitted:
    """Check the file, ask if need be, and save it. Ends the command with 2 or 4."""
    try:
        with open_input(asked.file, format=asked.format) as given:
            way = _of_campaign if given.format == "yaml" else _of_edits
            return way(settings, store, given, asked, wanted)
    except InvalidInput as wrong:
        if asked.as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong
    except KeyboardInterrupt:
        known = store.campaigns.get(wanted.key or f"{wanted.job}-{wanted.day}")
        tell(f"It is saved as {known.id}" if known else "Nothing was saved")
        raise


def _tell_placed(placed: Submitted) -> None:
    campaign = placed.campaign
    saved = f"saved as {campaign.id}" if placed.created else "known already, not run again"
    tell(f"{plural(campaign.total, 'edit')} {saved}")
    if placed.created and campaign.run.cap_basis:
        tell(campaign.run.cap_basis)
    if placed.note:
        tell(placed.note)


def _of_edits(
    settings: Settings, store: Store, given: Input, asked: Asked, wanted: Wanted
) -> Submitted:
    from worker.intake.producer import submit_checked
    from worker.unattended import check_before

    order, shown = wanted.order(), not asked.as_json
    wait = _Previous(settings, store, within_s=asked.previous_s)
    wait.until(lambda: check_before(settings, store, order))
    with bar("Checking the file", total=given.size, shown=shown) as progress:
        checked = check(given, accounts=store.accounts.subs(), progress=progress)
    if not asked.yes:
        for line in (*described(checked), forecast(settings, checked, order)):
            tell(line)
        require_typed(checked.rows, of="edits", to="submit", nothing="submitted")

    def save() -> Submitted:
        with bar("Saving the edits", total=checked.rows, shown=shown) as progress:
            return submit_checked(settings, store, given, checked, order, progress=progress)

    return wait.until(save)


def _of_campaign(
    settings: Settings, store: Store, given: Input, asked: Asked, wanted: Wanted
) -> Submitted:
    from worker.selection import accounts_meant
    from worker.unattended import campaign_in, submit_campaign

    campaign, order = campaign_in(settings, store, given, wanted)
    if not asked.yes:
        raise Held(
            "Nothing was submitted: a campaign file is looked at before it is carried out",
            next_step=f"Run calpatch plan {given.name}, or add --yes to have its caps decide",
        )
    accounts = len(accounts_meant(store.accounts.all(), campaign.select))

    def save() -> Submitted:
        with bar("Reading calendars", total=accounts, shown=not asked.as_json) as progress:
            made = submit_campaign(
                settings, store, campaign, order, source=given.name, progress=progress
            )
        if made.selected is not None:
            _tell_selected(made.selected)
        return made.submitted

    return _Previous(settings, store, within_s=asked.previous_s).until(save)


def _tell_selected(found: Selected) -> None:
    from worker.cli.plan import tell_selected

    tell_selected(found)


class _Previous:
    """Waits for the run of a job before this one, for so long in all."""

    def __init__(self, settings: Settings, store: Store, *, within_s: float) -> None:
        self._settings, self._store = settings, store
        self._until_s = time.monotonic() + within_s

    def until(self, deed: Callable[[], T]) -> T:
        """Do what an open run refuses, again when that has ended. Raises JobBusy, and its own."""
        while True:
            try:
                return deed()
            except JobBusy as busy:
                left_s = self._until_s - time.monotonic()
                if left_s <= 0:
                    raise
                tell(f"Waiting for the run before this one, {busy.campaign_id}")
                follow(self._settings, self._store, busy.campaign_id, wait_s=left_s)


def forecast(settings: Settings, checked: Checked, order: Order) -> str:
    """Return how many calls the file will take, and how long that lasts at the limit."""
    pace: Pace = pace_of(settings)
    loads = loads_of(checked.accounts.values(), chunk_size=settings.chunk_size)
    needed = pace.calls(loads.items(), verify=order.policy.verify != "none")
    calls = needed.total + (needed.reads if order.is_planned else 0)
    if pace.granted_per_min is None:
        return f"about {plural(calls, 'API call')}, with no limit set"
    lasts = format_seconds(60 * calls / pace.granted_per_min)
    return (
        f"about {plural(calls, 'API call')}, {lasts} at the {pace.granted_per_min:,.0f} a minute "
        f"that calpatch may use ({settings.share:.0%} of {settings.rate})"
    )
