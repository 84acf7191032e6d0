"""The person at the terminal: who they are, and whether they mean it."""

from __future__ import annotations

import getpass
import sys


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
