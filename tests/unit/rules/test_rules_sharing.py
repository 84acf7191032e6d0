"""Sharing the window out: lanes, then turns by what is out, and a reserve for newcomers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.rules import FIRST_WEIGHT, Candidate, Offer, Pick, share_out, weight_of
from worker.rules.sharing import room


def an_offer(
    campaign: str, count: int = 100, *, lane: str = "bulk", weight: int = 1
) -> tuple[Offer, list[Candidate]]:
    """Return a campaign's offer, and the list of what it was asked for."""
    asked: list[Candidate] = []

    def candidates() -> Iterator[Candidate]:
        for number in range(1, count + 1):
            asked.append(Candidate(f"{campaign}.{number}", "acc", weight))
            yield asked[-1]

    return Offer(campaign=campaign, lane=lane, candidates=candidates()), asked


def ids(picks: list[Pick]) -> list[str]:
    """Return the chunks."""
    return [pick.candidate.chunk_id for pick in picks]


@pytest.mark.parametrize(
    ("size", "weight"), [(1, 1), (50, 1), (51, 2), (150, 3), (151, 4), (200, 4), (5_000, 4)]
)
def test_a_chunk_weighs_its_batches_up_to_four(size: int, weight: int) -> None:
    """No run has more of them under way at a time."""
    assert weight_of(size) == weight


def test_the_campaign_with_least_out_is_next() -> None:
    """And of two with as much, the one that was submitted first."""
    picks = share_out([an_offer("old")[0], an_offer("new")[0]], out={"old": 2}, window=8)
    assert ids(picks) == ["new.1", "new.2", "old.1", "new.3", "old.2", "new.4"]


def test_people_come_before_the_night() -> None:
    """Bulk gets what the interactive lane does not ask for."""
    offers = [an_offer("bulk")[0], an_offer("now", 3, lane="interactive")[0]]
    assert ids(share_out(offers, out={}, window=5)) == [
        "now.1",
        "now.2",
        "now.3",
        "bulk.1",
        "bulk.2",
    ]


def test_a_campaign_alone_leaves_the_reserve() -> None:
    """Otherwise who comes next would wait until one of its chunks has ended."""
    picks = share_out([an_offer("night")[0]], out={}, window=64)
    assert len(picks) == 48
    assert [pick.is_first for pick in picks] == [True] * FIRST_WEIGHT + [False] * 40
    newcomer, _ = an_offer("new")
    assert len(share_out([newcomer], out={"night": 48}, window=64)) == FIRST_WEIGHT


def test_a_heavy_chunk_fits_into_a_small_window() -> None:
    """A window of one would otherwise announce nothing for ever."""
    offer, _ = an_offer("a", weight=4)
    assert ids(share_out([offer], out={}, window=1)) == ["a.1"]


def test_nobody_is_asked_for_more_than_is_taken() -> None:
    """What is asked for is a statement in SQL, and a chunk counted as out."""
    offer, asked = an_offer("a")
    idle, never = an_offer("b")
    assert len(share_out([offer, idle], out={"b": 50}, window=52)) == 2
    assert len(asked) == 2
    assert never == []


@given(
    counts=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(1, 4), st.booleans()),
        max_size=6,
    ),
    window=st.integers(1, 60),
)
def test_the_window_holds_and_nothing_is_left_out(
    counts: list[tuple[int, int, int, bool]], window: int
) -> None:
    """Never fuller than one heavy chunk too much; room is left only where nobody asks for it."""
    offers, out = [], {}
    for number, (count, before, weight, is_now) in enumerate(counts):
        lane = "interactive" if is_now else "bulk"
        offers.append(an_offer(f"c{number}", count, lane=lane, weight=weight)[0])
        out[f"c{number}"] = before
    picks = share_out(offers, out=out, window=window)
    after = Counter(out)
    for pick in picks:
        after[pick.candidate.chunk_id.split(".")[0]] += pick.candidate.weight
    if picks:
        assert after.total() <= window + 3
    for number, (count, _, _, _) in enumerate(counts):
        taken = sum(one.startswith(f"c{number}.") for one in ids(picks))
        is_first = after[f"c{number}"] < FIRST_WEIGHT
        assert taken == count or after.total() >= room(window, is_first=is_first)
