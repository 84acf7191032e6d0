"""`calpatch validate`."""

from __future__ import annotations

from collections.abc import Collection

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import FileArgument, FormatOption, JsonOption
from worker.cli.progress import bar
from worker.cli.talk import give, give_json, plural, problems_object, tell, tell_error
from worker.errors import InvalidInput, StoreUnavailable
from worker.intake import Checked, check, open_input
from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate", epilog="Example: calpatch validate edits.csv")(validate)


def validate(
    file: FileArgument, *, format_: FormatOption = None, as_json: JsonOption = False
) -> None:
    """Check a file of edits and list all its problems by line and column; no network, no change.

    Accounts are checked against the database when there is one.
    """
    accounts, note = _known_accounts()
    try:
        with (
            open_input(file, format=format_) as given,
            bar("Checking the file", total=given.size, shown=not as_json) as progress,
        ):
            checked = check(given, accounts=accounts, progress=progress)
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong
    if as_json:
        give_json(_object(checked, accounts_checked=accounts is not None))
    else:
        for line in described(checked):
            give(line)
    if note:
        tell(note)


def _known_accounts() -> tuple[Collection[str] | None, str]:
    """Return the accounts there are; None, with what to say, when nobody can tell."""
    try:
        with opened_store(Settings.load()) as store:
            return store.accounts.subs(), ""
    except StoreUnavailable as down:
        return None, f"The accounts were not checked: {down.message}"


def described(checked: Checked) -> list[str]:
    """Return what a good file asks for, in lines."""
    accounts = plural(len(checked.accounts), "account")
    lines = [f"{plural(checked.rows, 'edit')} for {accounts}, no problems"]
    if checked.first_hint and checked.last_hint:
        lines.append(f"dates {checked.first_hint} to {checked.last_hint}")
    if checked.unhinted:
        lines.append(
            f"{plural(checked.unhinted, 'edit')} without a date_hint: finding them costs more reads"
        )
    if checked.duplicates:
        lines.append(f"{plural(checked.duplicates, 'line')} repeat others and will be skipped")
    return lines


def _object(checked: Checked, *, accounts_checked: bool) -> dict[str, object]:
    return {
        "edits": checked.rows,
        "accounts": dict(checked.accounts),
        "accounts_checked": accounts_checked,
        "duplicates": checked.duplicates,
        "without_date_hint": checked.unhinted,
        "first_date": checked.first_hint,
        "last_date": checked.last_hint,
        "digest": checked.digest,
        "problems": [],
    }
