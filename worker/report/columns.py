"""Which outcome goes into which file."""

from __future__ import annotations

from typing import Final

from worker.model import Code, EditState
from worker.sheets import RESULT_COLUMNS

__all__ = ["FILES", "OPEN", "RESULT_COLUMNS", "SUCCEEDED", "file_of"]

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
