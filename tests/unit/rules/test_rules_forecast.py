"""The forecast of calls, by examples that can be worked out on paper, and what always holds."""

from __future__ import annotations

from typing import Literal, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rules import Calls, Load, calls_needed, loads_of

CountsAs: TypeAlias = Literal["each", "one"]
DENSE = [(Load(500, 500), 20)]
MEDIUM = [(Load(50, 50), 200)]
SPARSE = [(Load(1, 1), 2_000)]

loads = st.builds(Load, st.integers(1, 5_000), st.integers(0, 5_000), st.integers(0, 9))


def needed(
    some: list[tuple[Load, int]],
    counts_as: CountsAs = "one",
    *,
    lists_calendars: bool = True,
    verifies: bool = True,
) -> Calls:
    """Return the calls at the usual sizes."""
    return calls_needed(
        some,
        batch_size=50,
        batch_counts_as=counts_as,
        lists_calendars=lists_calendars,
        verifies=verifies,
    )


@pytest.mark.parametrize(
    ("some", "counts_as", "calls"),
    [
        (DENSE, "one", Calls(calendars=20, reads=40, writes=200, proofs=40)),
        (DENSE, "each", Calls(calendars=20, reads=40, writes=10_000, proofs=40)),
        (MEDIUM, "one", Calls(calendars=200, reads=200, writes=200, proofs=200)),
        (MEDIUM, "each", Calls(calendars=200, reads=200, writes=10_000, proofs=200)),
        (SPARSE, "one", Calls(calendars=2_000, reads=2_000, writes=2_000, proofs=2_000)),
        (SPARSE, "each", Calls(calendars=2_000, reads=2_000, writes=2_000, proofs=2_000)),
    ],
)
def test_the_scenarios_of_the_benchmark(
    some: list[tuple[Load, int]], counts_as: CountsAs, calls: Calls
) -> None:
    """500 edits of an account are two pages to read, ten batches, and two pages of proof."""
    assert needed(some, counts_as) == calls


def test_the_total_is_what_the_limit_counts() -> None:
    """All calls have the same price there."""
    assert needed(DENSE).total == 300
    assert needed(DENSE, lists_calendars=False, verifies=False).total == 240


def test_both_together_cost_what_each_costs() -> None:
    """What waits, runs and is read back is forecast apart."""
    assert needed(DENSE).plus(needed(SPARSE)) == needed(DENSE + SPARSE)
    assert needed([]).plus(Calls()) == Calls()


@pytest.mark.parametrize(
    ("events", "windows", "reads"),
    [(0, 1, 1), (300, 1, 1), (301, 1, 2), (301, 2, 2), (5, 3, 3), (2_000, 2, 8), (100, 0, 0)],
)
def test_a_window_is_at_least_a_page(events: int, windows: int, reads: int) -> None:
    """An empty window has to be read to be known; without windows nothing is read."""
    assert needed([(Load(1, events, windows), 1)]).reads == reads


def test_an_account_without_edits_costs_nothing() -> None:
    """All of its edits may have been skipped at once."""
    assert needed([(Load(0, 500), 7)]) == Calls()


def test_chunks_read_for_themselves() -> None:
    """An account of 2,300 edits is cut into three chunks, each with a window of its own."""
    assert loads_of([500, 2_300, 500], chunk_size=1_000) == {
        Load(500, 500): 2,
        Load(2_300, 2_300, 3): 1,
    }


@given(load=loads, counts_as=st.sampled_from(["each", "one"]))
def test_nothing_is_cheaper_than_its_batches_and_one_more(load: Load, counts_as: CountsAs) -> None:
    """Whatever is written was read or proven at least once, or listed."""
    assert needed([(load, 1)], counts_as).total >= -(-load.edits // 50) + 1


@given(load=loads, edits=st.integers(0, 99), events=st.integers(0, 999), count=st.integers(1, 9))
def test_more_work_is_never_cheaper(load: Load, edits: int, events: int, count: int) -> None:
    """A forecast that falls while the file grows would be believed by nobody."""
    more = Load(load.edits + edits, load.events + events, load.windows)
    for counts_as in ("each", "one"):
        few, many = needed([(load, 1)], counts_as), needed([(more, count)], counts_as)  # type: ignore[arg-type]
        assert many.total >= few.total
        assert many.reads >= few.reads
        assert many.writes >= few.writes


@given(load=loads)
def test_a_batch_never_costs_more_than_its_edits(load: Load) -> None:
    """Whichever way the limit counts."""
    assert needed([(load, 1)], "one").total <= needed([(load, 1)], "each").total
