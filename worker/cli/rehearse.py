"""`calpatch rehearse`: a campaign carried out on a copy of the calendars, touching nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.exits import ExitCode
from worker.cli.options import FileArgument, FormatOption, JsonOption, WrongOption
from worker.cli.submit_options import FoldOption, GapOption, PastOption, policy_of
from worker.cli.talk import give_json, problems_object, tell, tell_error
from worker.errors import InvalidInput
from worker.settings import Settings


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
    from worker.cli.rehearsal import Asked, rehearsed
    from worker.cli.rehearsal_told import tell_kept

    asked = Asked(
        file=file, format=format_, from_=tuple(from_ or ()), accounts=tuple(account or ()),
        address=address.strip().lower(),
        policy=policy_of(
            past_events=past_events, dst_gap=dst_gap, dst_fold=dst_fold, verify="all",
            allow_repeat=False,
        ),
    )  # fmt: skip
    _refuse_unfit(asked.from_, accounts=asked.accounts, address=asked.address)
    settings = Settings.load()
    with (
        _announced(),
        _problems_as(as_json),
        passing_folder("calpatch-rehearsal-", is_kept=keep) as folder,
    ):
        try:
            code = rehearsed(settings, asked, folder, out=out, as_json=as_json)
        finally:
            if keep:
                tell_kept(folder)
    raise typer.Exit(code)


def _refuse_unfit(files: Sequence[Path], *, accounts: Sequence[str], address: str) -> None:
    """Refuse options that say nothing without others. Raises WrongOption."""
    if (accounts or address) and not files:
        raise WrongOption(
            "--account and --address are about files",
            next_step="Add --from FILE, or leave them out: live accounts are known",
        )
    if len(accounts) > len(files):
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
