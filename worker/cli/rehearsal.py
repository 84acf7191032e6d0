"""A rehearsal from its file to its exit code: what is copied, and what stands for what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import WrongOption
from worker.cli.progress import bar
from worker.cli.rehearsal_run import COPY, Act, carry_out
from worker.cli.rehearsal_told import give_done, tell_copied, write_done
from worker.cli.talk import tell
from worker.cli.validate import known_in
from worker.intake import Checked, Input, check, open_input, rows
from worker.intake.campaign import CampaignFile, read_campaign
from worker.model import Policy
from worker.rehearsal import (
    Book,
    Copied,
    Meant,
    Naming,
    Source,
    copy_files,
    copy_live,
    meant_by,
    meant_in,
    open_book,
)
from worker.settings import Settings
from worker.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says of a rehearsal."""

    file: str
    format: str | None
    from_: tuple[Path, ...]
    accounts: tuple[str, ...]
    address: str
    policy: Policy


def rehearsed(
    settings: Settings, asked: Asked, folder: Path, *, out: Path | None, as_json: bool
) -> ExitCode:
    """Copy, run, and tell."""
    with open_input(asked.file, format=asked.format) as given:
        copy = _files if asked.from_ else _live
        act = copy(settings, asked, given, folder / COPY, as_json=as_json)
        tell_copied(act)
        tell("Starting a private Cronofy, Valkey, a worker and the clock …")
        with carry_out(settings, act, folder) as done:
            if out is not None:
                write_done(done, out)
            give_done(done, out=out, as_json=as_json)
            return done.code


def _live(settings: Settings, asked: Asked, given: Input, path: Path, *, as_json: bool) -> Act:
    """Read the file against the accounts there are, and copy those it is about."""
    with opened_store(settings) as store, open_book(path) as book:
        if given.format == "yaml":
            campaign = _campaign(settings, given)
            _copy(settings, store, meant_by(campaign.select, store), book, shown=not as_json)
            return _act(asked, given, book.copied, campaign=campaign, store=store)
        checked = check(given, accounts=store.accounts.subs())
        _copy(settings, store, meant_in(_named(given), store), book, shown=not as_json)
        return _act(asked, given, book.copied, checked=checked, store=store)


def _copy(settings: Settings, store: Store, meant: Meant, book: Book, *, shown: bool) -> None:
    with bar("Copying calendars", total=len(meant.accounts), shown=shown) as progress:
        copy_live(settings, store, meant, book, progress=progress)


def _files(
    settings: Settings,
    asked: Asked,
    given: Input,
    path: Path,
    *,
    as_json: bool,  # noqa: ARG001
) -> Act:
    """Read the file, and take the others for what it is about."""
    campaign = checked = None
    if given.format == "yaml":
        campaign = read_campaign(given, webhook_hosts=settings.allowed_hosts)
        naming = _naming_of(campaign, asked)
    else:
        checked = check(given, accounts=None)
        naming = _naming_in(checked, given, asked)
    with open_book(path) as book:
        sources = copy_files(asked.from_, book, naming=naming, now=datetime.now(UTC))
        _refuse_missing(checked, sources)
    return _act(asked, given, book.copied, campaign=campaign, checked=checked, sources=sources)


def _act(
    asked: Asked,
    given: Input,
    copied: Copied,
    *,
    campaign: CampaignFile | None = None,
    checked: Checked | None = None,
    sources: list[Source] | None = None,
    store: Store | None = None,
) -> Act:
    frozen = store.steering.frozen() if store is not None else None
    return Act(
        given=given, campaign=campaign, checked=checked, policy=asked.policy, copied=copied,
        sources=tuple(sources or ()), frozen=frozen.reason if frozen else "",
    )  # fmt: skip


def _campaign(settings: Settings, given: Input) -> CampaignFile:
    known, _ = known_in(settings)
    return read_campaign(given, known=known, webhook_hosts=settings.allowed_hosts)


# ---------------------------------------------------------------- what files stand for


def _naming_of(campaign: CampaignFile, asked: Asked) -> Naming:
    """Return what a campaign file calls the accounts that it selects."""
    select = campaign.select
    return Naming(
        subs=asked.accounts or select.subs,
        label=next(iter(select.labels), ""),
        calendars=select.calendars,
        address=asked.address,
    )


def _naming_in(checked: Checked, given: Input, asked: Asked) -> Naming:
    """Return what a file of edits calls them, those with most edits first."""
    subs = asked.accounts or tuple(checked.accounts)
    calendars = _named(given).get(subs[0], set()) if subs else set()
    return Naming(subs=subs, calendars=sorted(calendars), address=asked.address)


def _named(given: Input) -> dict[str, set[str]]:
    """Return the calendars that a file of edits names, by account."""
    found: dict[str, set[str]] = {}
    for row in rows(given):
        found.setdefault(row.account, set()).add(row.key.calendar_id)
    return found


def _refuse_missing(checked: Checked | None, sources: list[Source]) -> None:
    """Refuse edits of accounts for which there is no file. Raises WrongOption."""
    named = set(checked.accounts) if checked else set()
    if missing := sorted(named - {each.account for each in sources}):
        raise WrongOption(
            f"No file stands for account {missing[0]}, which the edits name",
            next_step="Give one for each account: --from FILE --account NAME",
        )
