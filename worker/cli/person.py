"""The person at the terminal: who they are, and whether they mean it."""

from __future__ import annotations

import getpass
import sys

import typer

from worker.cli.exits import ExitCode
from worker.cli.talk import tell


def user_name() -> str:
    """Return who is asking, for the audit."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run as a number without a name (KeyError before Python 3.13).
        return "unknown"


def is_present() -> bool:
    """Tell whether somebody can be asked: both ends are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str, *, answer: str) -> bool:
    """Ask on stderr, and tell whether exactly this was typed; False when nobody is there."""
    if not is_present():
        return False
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip().replace(",", "") == answer


def require_typed(number: int, *, of: str, to: str, nothing: str) -> None:
    """Let only a person go on who types how many edits this is about. Raises Exit (held).

    Called after what would happen was shown. `of` names what is counted, `to` what is begun, and
    `nothing` what did not happen to any of it otherwise.
    """
    if not is_present():
        tell(f"calpatch: nothing was {nothing}, nobody is there to ask. Add --yes to {to}")
        raise typer.Exit(ExitCode.HELD)
    question = f"Guests may get mail about each change. Type {number} to {to}: "
    if not confirmed(question, answer=str(number)):
        tell(f"calpatch: nothing was {nothing}. Type the number of {of} to {to}")
        raise typer.Exit(ExitCode.HELD)
