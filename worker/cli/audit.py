"""`calpatch audit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from worker.cli.context import opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption, wrong_option
from worker.cli.talk import give, give_json, plural, tell
from worker.settings import Settings
from worker.store import Break, Kept

#: broken places that are shown; the number of all is always told
SHOWN = 20

audit = typer.Typer(help="Prove that the audit is whole.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    example = "Example: calpatch audit verify --against results/summary.json"
    audit.command("verify", epilog=example)(verify)
    app.add_typer(audit, name="audit", epilog="Example: calpatch audit verify")


def verify(
    *,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="A summary.json that was kept elsewhere; may be given again."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Walk every hash chain of the audit, and name each place where one does not hold.

    Somebody who owns the database can write all of it anew, heads included. A summary.json that
    `calpatch results` wrote before, and that was kept elsewhere, tells that too.

    Exit code 0: all whole. 1: something was changed, removed or cut off.
    """
    kept = [_kept(path) for path in against or ()]
    with opened_store(Settings.load()) as store:
        count, breaks = store.audit.verify(against=kept)
    if as_json:
        broken = [{"chain": each.chain, "seq": each.seq, "why": each.why} for each in breaks]
        give_json({"entries": count, "is_whole": not breaks, "breaks": broken})
    else:
        _give(count, breaks)
    if breaks:
        tell(
            f"calpatch: the audit does not hold at {plural(len(breaks), 'place')}. Keep a copy now"
        )
        raise typer.Exit(ExitCode.INTERNAL)


def _give(count: int, breaks: list[Break]) -> None:
    for each in breaks[:SHOWN]:
        give(f"{each.chain} entry {each.seq}: {each.why}")
    if not breaks:
        give(f"{plural(count, 'entry').replace('entrys', 'entries')}, every chain is whole")


def _kept(path: Path) -> Kept:
    """Read what a summary keeps of the chains. Raises WrongOption."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Kept)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise wrong_option("--against", str(path), f"cannot be read ({why})") from error
    except msgspec.MsgspecError:
        raise wrong_option("--against", str(path), "is no summary.json of calpatch") from None
