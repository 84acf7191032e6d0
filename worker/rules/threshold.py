"""When failures hold a campaign (features §3.3): so many percent, so many in all, or in a row.

What failed is the same everywhere: an edit that ended as failed, or whose event did not become what
was asked. An edit of an account that has been lost was never tried, and says nothing of the
campaign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from worker.model import FINAL, Code, EditState, Threshold

#: No limit at all.
NO_THRESHOLD: Final = Threshold(percent=None, same_code_in_a_row=None)

_S = EditState
_FAILED: Final = frozenset({_S.FAILED, _S.MISMATCH})
#: Final states of edits that were not tried. One in conflict was: its event had been changed.
_UNTRIED: Final = frozenset({_S.SKIPPED, _S.UNCHANGED, _S.NOT_ATTEMPTED})
_TRIED: Final = FINAL - _UNTRIED
#: Codes that are about an account, and end all its edits at once.
_OF_ACCOUNTS: Final = frozenset({Code.ACCOUNT_LOST, Code.ACCOUNT_LOCKED, Code.UNAUTHORIZED})

_WHOLE: Final = 100.0
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%")
_COUNT = re.compile(r"[0-9]{1,9}")


class InARow(Struct, frozen=True, kw_only=True):
    """So many failures with the same code, one after the other."""

    code: str = ""
    length: int = 0

    def again(self, code: str) -> InARow:
        """Note one more failure."""
        return InARow(code=code, length=self.length + 1 if code == self.code else 1)


class Streak(Struct, frozen=True, kw_only=True):
    """The failures that one process has seen last: of writes, and of events read back.

    Apart, since what is read back was written minutes ago: a write that is taken ends a row of
    writes that failed, an event that is as asked one of those that are not. What was not sent or
    could not be proven neither counts nor ends a row.
    """

    writes: InARow = InARow()
    proofs: InARow = InARow()

    def then(self, state: EditState, code: str) -> Streak:
        """Note an edit's new state and its code."""
        match state:
            case _ if code in _OF_ACCOUNTS:
                return self
            case EditState.FAILED:
                return replace(self, writes=self.writes.again(code))
            case EditState.ACCEPTED:
                return replace(self, writes=InARow())
            case EditState.MISMATCH:
                return replace(self, proofs=self.proofs.again(code))
            case EditState.VERIFIED:
                return replace(self, proofs=InARow())
            case _:
                return self


def tripped(threshold: Threshold, counts: Mapping[tuple[EditState, str], int]) -> str:
    """Return why a campaign is held, in a sentence without its full stop; "" when it is not.

    `counts` are those of its edits by state and code, since it began to write; an edit counts once
    however often it was tried.
    """
    tried = {key: count for key, count in counts.items() if _is_tried(*key)}
    failed = sum(count for (state, _), count in tried.items() if state in _FAILED)
    if threshold.count is not None and failed >= threshold.count:
        return f"{failed:,} edits failed, and {threshold.count:,} are enough to hold the campaign"
    attempted = sum(tried.values())
    if threshold.percent is None or attempted < threshold.min_attempted:
        return ""
    # By the decimal that was written: 0.7 as a float is not seven tenths.
    if 100 * failed <= Fraction(str(threshold.percent)) * attempted:
        return ""
    return f"{failed:,} of {attempted:,} edits failed, which is more than {threshold.percent:g}%"


def tripped_in_a_row(threshold: Threshold, streak: Streak) -> str:
    """Return why a campaign is held for what failed last, as `tripped` does."""
    longest = threshold.same_code_in_a_row
    for row in (streak.writes, streak.proofs):
        if longest is not None and row.length >= longest:
            return f"{row.length:,} edits in a row failed with {row.code}"
    return ""


def parse_threshold(text: str) -> Threshold:
    """Return what "5%", "25" or "none" means; ValueError says what to write instead.

    A number takes the share's place; ten with the same code in a row hold the campaign with both.
    """
    cleaned = text.strip().lower()
    if cleaned == "none":
        return NO_THRESHOLD
    share = _PERCENT.fullmatch(cleaned)
    if share and 0 < float(share[1]) <= _WHOLE:
        return Threshold(percent=float(share[1]))
    if _COUNT.fullmatch(cleaned) and int(cleaned):
        return Threshold(percent=None, count=int(cleaned))
    raise ValueError("no threshold of failures; write a share such as 5%, a number, or none")


def format_threshold(threshold: Threshold) -> str:
    """Return the text from which `parse_threshold` makes a threshold like it."""
    if threshold.count is not None:
        return str(threshold.count)
    return "none" if threshold.percent is None else f"{threshold.percent:g}%"


def _is_tried(state: EditState, code: str) -> bool:
    return state in _TRIED and code not in _OF_ACCOUNTS
