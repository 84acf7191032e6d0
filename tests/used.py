"""What was used of a limit, as those saw it who used it."""

from __future__ import annotations

from typing import NamedTuple


class Used(NamedTuple):
    """A grant as its user saw it."""

    at: float
    weight: int


def fullest(used: list[Used], seconds: float) -> int:
    """Returns the most weight in any window of this length, the far end not included."""
    most, inside, first = 0, 0, 0
    for grant in used:
        inside += grant.weight
        while used[first].at <= grant.at - seconds:
            inside -= used[first].weight
            first += 1
        most = max(most, inside)
    return most
