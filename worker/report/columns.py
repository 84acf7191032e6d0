"""Which outcome goes into which file."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from worker.model import Code, EditState
from worker.sheets import RESULT_COLUMNS

__all__ = ["FILES", "OPEN", "RESULT_COLUMNS", "SUCCEEDED", "asks_something", "file_of"]

SUCCEEDED, FAILED, SKIPPED, NOT_ATTEMPTED, OPEN = (
    "succeeded", "failed", "skipped", "not_attempted", "open",
)  # fmt: skip

#: The files of every export; `open` is there only while a campaign still runs.
FILES: Final = (SUCCEEDED, FAILED, SKIPPED, NOT_ATTEMPTED)

_FILE_OF: Final = {
    EditState.VERIFIED: SUCCEEDED,
    EditState.UNCHANGED: SUCCEEDED,
    EditState.FAILED: FAILED,
    EditState.MISMATCH: FAILED,
    EditState.CONFLICT: FAILED,
    EditState.UNVERIFIED: FAILED,
    EditState.SKIPPED: SKIPPED,
    EditState.NOT_ATTEMPTED: NOT_ATTEMPTED,
    EditState.PENDING: OPEN,
    EditState.SENDING: OPEN,
    EditState.ACCEPTED: OPEN,
}


def file_of(state: EditState, code: str) -> str:
    """Return the one file that an edit of this state belongs into.

    An edit whose campaign asked for no proof has got what was asked: it succeeded.
    """
    return SUCCEEDED if code == Code.NO_PROOF_ASKED else _FILE_OF[state]


#: Columns of an input that say which event is meant, and nothing of what shall become of it.
_NAMING: Final = frozenset({"account", "calendar_id", "event_uid", "date_hint", "ref"})


def asks_something(columns: Collection[str]) -> bool:
    """Tell whether rows of these columns ask for a change, so that they can be submitted again.

    Those of a campaign file do not: it is the file that asks, once for all of them.
    """
    return any(name not in _NAMING and not name.startswith("x_") for name in columns)
