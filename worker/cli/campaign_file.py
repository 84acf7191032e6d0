"""`calpatch init` and `calpatch schema`: where a campaign file begins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.talk import give, tell
from worker.errors import WorkerError

FILE = "campaign.yaml"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init", epilog=f"Example: calpatch init {FILE}")(init)
    example = "Example: calpatch schema > calpatch.schema.json"
    app.command("schema", epilog=example)(schema)


def init(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help='Where to; "-" writes to standard output.')
    ] = FILE,
) -> None:
    """Write a campaign in YAML to begin from, with a comment on all that may stand there.

    A file that is there already is left alone.
    """
    from worker.intake.campaign import example

    if file == "-":
        give(example().rstrip("\n"))
        return
    _write(file, example())
    tell(f"{file} is written; change it, then check it: calpatch validate {file}")


def _write(file: str, text: str) -> None:
    """Write a file that is not there yet. Raises NotWritten."""
    try:
        with Path(file).open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except FileExistsError:
        raise NotWritten(
            f"{file} is there already, and is left as it is", next_step="Name another file"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or "not a path"
        raise NotWritten(
            f"{file} cannot be written: {reason}", next_step="Name another file"
        ) from error


def schema() -> None:
    """Print the JSON schema of campaign files, by which editors complete and check them."""
    from worker.intake.campaign import schema_text

    give(schema_text().rstrip("\n"))


class NotWritten(WorkerError):
    """Raised when a file is not written."""

    exit_code = 2
