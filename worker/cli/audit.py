"""`calpatch audit verify` and `calpatch audit search`."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from worker.cli.context import find_campaign, opened_store
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption, SinceOption, WrongOption, seconds_ago, wrong_option
from worker.cli.talk import give, give_folded, give_json, give_objects, plural, tell
from worker.report import known_actions, utc, visible, words_of
from worker.report.around import detail_of
from worker.settings import Settings
from worker.store import AuditRow, Break, Kept, Sought

#: where a found entry's words begin
HANG = 22
#: the chain of what concerns everybody
EVERYBODY = "controls"
#: broken places that are shown; the number of all is always told
SHOWN = 20

audit = typer.Typer(
    help="Prove that the audit is whole, or search it for who did what.", no_args_is_help=False
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    example = "Example: calpatch audit verify --against results/summary.json"
    audit.command("verify", epilog=example)(verify)
    example = "Example: calpatch audit search --actor ann --since 7d"
    audit.command("search", epilog=example)(search)
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


def search(
    *,
    event: Annotated[
        str | None, typer.Option(metavar="EVENT_UID", help="Entries about this event.")
    ] = None,
    actor: Annotated[
        str | None, typer.Option(help="What this person did; calpatch itself is `calpatch`.")
    ] = None,
    campaign: Annotated[
        str | None, typer.Option(help="Entries about this campaign and each of its lines.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option(help="Of an event or campaign, this account's lines; else the account's own."),
    ] = None,
    since: SinceOption = None,
    action: Annotated[
        str | None, typer.Option(help="Only this, such as campaign.approved or edit.failed.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search the audit for who did what, when and why; all that is given must hold.

    Entries about single lines are among them with --event, --campaign, or an --action of edits.
    No text of an event is shown: the audit holds none.
    """
    given = (event, actor, campaign, account, since, action)
    if not any(given):
        raise WrongOption(
            "audit search needs to know what for",
            next_step="Give one of --event, --actor, --campaign, --account, --since, --action",
        )
    if action is not None:
        _known(action)
    since_s = seconds_ago(since)
    with opened_store(Settings.load()) as store:
        sought = Sought(
            event_uid=event or "",
            actor=actor or "",
            campaign_id=find_campaign(store, campaign).id if campaign else "",
            account=account or "",
            action=action or "",
            since_s=since_s,
        )
        found = store.search.entries(sought)
        count = give_objects(map(_object, found)) if as_json else _give_found(found)
    if not count:
        tell("No entry of the audit is like that")
    elif not (sought.has_edits or account):
        tell("Entries about single lines are left out: give --campaign or --event to see them")


def _give_found(found: Iterator[AuditRow]) -> int:
    """Give entries as they come, a line each; returns how many."""
    count = 0
    for count, row in enumerate(found, start=1):  # noqa: B007 - the last number is the count
        give_folded(visible(f"{utc(row.at)}  {row.actor}  {words_of(row)}{_place(row)}"), hang=HANG)
    return count


def _place(row: AuditRow) -> str:
    """Return what an entry is about."""
    about = row.campaign_id or ("" if row.chain == EVERYBODY else row.chain)
    if row.line_no is not None:
        return f"  [{about}, line {row.line_no}]"
    return f"  [{about}]" if about else ""


def _object(row: AuditRow) -> dict[str, object]:
    told = msgspec.structs.asdict(row)
    return told | {"said": words_of(row), "detail": detail_of(row)}


def _known(action: str) -> None:
    """Refuse an action that nothing writes. Raises WrongOption."""
    known = known_actions()
    if action not in known:
        near = get_close_matches(action, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        raise wrong_option("--action", action, hint)
