"""`calpatch doctor`."""

from __future__ import annotations

import typer

from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.talk import give_json, give_table, tell
from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", epilog="Example: calpatch doctor")(doctor)


def doctor(*, as_json: JsonOption = False) -> None:
    """Check everything that a campaign needs, each with what to do about it.

    Changes nothing and asks the API nothing; exit code 7 when something fails.
    """
    from rich.text import Text

    from worker.cli.checks import COLOURS, examine

    found = examine(Settings.load())
    if as_json:
        give_json(found)
    else:
        rows = [
            (
                Text(each.status, style=COLOURS[each.status]),
                each.name,
                ". ".join(filter(None, (each.detail, each.next_step))),
            )
            for each in found
        ]
        give_table(("verdict", "part", "detail"), rows, texts="detail", head=False)
    if failed := sum(each.status == "fail" for each in found):
        tell(f"calpatch: {failed} of {len(found)} checks failed. Mend them from the top down")
        raise typer.Exit(ExitCode.CONFIG)
