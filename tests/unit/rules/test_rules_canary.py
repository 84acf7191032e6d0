"""The edits that go first: of every kind, and the same ones each time."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from worker.rules import Stratum, pick_canary

rows = st.lists(st.sampled_from("abcdef"), max_size=40).map(
    lambda kinds: [Stratum(line, kind) for line, kind in enumerate(kinds, start=2)]
)


def test_every_kind_is_there_before_any_is_there_twice() -> None:
    """One account with a thousand edits must not be the whole canary."""
    many = [Stratum(line, "big") for line in range(1_000)]
    few = [Stratum(1_000, "small"), Stratum(1_001, "tiny"), Stratum(1_002, "tiny")]
    picked = pick_canary([*many, *few], 5, seed="c_1")
    kinds = Counter({row.line_no: row.kind for row in [*many, *few]}[line] for line in picked)
    assert kinds == {"big": 2, "small": 1, "tiny": 2}


def test_another_campaign_picks_others() -> None:
    """Or the same people would always go first."""
    many = [Stratum(line, "") for line in range(1_000)]
    assert pick_canary(many, 20, seed="c_1") != pick_canary(many, 20, seed="c_2")


@given(rows=rows, count=st.integers(0, 50), seed=st.text(max_size=5), data=st.data())
def test_a_canary_is_a_fair_part_whatever_the_order(
    rows: list[Stratum], count: int, seed: str, data: st.DataObject
) -> None:
    """As many as asked, each once, and of no kind two more than of one that has more to give."""
    picked = pick_canary(rows, count, seed=seed)
    assert picked == sorted({*picked})
    assert len(picked) == min(count, len(rows))
    assert pick_canary(data.draw(st.permutations(rows)), count, seed=seed) == picked
    taken = Counter(row.kind for row in rows if row.line_no in {*picked})
    left = Counter(row.kind for row in rows if row.line_no not in {*picked})
    assert all(taken[kind] >= max(taken.values(), default=0) - 1 for kind in left)


@given(rows=rows, count=st.integers(1, 20), seed=st.text(max_size=5))
def test_a_larger_canary_has_the_smaller_one_in_it(
    rows: list[Stratum], count: int, seed: str
) -> None:
    """Whoever asks for more sees nothing disappear."""
    smaller = pick_canary(rows, count, seed=seed)
    assert {*smaller} <= {*pick_canary(rows, count + 1, seed=seed)}
