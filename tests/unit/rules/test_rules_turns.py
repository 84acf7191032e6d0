"""Who is next: people, then campaigns and accounts in turn, and each account's own in order."""

from __future__ import annotations

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from worker.rules import PLAIN_TURN, FairLine, Place, Turn
from worker.rules.turns import MOST_ABSENT


def a_turn(campaign: str = "", account: str = "", *, urgent: bool = False) -> Turn:
    """Return a turn that names only what matters."""
    return Turn(urgent=urgent, campaign=campaign, account=account)


def taken(line: FairLine[str]) -> list[str]:
    """Serve everybody and return them in their order."""
    order = []
    while (place := line.first()) is not None:
        line.serve(place)
        order.append(place.item)
    return order


def a_line(*wishes: tuple[str, Turn] | tuple[str, Turn, int]) -> FairLine[str]:
    """Return a line with these in it; the third is the weight."""
    line: FairLine[str] = FairLine()
    for item, turn, *weight in wishes:
        line.add(item, turn=turn, weight=weight[0] if weight else 1)
    return line


class TestOrder:
    """What the order is."""

    def test_those_of_nobody_in_particular_are_served_as_they_came(self) -> None:
        """This is what it was before there were turns."""
        assert taken(a_line(*((name, PLAIN_TURN) for name in "abcde"))) == list("abcde")

    def test_people_go_first(self) -> None:
        """Somebody sits in front of an interactive campaign and waits."""
        night, day = a_turn("night"), a_turn("day", urgent=True)
        line = a_line(("n1", night), ("n2", night), ("d1", day), ("d2", day))
        assert taken(line) == ["d1", "d2", "n1", "n2"]

    def test_campaigns_take_turns(self) -> None:
        """A small campaign behind a large one needs not wait for its end."""
        large = [(f"l{n}", a_turn("large")) for n in range(4)]
        small = [(f"s{n}", a_turn("small")) for n in range(2)]
        assert taken(a_line(*large, *small)) == ["l0", "s0", "l1", "s1", "l2", "l3"]

    def test_accounts_of_a_campaign_take_turns(self) -> None:
        """One account with many edits must not be all that moves."""
        line = a_line(("a1", a_turn("c", "a")), ("a2", a_turn("c", "a")), ("b1", a_turn("c", "b")))
        assert taken(line) == ["a1", "b1", "a2"]

    def test_turns_are_counted_by_weight(self) -> None:
        """A batch that costs 50 lets another campaign's reads have 50 before the next batch."""
        batches = [(f"batch{n}", a_turn("a"), 50) for n in range(2)]
        reads = [(f"read{n}", a_turn("b")) for n in range(60)]
        order = taken(a_line(*batches, *reads))
        assert order.index("batch1") - order.index("batch0") - 1 == 50

    def test_a_turn_that_was_for_nothing_does_not_count(self) -> None:
        """A grant that came too late is exchanged, and the exchange counts nothing."""
        line = a_line(("a1", a_turn("a"), 9), ("a2", a_turn("a")), ("b1", a_turn("b")))
        first = line.first()
        assert first is not None
        line.serve(first)
        line.add("a1 again", turn=a_turn("a"), weight=9, again=True)
        assert taken(line) == ["b1", "a1 again", "a2"]

    def test_those_who_come_again_keep_their_order(self) -> None:
        """A pause takes the slots of many at once."""
        line = a_line(("c", PLAIN_TURN))
        for name in "ab":
            line.add(name, turn=PLAIN_TURN, again=True)
        assert taken(line) == ["a", "b", "c"]


class TestLeaving:
    """Who leaves, and what stays."""

    def test_who_is_dropped_is_never_first(self) -> None:
        """A cancelled waiter would block all others."""
        line: FairLine[str] = FairLine()
        places = [line.add(name, turn=a_turn(name)) for name in "abc"]
        line.drop(places[0])
        line.drop(places[0])
        assert (len(line), taken(line), len(line)) == (2, ["b", "c"], 0)

    def test_to_serve_who_has_left_counts_nothing(self) -> None:
        """A deadline may run out while the log is asked."""
        line = a_line(("b1", a_turn("b")), ("a2", a_turn("a")))
        gone = line.add("a1", turn=a_turn("a"), weight=50)
        line.drop(gone)
        line.serve(gone)
        assert taken(line) == ["b1", "a2"]

    def test_a_debt_outlives_a_short_absence(self) -> None:
        """A campaign with one chunk under way leaves the line with every grant that it gets."""
        line = a_line(("heavy", a_turn("a"), 50), *((f"r{n}", a_turn("b")) for n in range(9)))
        first = line.first()
        assert first is not None
        line.serve(first)
        line.add("heavy again", turn=a_turn("a"), weight=50)
        assert taken(line)[-1] == "heavy again"

    def test_what_is_owed_to_who_is_away_is_known_until_it_is_forgotten(self) -> None:
        """A batch that has had its turn may let the others come back for theirs."""
        line: FairLine[str] = FairLine()
        batch, read = a_turn("a"), a_turn("b")
        line.serve(line.add("batch", turn=batch, weight=50))
        line.serve(line.add("read", turn=read))
        again = line.add("batch", turn=batch, weight=50)
        assert line.owes(again)
        assert not line.owes(line.add("read", turn=read))
        assert not line.owes(again)

    def test_nobody_saves_up_turns(self) -> None:
        """Who comes after hours starts level with those who have waited."""
        line = a_line(*((f"a{n}", a_turn("a")) for n in range(9)))
        for _ in range(5):
            place = line.first()
            assert place is not None
            line.serve(place)
        for n in range(3):
            line.add(f"b{n}", turn=a_turn("b"))
        assert taken(line)[:4] in (["b0", "a5", "b1", "a6"], ["a5", "b0", "a6", "b1"])

    def test_nothing_is_kept_of_those_who_have_left(self) -> None:
        """A worker that runs for months sees millions of accounts."""
        line: FairLine[int] = FairLine()
        for n in range(5000):
            stays = line.add(n, turn=a_turn(f"c{n}", f"a{n}"), weight=50)
            gone = line.add(n, turn=a_turn(f"d{n}"))
            line.drop(gone)
            line.serve(stays)
        shares = line._campaigns[False]
        assert (len(line._places), len(line._accounts), len(shares._entries)) == (0, 0, 0)
        assert len(shares._absent) <= MOST_ABSENT
        assert len(shares._heap) <= 16


# ---------------------------------------------------------------- any use of it

names = st.sampled_from("abc")
wishes = st.tuples(
    st.builds(Turn, urgent=st.just(False), campaign=names, account=names), st.integers(1, 9)
)
steps = st.lists(st.one_of(wishes, st.sampled_from(["serve", "drop"])), max_size=80)


@given(steps)
def test_the_order_within_an_account_is_kept(script: list[tuple[Turn, int] | str]) -> None:
    """Whatever comes and goes, and everybody who stays is served exactly once."""
    line: FairLine[int] = FairLine()
    waiting: dict[Turn, deque[Place[int]]] = {}
    for number, step in enumerate([*script, *["serve"] * len(script)]):
        if not isinstance(step, str):
            turn, weight = step
            place = line.add(number, turn=turn, weight=weight)
            waiting.setdefault(turn, deque()).append(place)
            continue
        first = line.first()
        assert (first is None) == (not any(waiting.values()))
        if first is not None:
            assert waiting[first.turn].popleft() is first
            line.serve(first) if step == "serve" else line.drop(first)
        assert len(line) == sum(map(len, waiting.values()))


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
    st.lists(st.integers(1, 50), min_size=1, max_size=6),
    st.integers(1, 200),
)
def test_two_that_always_wait_get_the_same_but_for_one_grant(
    ones: list[int], others: list[int], grants: int
) -> None:
    """The shares of two campaigns never differ by more than the heaviest grant."""
    weights = {"a": deque(ones), "b": deque(others)}
    line: FairLine[str] = FairLine()
    had: Counter[str] = Counter()

    def comes(name: str) -> None:
        line.add(name, turn=a_turn(name), weight=weights[name][0])
        weights[name].rotate(-1)

    for name in weights:
        comes(name)
        comes(name)
    for _ in range(grants):
        place = line.first()
        assert place is not None
        line.serve(place)
        had[place.item] += place.weight
        comes(place.item)
        assert abs(had["a"] - had["b"]) <= max(*ones, *others)


@given(st.integers(1, 12), st.integers(0, 50))
def test_nobody_starves(campaigns: int, waited: int) -> None:
    """However many always wait, a newcomer is served once each of them was, or sooner."""
    line: FairLine[str] = FairLine()
    for n in range(campaigns):
        line.add(f"c{n}", turn=a_turn(f"c{n}"))
    for step in range(waited + campaigns + 1):
        if step == waited:
            line.add("new", turn=a_turn("new"))
        place = line.first()
        assert place is not None
        line.serve(place)
        if place.item == "new":
            break
        line.add(place.item, turn=place.turn)
    else:
        raise AssertionError("it waited for more than one turn of each")


class TestAbsent:
    """Those who are away for a moment, with what they got."""

    def test_the_line_can_be_looked_through(self) -> None:
        """A limiter whose Redis is away has to tell everybody."""
        line = a_line(("a", a_turn("one")), ("b", a_turn("two")), ("c", PLAIN_TURN))
        assert sorted(place.item for place in line) == ["a", "b", "c"]

    def test_an_absent_campaign_that_has_had_less_is_owed_its_turn(self) -> None:
        """A heavy grant may wait a moment for those who come back for little ones."""
        line = a_line(("batch", a_turn("heavy"), 10), ("read", a_turn("light")))
        batch, read = (
            next(each for each in line if each.item == name) for name in ("batch", "read")
        )
        line.serve(batch)
        line.drop(read)
        again = line.add("batch", turn=a_turn("heavy"), weight=10)
        assert line.owes(again)
        line.forget_absent()
        assert not line.owes(again)

    def test_one_that_comes_again_has_back_what_it_had_for_nothing(self) -> None:
        """It was served and could not use it: it owes nothing, and is level with who waits."""
        line = a_line(("a", a_turn("one"), 5), ("b", a_turn("two")), ("c", a_turn("two")))
        first = line.first()
        assert first is not None
        assert first.item == "a"
        line.serve(first)
        line.add("a", turn=a_turn("one"), weight=5, again=True)
        assert taken(line) == ["b", "a", "c"]
