"""The least that a scenario costs, by formula: calls, and what the limit grants of them."""

from __future__ import annotations

from collections import Counter
from math import ceil

from tests.benchmarks.scenarios import Scenario
from worker.rules.forecast import Load, calls_needed
from worker.simulator import read_rate

PAGE_SIZE = 300
BATCH_SIZE = 50


def changed_by_account(scenario: Scenario) -> list[int]:
    """Return how many edits of each account are to be written."""
    changed: Counter[int] = Counter()
    for number in range(scenario.edits):
        changed[number // scenario.events] += not is_done(number, scenario.done_share)
    return [changed[account] for account in range(scenario.accounts)]


def is_done(number: int, share: float) -> bool:
    """Tell whether an event already is what is asked: spread evenly, 0.5 is every other one."""
    return int((number + 1) * share) > int(number * share)


def floor(scenario: Scenario, *, verifies: bool) -> int:
    """Return the fewest requests, weighed as the limit counts them, with calendars known.

    Every account is read once, whole pages; what changes goes out in full batches; one sweep an
    account reads back what changed.
    """
    loads = Counter(
        Load(edits=changed, events=scenario.events, windows=1)
        for changed in changed_by_account(scenario)
    )
    needed = calls_needed(
        loads.items(),
        batch_size=BATCH_SIZE,
        batch_counts_as=scenario.batch_counts_as,
        page_size=PAGE_SIZE,
        lists_calendars=False,
        verifies=verifies,
    )
    return needed.total


def granted_by(rate: str, seconds: float) -> float:
    """Return what the limit lets through within a time, from unspent windows and asked at once."""
    windows = sorted(read_rate(rate), key=lambda window: window[1])
    return _granted(windows, seconds)


def _granted(windows: list[tuple[int, float]], seconds: float) -> float:
    if not windows:
        return float("inf")
    *smaller, (count, span) = windows
    whole, rest = divmod(seconds, span)
    return whole * count + min(float(count), _granted(smaller, rest))


def longest_window(rate: str) -> tuple[int, float]:
    """Return the limit's longest window: requests and seconds."""
    return max(read_rate(rate), key=lambda window: window[1])


def spent_after(rate: str) -> float:
    """Return the seconds after which the longest window can be spent: 9 at 50/s and 500/min."""
    windows = read_rate(rate)
    step = min(span for _, span in windows)
    count, span = longest_window(rate)
    steps = (number for number in range(int(span / step) + 1))
    return next((one * step for one in steps if granted_by(rate, one * step) >= count), span)


def accounts_for(scenario: Scenario, *, seconds: float) -> int:
    """Return how many accounts keep whoever needs fewest calls busy for a time, and more."""
    per_account = floor(scenario.with_accounts(2), verifies=False) / 2
    count, span = longest_window(scenario.rate)
    return ceil(1.1 * count * (seconds / span + 1) / per_account)
