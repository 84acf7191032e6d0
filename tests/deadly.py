"""A worker's app in which one event kills the process, as a crash in a library would.

`TEST_DEADLY_UID` says which, `TEST_DEADLY_AT` when: `decide` (before anything is stored about it),
`send` (right before its batch leaves) or `read_back` (when its proof is judged).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from tasks.celery import app
from worker import verify
from worker.run import apply, settle

__all__ = ["app"]

UID = os.environ["TEST_DEADLY_UID"]


def deadly(function: Callable[..., Any], uid_of: Callable[..., str]) -> Callable[..., Any]:
    """Return a function that kills the process when it is asked about the event."""

    def guarded(*args: Any, **named: Any) -> Any:
        if uid_of(*args) == UID:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **named)

    return guarded


match os.environ["TEST_DEADLY_AT"]:
    case "decide":
        settle.decide = deadly(settle.decide, lambda wanted, *_: wanted.key.event_uid)
    case "send":
        apply.build_edit = deadly(apply.build_edit, lambda key, *_: key.event_uid)
    case "read_back":
        verify._judge = deadly(verify._judge, lambda _, edit, *__: edit.key.event_uid)
