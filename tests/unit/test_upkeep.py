"""Topping up the window: soon after each chunk, and not for each of a hundred."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from tasks.upkeep import Spaced


def test_the_first_wish_is_done_at_once() -> None:
    """A chunk that ends alone has the next one announced before its thread is free."""
    done: list[int] = []
    spaced = Spaced(lambda: done.append(1), every_s=60.0)
    spaced.wish()
    assert done == [1]


def test_wishes_that_come_together_are_one() -> None:
    """One round announces what all of them have made room for."""
    done: list[int] = []
    spaced = Spaced(lambda: done.append(1), every_s=0.2)
    spaced.wish()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: spaced.wish(), range(8)))
    assert len(done) == 2


def test_what_ends_during_a_round_asks_for_another() -> None:
    """It may be what that round did not see; forgotten, its room would stay empty for a second."""
    done: list[int] = []
    begun, goes_on = threading.Event(), threading.Event()

    def look() -> None:
        done.append(1)
        begun.set()
        goes_on.wait(10)

    spaced = Spaced(look, every_s=0.0)
    with ThreadPoolExecutor(2) as threads:
        threads.submit(spaced.wish)
        assert begun.wait(10)
        late = threads.submit(spaced.wish)
        goes_on.set()
        late.result(10)
    assert len(done) == 2
