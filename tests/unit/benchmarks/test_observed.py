"""Figures from the provider's log: made-up logs with answers that can be counted by hand."""

from __future__ import annotations

import json

import pytest

from tests.benchmarks.observed import Observed, Request, observe, read_log

RATE = "2/s,4/10s"


def a_request(at: float, route: str = "batch", **more: int) -> Request:
    """A request at a second of the run that took a tenth."""
    status = more.pop("status", 207 if route == "batch" else 200)
    return Request(at=1000.0 + at, route=route, status=status, took_s=0.1, **more)


def observed(*log: Request, until_s: float = 60.0) -> Observed:
    """The log at the scaled limit."""
    return observe(log, rate=RATE, until_s=until_s)


def test_seconds_count_from_the_first_call_to_the_answers() -> None:
    """An edit is accepted when its answer is there, not when it is sent."""
    seen = observed(a_request(0, "events"), a_request(1, items=50), a_request(5, "events"))
    assert (seen.edits, seen.calls) == (50, 3)
    assert seen.written_s == pytest.approx(1.1)
    assert seen.ended_s == pytest.approx(5.1)


def test_a_refused_call_is_counted_and_brings_nothing() -> None:
    """A 429 weighs nothing and edits nothing."""
    seen = observed(a_request(0, items=50), a_request(0.5, status=429, items=50, weight=0))
    assert (seen.edits, seen.calls, seen.refused) == (50, 1, 1)


def test_single_edits_count_as_one_each() -> None:
    """What per-event peers send."""
    seen = observed(a_request(0, "events"), a_request(1, "edit", status=202))
    assert (seen.edits, seen.calls_by_route) == (1, {"edit": 1, "events": 1})


def test_the_busiest_windows_are_sliding() -> None:
    """Three within a second, though no calendar second holds them."""
    seen = observed(*(a_request(at, items=1) for at in (0.7, 1.2, 1.6)))
    assert seen.busiest == {"1s": 3, "10s": 3}


def test_each_of_the_first_seconds_is_shown() -> None:
    """A start that stalls shows as a gap."""
    seen = observed(*(a_request(at, items=1) for at in (0.0, 0.9, 2.5)))
    assert seen.by_second[:4] == [2, 0, 1, 0]


def test_the_share_at_the_start_is_of_what_could_have_been_sent() -> None:
    """Three calls by the first second, when four might have been."""
    log = [a_request(at, items=1) for at in (0.0, 0.1, 1.0)]
    assert observed(*log).share_at_start == pytest.approx(3 / 4)


def test_the_start_ends_when_the_longest_window_could_be_spent() -> None:
    """A job that waits for the next window is not blamed for the wait: four in a second is all."""
    log = [a_request(at, items=1) for at in (0.0, 0.1, 1.0, 1.0, 10.5)]
    assert observed(*log).share_at_start == pytest.approx(1.0)


def test_the_pace_is_of_whole_windows_after_the_first() -> None:
    """The first window's burst does not count, nor does what comes after the last whole one."""
    late = [a_request(at, items=10) for at in (10.1, 10.2, 11.2, 20.5, 21.0, 31.0)]
    seen = observed(a_request(0, items=10), *late, until_s=32.0)
    # two windows, 10 to 30: five calls of eight, fifty edits in a third of a minute
    assert seen.steady_edits_per_min == pytest.approx(150)
    assert seen.steady_calls_per_min == pytest.approx(15)
    assert seen.steady_share == pytest.approx(5 / 8)


def test_a_short_run_has_no_pace() -> None:
    """Within the first window the limit is not felt."""
    seen = observed(a_request(0, items=10), until_s=15.0)
    assert seen.steady_edits_per_min is None
    assert seen.steady_share is None


def test_what_arrives_after_the_cut_is_not_seen() -> None:
    """A run that is stopped late gains nothing by it."""
    assert observed(a_request(0, items=1), a_request(9, items=1), until_s=5.0).edits == 1


def test_an_unlimited_run_has_no_shares_worth_the_name() -> None:
    """Without limit there is no window to be steady over."""
    seen = observe([a_request(0, items=1)], rate="", until_s=60.0)
    assert (seen.busiest, seen.share_at_start, seen.steady_share) == ({}, 0.0, None)


def test_an_empty_log_is_a_run_without_calls() -> None:
    """A peer that never got going must not break the table."""
    seen = observed()
    assert (seen.edits, seen.calls, seen.written_s, seen.ended_s) == (0, 0, 0.0, 0.0)


def test_a_log_is_read_in_order_of_arrival() -> None:
    """The simulator notes a request when it is answered; unknown fields are not ours."""
    line = {"at": 2.0, "method": "GET", "route": "events", "path": "/v1/events", "status": 200}
    lines = [json.dumps(line).encode(), json.dumps(line | {"at": 1.0, "status": 429}).encode()]
    assert [one.status for one in read_log(lines)] == [429, 200]
