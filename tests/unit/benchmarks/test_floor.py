"""The floor by formula, and what the limit grants: both are what claims are measured against."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.floor import (
    accounts_for,
    changed_by_account,
    floor,
    granted_by,
    is_done,
    spent_after,
)
from tests.benchmarks.scenarios import BY_NAME, DENSE, RATE, Scenario


@pytest.mark.parametrize(
    ("name", "verified", "unverified"),
    [
        # two pages and ten batches an account; its sweep has two pages again
        ("dense", 20 * 14, 20 * 12),
        ("hintless", 20 * 14, 20 * 12),
        ("medium", 200 * 3, 200 * 2),
        ("sparse", 2000 * 3, 2000 * 2),
        # all is read, half of it written and proven
        ("half", 20 * (2 + 5 + 1), 20 * (2 + 5)),
        ("each", 20 * (2 + 500 + 2), 20 * (2 + 500)),
    ],
)
def test_the_floor_of_each_scenario(name: str, verified: int, unverified: int) -> None:
    """Counted by hand, once."""
    assert floor(BY_NAME[name], verifies=True) == verified
    assert floor(BY_NAME[name], verifies=False) == unverified


def test_half_done_is_every_other_event() -> None:
    """Spread evenly, so that no account is all done."""
    half = BY_NAME["half"]
    assert changed_by_account(half) == [250] * 20


@given(st.integers(1, 500), st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
def test_a_share_of_done_events_is_that_share(events: int, share: float) -> None:
    """Off by less than one event, however many there are."""
    done = sum(is_done(number, share) for number in range(events))
    assert abs(done - share * events) < 1


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (0.0, 50),
        (0.9, 50),
        (1.0, 100),
        (4.4, 250),
        (9.0, 500),
        (59.0, 500),
        (60.0, 550),
        (70, 1000),
    ],
)
def test_what_the_default_limit_grants(seconds: float, calls: int) -> None:
    """Fifty at once, fifty more each second, five hundred a minute: counted by hand."""
    assert granted_by(RATE, seconds) == calls


def test_no_limit_grants_everything() -> None:
    """A share of it is then nothing."""
    assert granted_by("", 1.0) == float("inf")


@given(st.floats(0, 600), st.floats(0, 600))
def test_what_is_granted_never_shrinks(one: float, other: float) -> None:
    """More time is never fewer calls."""
    early, late = sorted((one, other))
    assert granted_by(RATE, early) <= granted_by(RATE, late)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_steady_run_has_more_work_than_time(name: str) -> None:
    """Or its last window would measure idleness."""
    scenario = BY_NAME[name]
    much = scenario.with_accounts(accounts_for(scenario, seconds=120.0))
    assert floor(much, verifies=False) > granted_by(RATE, 120.0)


def test_another_number_of_accounts_is_not_hidden() -> None:
    """However often it is changed, the name's own number stays."""
    scaled = DENSE.with_accounts(4).with_accounts(8)
    assert (scaled.accounts, scaled.named_accounts, scaled.edits) == (8, 20, 4000)
    assert Scenario(name="x", accounts=2, events=3).named_accounts == 0


@pytest.mark.parametrize(
    ("rate", "seconds"), [(RATE, 9.0), ("50/s,100/12s", 1.0), ("50/s", 0.0), ("60/min", 0.0)]
)
def test_when_the_longest_window_can_be_spent(rate: str, seconds: float) -> None:
    """From then on only waiting helps, and the start is over."""
    assert spent_after(rate) == seconds
