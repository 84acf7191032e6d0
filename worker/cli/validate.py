"""`calpatch validate`."""

from __future__ import annotations

from typing import NamedTuple

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import FileArgument, FormatOption, JsonOption
from worker.cli.progress import bar
from worker.cli.talk import give, give_json, plural, problems_object, tell, tell_error
from worker.errors import InvalidInput, StoreUnavailable
from worker.intake import Checked, Input, Known, check, open_input
from worker.report import visible
from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate", epilog="Example: calpatch validate edits.csv")(validate)


def validate(
    file: FileArgument, *, format_: FormatOption = None, as_json: JsonOption = False
) -> None:
    """Check a file of edits, or a campaign in YAML, and list all its problems by line and column.

    No network, no change. Accounts are checked against the database when there is one.
    """
    settings = Settings.load()
    known, note = known_in(settings)
    try:
        with open_input(file, format=format_) as given:
            if given.format == "yaml":
                found = _campaign(settings, given, known)
            else:
                found = _edits(given, known, as_json)
    except InvalidInput as wrong:
        if as_json:
            give_json(problems_object(wrong))
        tell_error(wrong)
        raise typer.Exit(ExitCode.USAGE) from wrong
    if as_json:
        give_json(found.object | {"accounts_checked": known is not None, "problems": []})
    else:
        for line in found.lines:
            give(visible(line))
    if note:
        tell(note)


class _Valid(NamedTuple):
    """What a good file says: in lines, and for machines."""

    lines: list[str]
    object: dict[str, object]


def _edits(given: Input, known: Known | None, as_json: bool) -> _Valid:
    with bar("Checking the file", total=given.size, shown=not as_json) as progress:
        accounts = known.accounts if known else None
        checked = check(given, accounts=accounts, progress=progress)
    return _Valid(described(checked), _object(checked))


def _campaign(settings: Settings, given: Input, known: Known | None) -> _Valid:
    from worker.intake.campaign import described as in_words
    from worker.intake.campaign import read_campaign

    campaign = read_campaign(given, known=known, webhook_hosts=settings.allowed_hosts)
    lines = in_words(campaign)
    about: dict[str, object] = {
        "campaign": campaign.name,
        "reason": campaign.reason,
        "digest": campaign.digest(),
        "described": lines,
    }
    return _Valid([*lines, "no problems"], about)


def known_in(settings: Settings) -> tuple[Known | None, str]:
    """Return the accounts and labels there are; None, with what to say, when nobody can tell."""
    try:
        with opened_store(settings) as store:
            return Known(store.accounts.subs(), store.accounts.labels()), ""
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


def _object(checked: Checked) -> dict[str, object]:
    return {
        "edits": checked.rows,
        "accounts": dict(checked.accounts),
        "duplicates": checked.duplicates,
        "without_date_hint": checked.unhinted,
        "first_date": checked.first_hint,
        "last_date": checked.last_hint,
        "digest": checked.digest,
    }
