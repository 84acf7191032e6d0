"""`calpatch accounts erase`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.person import confirmed, user_name
from worker.cli.talk import give, give_json, plural, tell
from worker.errors import NotFound
from worker.settings import Settings
from worker.store import Erased, Store


def erase(
    sub: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's sub.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: the account, its tokens, and all that is stored of its events and inputs.

    Ids, line numbers, states, codes, times and counts stay, and so does the audit, which says that
    it was done. Refused while the account has open edits (exit code 4). Interrupted, run it again.

    It reaches neither backups nor results files that were written before: delete those. SQLite's
    file is written anew, for which it needs room; workers wait meanwhile. Of PostgreSQL's files the
    texts of the input go with the next `VACUUM FULL edits`.
    """
    with opened_store(Settings.load()) as store:
        _refuse(store, sub)
        if not yes and not confirmed(f"Type the account to erase it ({sub}): ", answer=sub):
            tell("calpatch: nothing was erased. Add --yes to do it without being asked")
            raise typer.Exit(ExitCode.HELD)
        done = store.erasing.erase(sub, actor=user_name())
    if as_json:
        give_json({"account": sub, "campaigns": done.campaigns, "edits": done.edits})
    else:
        give(f"{sub} is erased: {_counted(done)}")
    if done.left:
        tell(
            f"calpatch: {plural(done.left, 'edit')} came in meanwhile. Erase {sub} again when they"
            " have ended"
        )


def _refuse(store: Store, sub: str) -> None:
    """Raise StillOpen or NotFound before anybody is asked."""
    store.erasing.refuse_open(sub)
    if not store.erasing.is_known(sub):
        raise NotFound(
            f"No account or edit of {sub} is known", next_step="See `calpatch accounts list`"
        )


def _counted(done: Erased) -> str:
    return f"{plural(done.edits, 'edit')} of {plural(done.campaigns, 'campaign')} blanked"
