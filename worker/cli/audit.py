"""`calpatch audit verify`."""

from __future__ import annotations

import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.talk import give, give_json, plural, tell
from worker.settings import Settings

#: broken places that are shown; the number of all is always told
SHOWN = 20

audit = typer.Typer(help="Prove that the audit is whole.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    audit.command("verify", epilog="Example: calpatch audit verify")(verify)
    app.add_typer(audit, name="audit", epilog="Example: calpatch audit verify")


def verify(*, as_json: JsonOption = False) -> None:
    """Walk every hash chain of the audit, and name each place where one does not hold.

    Exit code 0: all whole. 1: something was changed, removed or cut off.
    """
    with opened_store(Settings.load()) as store:
        count, breaks = store.audit.verify()
    if as_json:
        broken = [{"chain": each.chain, "seq": each.seq, "why": each.why} for each in breaks]
        give_json({"entries": count, "is_whole": not breaks, "breaks": broken})
    elif breaks:
        for each in breaks[:SHOWN]:
            give(f"{each.chain} entry {each.seq}: {each.why}")
    else:
        give(f"{plural(count, 'entry').replace('entrys', 'entries')}, every chain is whole")
    if breaks:
        tell(
            f"calpatch: the audit does not hold at {plural(len(breaks), 'place')}. Keep a copy now"
        )
        raise typer.Exit(ExitCode.INTERNAL)
