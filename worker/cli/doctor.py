"""`calpatch doctor`."""

from __future__ import annotations

import typer

from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.talk import give_json, give_rich, tell
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
        for each in found:
            line = Text(f"{each.status:<5}", style=COLOURS[each.status])
            line.append(f"{each.name:<10} {each.detail}", style="default")
            if each.next_step:
                line.append(f". {each.next_step}", style="default")
            give_rich(line)
    if failed := sum(each.status == "fail" for each in found):
        tell(f"calpatch: {failed} of {len(found)} checks failed. Mend them from the top down")
        raise typer.Exit(ExitCode.CONFIG)
