"""`calpatch accounts import | list | check | forget | erase`."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from worker.cli.context import opened_store
from worker.cli.erase import erase
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.person import confirmed, user_name
from worker.cli.talk import give, give_json, give_table, plural, tell
from worker.errors import NotFound
from worker.model import AccountStatus, Code
from worker.settings import Settings
from worker.store import Account

if TYPE_CHECKING:
    from worker.app import AccountCheck

accounts = typer.Typer(help="Authorizations: whose calendars may be edited.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command = accounts.command
    command("import", epilog="Example: calpatch accounts import accounts.csv")(import_file)
    command("list", epilog="Example: calpatch accounts list --json")(list_accounts)
    command("check", epilog="Example: calpatch accounts check acc_5f3b0c2a9d1e")(check)
    command("forget", epilog="Example: calpatch accounts forget acc_5f3b0c2a9d1e --yes")(forget)
    command("erase", epilog="Example: calpatch accounts erase acc_5f3b0c2a9d1e")(erase)
    app.add_typer(accounts, name="accounts", epilog="Example: calpatch accounts list")


def import_file(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help='CSV or JSONL; "-" reads standard input.')
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Import accounts: sub, access_token, refresh_token, expires_at, data_center, label.

    Tokens are sealed before they are stored. An account that is known gets the new tokens, and is
    active again.
    """
    from worker.cli.account_file import read_accounts
    from worker.tokens import Vault

    settings = Settings.load()
    settings.need("vault_keys")
    found = read_accounts(file, Vault(settings.keys))
    with opened_store(settings) as store:
        new, replaced = store.accounts.import_all(found, actor=user_name())
    if as_json:
        give_json({"imported": new + replaced, "new": new, "replaced": replaced})
    else:
        give(f"{plural(new + replaced, 'account')} imported: {new:,} new, {replaced:,} replaced")
    tell("The file holds tokens in the clear: delete it. Next: calpatch accounts check")


def list_accounts(*, as_json: JsonOption = False) -> None:
    """List accounts with their state; no token is ever shown."""
    with opened_store(Settings.load()) as store:
        found = store.accounts.all()
    if as_json:
        give_json([_shown(each) for each in found])
        return
    rows = [
        (each.sub, each.label, each.data_center, str(each.status), each.reason, _calendars(each))
        for each in found
    ]
    columns = ("account", "label", "center", "status", "reason", "editable")
    give_table(columns, rows, texts="label,reason")


def check(
    subs: Annotated[
        list[str] | None, typer.Argument(metavar="ACCOUNT", help="These; without any, all.")
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Ask the API about accounts: connected, and which calendars may be edited. Two calls each.

    A locked account that answers again is active again. Exit code 7 when any is not usable.
    """
    from worker.app import check_accounts

    settings = Settings.load()
    found = asyncio.run(check_accounts(settings, subs or []))
    if as_json:
        give_json(found)
    else:
        rows = [
            (
                each.sub,
                str(each.status),
                each.reason,
                "" if _trouble(each) else f"{each.elevated} of {each.calendars}",
            )
            for each in found
        ]
        columns = ("account", "status", "reason", "editable calendars")
        give_table(columns, rows, texts="reason,editable calendars")
    troubles = Counter(filter(None, map(_trouble, found)))
    for (what, step), count in troubles.items():
        tell(f"calpatch: {plural(count, 'account')} {what}. {step}")
    if troubles:
        raise typer.Exit(ExitCode.CONFIG)


def _trouble(found: AccountCheck) -> tuple[str, str] | None:
    """Return what is wrong with an account and what to do; None for a good one."""
    match found.status:
        case _ if found.reason.startswith("not checked"):
            return "not checked", "The reason is in the table; `calpatch doctor` tells more"
        case AccountStatus.LOST:
            return "lost", "Authorize again, then `calpatch accounts import` the new tokens"
        case AccountStatus.PARKED if found.reason == Code.UNAUTHORIZED:
            step = "Check the client id and secret, then `calpatch accounts check` again"
            return "refused even after a refresh", step
        case AccountStatus.PARKED:
            return "locked", "The owner reconnects it, then `calpatch accounts check` again"
        case AccountStatus.ACTIVE:
            return None
        case _:
            assert_never(found.status)


def forget(
    sub: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's sub.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account and its tokens; its edits and its audit stay (`accounts erase` them)."""
    with opened_store(Settings.load()) as store:
        if store.accounts.get(sub) is None:
            raise NotFound(f"No such account: {sub}", next_step="See `calpatch accounts list`")
        if not yes and not confirmed(f"Type the account to forget it ({sub}): ", answer=sub):
            tell("calpatch: nothing was forgotten. Add --yes to do it without being asked")
            raise typer.Exit(ExitCode.HELD)
        store.accounts.forget(sub, actor=user_name())
    give(f"{sub} is forgotten")


def _shown(account: Account) -> dict[str, object]:
    return {
        "account": account.sub,
        "label": account.label,
        "data_center": account.data_center,
        "status": account.status,
        "reason": account.reason,
        "token_expires_in_s": account.expires_in_s,
        "calendars": len(account.calendars),
        "editable_calendars": _editable(account),
    }


def _calendars(account: Account) -> str:
    if account.calendars_age_s is None:
        return "not checked"
    return f"{_editable(account)} of {len(account.calendars)}"


def _editable(account: Account) -> int:
    return sum(
        each.elevated and not each.read_only and not each.deleted for each in account.calendars
    )
