"""`calpatch rehearse`: a campaign carried out on a copy of the calendars, touching nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import FileArgument, FormatOption, JsonOption, WrongOption
from worker.cli.progress import bar
from worker.cli.rehearsal_run import COPY, Act, carry_out
from worker.cli.rehearsal_told import give_done, tell_copied, tell_kept, write_done
from worker.cli.submit_options import FoldOption, GapOption, PastOption, policy_of
from worker.cli.talk import give_json, problems_object, tell, tell_error
from worker.cli.validate import known_in
from worker.errors import InvalidInput
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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rehearse", epilog="Example: calpatch rehearse office-move.yaml")(rehearse)


def rehearse(  # noqa: PLR0917 - a command line's options are its arguments
    file: FileArgument,
    from_: Annotated[
        list[Path] | None,
        typer.Option(
            "--from", metavar="FILE", help="Not live calendars: an .ics, or saved Read Events."
        ),
    ] = None,
    account: Annotated[
        list[str] | None, typer.Option(help="With --from: whose calendar the file is.")
    ] = None,
    address: Annotated[
        str, typer.Option(help="With --from: their address, for `organizer: self`.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write results and every change to this folder.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the private folder, to look into it.")
    ] = False,
    past_events: PastOption = False,
    dst_gap: GapOption = "refuse",
    dst_fold: FoldOption = "refuse",
    format_: FormatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry a campaign out on a private copy of the calendars, and show what comes of it.

    The same engine plans, sends, and reads back, against a simulated Cronofy on this machine. Live
    calendars are only read; with --from not even that, and no settings are needed. Nobody is
    mailed. The copy is gone afterwards.
    """
    from worker.cli.private_world import passing_folder

    asked = _Asked(
        file=file, format=format_, from_=tuple(from_ or ()), accounts=tuple(account or ()),
        address=address.strip().lower(),
        policy=policy_of(
            past_events=past_events, dst_gap=dst_gap, dst_fold=dst_fold, verify="all",
            allow_repeat=False,
        ),
    )  # fmt: skip
    _refuse_unfit(asked)
    settings = Settings.load()
    with (
        _announced(),
        _problems_as(as_json),
        passing_folder("calpatch-rehearsal-", is_kept=keep) as folder,
    ):
        code = _rehearsed(settings, asked, folder, out=out, as_json=as_json)
        if keep:
            tell_kept(folder)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the command line says of a rehearsal."""

    file: str
    format: str | None
    from_: tuple[Path, ...]
    accounts: tuple[str, ...]
    address: str
    policy: Policy


def _refuse_unfit(asked: _Asked) -> None:
    """Refuse options that say nothing without others. Raises WrongOption."""
    if (asked.accounts or asked.address) and not asked.from_:
        raise WrongOption(
            "--account and --address are about files",
            next_step="Add --from FILE, or leave them out: live accounts are known",
        )
    if len(asked.accounts) > len(asked.from_):
        raise WrongOption(
            "There are more --account than --from", next_step="Each file is one account"
        )


@contextmanager
def _announced() -> Iterator[None]:
    """Say at the start and at the end, however it ends, that nothing real is touched."""
    tell("Rehearsal: nothing real is touched, and nobody is mailed")
    try:
        yield
    finally:
        tell("The rehearsal is over: nothing real was touched")


@contextmanager
def _problems_as(as_json: bool) -> Iterator[None]:
    """End the command with 2 for a file with problems."""
    try:
        yield
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong


def _rehearsed(
    settings: Settings, asked: _Asked, folder: Path, *, out: Path | None, as_json: bool
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


def _live(settings: Settings, asked: _Asked, given: Input, path: Path, *, as_json: bool) -> Act:
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
    asked: _Asked,
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
    asked: _Asked,
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


def _naming_of(campaign: CampaignFile, asked: _Asked) -> Naming:
    """Return what a campaign file calls the accounts that it selects."""
    select = campaign.select
    return Naming(
        subs=asked.accounts or select.subs,
        label=next(iter(select.labels), ""),
        calendars=select.calendars,
        address=asked.address,
    )


def _naming_in(checked: Checked, given: Input, asked: _Asked) -> Naming:
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
