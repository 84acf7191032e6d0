"""`calpatch migrate` and `calpatch keys`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.person import user_name
from worker.cli.talk import give, give_json, give_table, plural, tell
from worker.errors import VaultError
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.tokens import KeyUse, Rotated

_ROLES = {
    "seals": "seals new values",
    "opens": "opens old values",
    "missing": "missing from CALPATCH_VAULT_KEYS",
}

keys = typer.Typer(help="Keys of the vault that seals tokens.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("migrate", epilog="Example: calpatch migrate --check")(migrate)
    keys.command("new", epilog="Example: export CALPATCH_VAULT_KEYS=$(calpatch keys new)")(new_key)
    keys.command("list", epilog="Example: calpatch keys list")(list_keys)
    keys.command("rotate", epilog="Example: calpatch keys rotate --check")(rotate_keys)
    app.add_typer(keys, name="keys", epilog="Example: calpatch keys new")


def migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether it is needed (exit code 7).")
    ] = False,
) -> None:
    """Bring the database to the schema of this version; running it twice does no harm."""
    from worker.store import migrate as bring_up
    from worker.store import require_schema, versions

    settings = Settings.load()
    with opened_store(settings, check_schema=False) as store:
        if check:
            current, needed = versions(store.database)
            give(f"the database has {current or 'no tables'}, this version needs {needed}")
            require_schema(store.database)
            return
        before, after = bring_up(store.database)
        store.audit.keep_heads()
    done = "already up to date" if before == after else f"migrated from {before or 'nothing'}"
    give(f"{done}: {after}")


def new_key() -> None:
    """Make a key for CALPATCH_VAULT_KEYS and print it; it is stored nowhere else.

    To change keys, put the new one in front of the old one, separated by a comma.
    """
    from worker.tokens import generate_key

    give(generate_key())
    tell(
        "Keep it safe: without it the stored tokens cannot be opened. Set CALPATCH_VAULT_KEYS to it"
    )


def list_keys(*, as_json: JsonOption = False) -> None:
    """Show the ids of all keys and how many stored values each one seals; never a key."""
    from worker.tokens import Vault, key_uses

    settings = Settings.load()
    settings.need("vault_keys")
    with opened_store(settings) as store:
        found = key_uses(store, Vault(settings.keys))
    if as_json:
        give_json(found)
        return
    rows = [(each.id or "(none)", _role(each), f"{each.values:,}") for each in found]
    give_table(("key", "use", "values"), rows, right="values")


def _role(use: KeyUse) -> str:
    return "nothing any more: it can go" if use.is_spare else _ROLES[use.role]


def rotate_keys(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether it is needed (exit code 7).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Seal all stored tokens with the first key of CALPATCH_VAULT_KEYS, while everything runs.

    Put the new key in front of the old one and restart all workers first. Killed half-way, start
    it again. It tells which keys can go then.
    """
    from worker.tokens import Rotated, Vault, key_uses, rotate

    settings = Settings.load()
    settings.need("vault_keys")
    vault = Vault(settings.keys)
    with opened_store(settings) as store:
        done = Rotated(resealed=0, damaged=0, keys=key_uses(store, vault))
        _refuse_one_key(done)
        if not check:
            done = rotate(store, vault, actor=user_name())
    _give_rotated(done, as_json=as_json)
    if done.left:
        raise typer.Exit(ExitCode.CONFIG)


def _refuse_one_key(now: Rotated) -> None:
    """Refuse what would do nothing and look like a success: the new key was forgotten."""
    if len(now.keys) == 1:
        raise VaultError(
            f"Nothing to rotate: the one key of CALPATCH_VAULT_KEYS ({now.keys[0].id}) seals all",
            next_step="Put a new key (`calpatch keys new`) in front of it, separated by a comma",
        )


def _give_rotated(done: Rotated, *, as_json: bool) -> None:
    old = sum(each.values for each in done.keys if each.role == "opens") - done.damaged
    if as_json:
        give_json(
            {
                "resealed": done.resealed,
                "left": done.left,
                "damaged": done.damaged,
                "removable": done.removable,
                "keys": done.keys,
            }
        )
    else:
        give(f"{plural(done.resealed, 'row')} sealed anew with key {done.keys[0].id}")
    for each in done.keys:
        if each.role == "missing":
            tell(
                f"calpatch: key {each.id or '(none)'} is missing, {plural(each.values, 'value')}"
                " cannot be opened. Append it to CALPATCH_VAULT_KEYS, or import the accounts again"
            )
    if done.damaged:
        tell(f"calpatch: {plural(done.damaged, 'value')} damaged. Import those accounts again")
    if old > 0:
        tell(f"{plural(old, 'value')} under an older key. Run `calpatch keys rotate`")
    elif done.removable and not done.left:
        tell(
            f"Not needed any more: {', '.join(done.removable)}. Once every worker runs with the new"
            " key first, take it out of CALPATCH_VAULT_KEYS and restart them"
        )
