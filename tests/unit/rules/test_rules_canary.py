"""The edits that go first: of every kind, and the same ones each time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import zip_longest

import pytest
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


def test_of_each_kind_every_place_is_there_before_any_is_there_twice() -> None:
    """Zones come first, and within one the accounts."""
    rows = [
        Stratum(10 * kind + place + 100 * copy, f"zone {kind}", f"account {place}")
        for kind in range(3)
        for place in range(4)
        for copy in range(5)
    ]
    by_line = {row.line_no: row for row in rows}
    picked = [by_line[line] for line in pick_canary(rows, 12, seed="c_1")]
    assert len({(row.kind, row.place) for row in picked}) == 12
    assert {row.kind for row in pick(rows, 3)} == {"zone 0", "zone 1", "zone 2"}


def pick(rows: list[Stratum], count: int) -> list[Stratum]:
    """Return what is picked, not its lines."""
    by_line = {row.line_no: row for row in rows}
    return [by_line[line] for line in pick_canary(rows, count, seed="c_1")]


@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=120),
    count=st.integers(1, 4),
)
def test_what_was_forgotten_on_the_way_would_not_have_been_picked(
    rows: list[tuple[int, int]], count: int
) -> None:
    """Few are kept in mind of many kinds and places; the outcome is that of keeping all."""
    strata = [Stratum(line, str(kind), str(place)) for line, (kind, place) in enumerate(rows)]
    everything = pick_canary(strata, len(strata) + 1, seed="s")
    assert everything == [row.line_no for row in strata]
    assert pick_canary(strata, count, seed="s") == all_kept(strata, count, seed="s")


@pytest.mark.parametrize("count", [1, 2, 5])
def test_many_kinds_and_places_cost_no_memory_and_change_nothing(count: int) -> None:
    """Each is in sight once: most are forgotten as soon as better ones are known."""
    by_place = [Stratum(line, "one", str(line)) for line in range(40)]
    by_kind = [Stratum(line, str(line)) for line in range(40)]
    for strata in (by_place, by_kind):
        assert pick_canary(strata, count, seed="s") == all_kept(strata, count, seed="s")


def all_kept(rows: list[Stratum], count: int, *, seed: str) -> list[int]:
    """Do the same the plain way: sort everything, then take turns."""

    def drawn(row: Stratum) -> bytes:
        return sha256(f"{seed} {row.line_no}".encode()).digest()

    kinds: dict[str, dict[str, list[int]]] = {}
    for row in sorted(rows, key=drawn):
        kinds.setdefault(row.kind, {}).setdefault(row.place, []).append(row.line_no)
    spread = [list(in_turn(places.values())) for places in kinds.values()]
    return sorted(list(in_turn(spread))[:count])


def in_turn(several: Iterable[Iterable[int]]) -> Iterator[int]:
    """Give the first of each, then the second of each."""
    return (line for turn in zip_longest(*several) for line in turn if line is not None)
