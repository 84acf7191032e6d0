"""Named moments right before and right after every effect on the world outside of the process.

Tests listen there, and kill the process at one of them; in production nobody listens, and reaching
one costs a look at a variable. `NAMES` is what there is to listen to:

    commit.*    a transaction that writes, in SQL
    read.*      a call that changes nothing, to the API
    post.*      a call that edits events
    refresh.*   a call that trades a refresh token
    publish.*   a message for Celery
"""

from __future__ import annotations

from collections.abc import Callable

KINDS = ("commit", "read", "post", "refresh", "publish")
NAMES = tuple(f"{kind}.{when}" for kind in KINDS for when in ("before", "after"))

_listener: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """Tell whoever listens that the process is at this point."""
    if _listener is not None:
        _listener(name)


def listen(listener: Callable[[str], None] | None) -> None:
    """Have a listener told of every point, in the thread that reaches it; None for nobody."""
    global _listener  # noqa: PLW0603 - one process, one listener
    _listener = listener
