"""`calpatch migrate` and `calpatch keys new`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.talk import give, tell
from worker.settings import Settings

keys = typer.Typer(help="Keys of the vault that seals tokens.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("migrate", epilog="Example: calpatch migrate --check")(migrate)
    keys.command("new", epilog="Example: export CALPATCH_VAULT_KEYS=$(calpatch keys new)")(new_key)
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
