"""How fast to go when the API allows less than its settings say: somebody else calls it too.

A law of one factor that all windows are multiplied by: a refusal cuts it, then it returns quickly
to just below the level that was refused, stays, and grows ever faster, to 1 if nothing refuses.
Refused again at about the same level, it stays twice as long. `pace.lua` says the same in Lua.
"""

from __future__ import annotations

from typing import NamedTuple

#: no refusals, however many, slow down further than to this part of the rate
LEAST = 0.05
#: what a refusal leaves of the level that it met
CUT = 0.8
#: what is returned to, as a part of the level refused
NEAR = 0.97
#: seconds from the cut to there
RETURN_S = 6.0
#: seconds to stay there before more is tried, and the most of them
STAY_S, LONGEST_STAY_S = 10.0, 120.0
#: seconds in which it would grow from nothing to 1: 22 s for 5 % more, 71 s for 50 % more
GROW_S = 100.0
#: a level is about the same down to this part of it
ABOUT = 0.9


class Pace(NamedTuple):
    """What the last refusal left; `since_s` is when its pause ended."""

    level: float
    low: float
    since_s: float
    stay_s: float

    def factor(self, now_s: float) -> float:
        """Return the factor in [0.05, 1]."""
        passed_s = now_s - self.since_s
        near = NEAR * self.level
        if passed_s < RETURN_S:
            found = self.low + (near - self.low) * max(0.0, passed_s) / RETURN_S
        else:
            grown = max(0.0, passed_s - RETURN_S - self.stay_s) / GROW_S
            found = near + grown * grown
        return min(1.0, max(LEAST, found))


def factor_of(pace: Pace | None, now_s: float) -> float:
    """Return the factor; 1 when nothing has been refused lately."""
    return 1.0 if pace is None else pace.factor(now_s)


def refused(pace: Pace | None, *, now_s: float, age_s: float, pause_s: float) -> Pace:
    """Return what a refusal leaves, of a call that began `age_s` ago, with its pause.

    A call from before the last cut says nothing about what came of the cut.
    """
    until_s = now_s + pause_s
    if pace is not None and now_s - age_s < pace.since_s:
        return pace._replace(since_s=max(pace.since_s, until_s))
    level = factor_of(pace, now_s)
    is_known = pace is not None and level < 1 and level >= ABOUT * pace.level
    stay_s = min(2 * pace.stay_s, LONGEST_STAY_S) if pace is not None and is_known else STAY_S
    return Pace(level, max(LEAST, CUT * level), until_s, stay_s)
