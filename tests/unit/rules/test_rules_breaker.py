"""The circuit breaker's rule: when calls stop, when one may ask, and what opens and closes it."""

from __future__ import annotations

import pytest

from worker.rules.breaker import (
    CALM_S,
    FAILURES_IN_A_ROW,
    FIRST_PAUSE_S,
    LEAST_WAIT_S,
    LONGEST_PAUSE_S,
    SPREAD_S,
    Circuit,
    Closed,
    HalfOpen,
    Open,
    Pass,
    Probe,
    Shut,
    Watch,
    abandon_probe,
    answered,
    begin_probe,
    comeback_s,
    failed,
    gate,
    is_calm,
    pause_s,
    place,
    probe_answered,
    probe_failed,
    sign_of,
)

OPEN = Open(since=10.0, probe_at=12.0, probes=1)


def after_failures(count: int, circuit: Circuit | None = None) -> Circuit:
    """Return a circuit after so many failures in a row, a second apart."""
    found = circuit or Closed()
    for second in range(count):
        found = failed(found, left_at=float(second), now=second + 0.5)
    return found


@pytest.mark.parametrize(
    ("status", "sign"),
    [
        *[(status, "unread") for status in (200, 202, 204, 207)],
        *[(status, "alive") for status in (400, 401, 402, 403, 404, 422, 423, 429)],
        *[(status, "failure") for status in (0, 100, 301, 302, 408, 425, 499, 500, 503, 599)],
    ],
)
def test_a_status_tells_whether_anybody_is_there(status: int, sign: str) -> None:
    """Refusals come from a living API; redirects, 5xx and proxies that gave up do not."""
    assert sign_of(status) == sign


def test_too_many_failures_in_a_row_open_it() -> None:
    """The last of them, and no earlier one."""
    assert after_failures(FAILURES_IN_A_ROW - 1) == Closed(failures=FAILURES_IN_A_ROW - 1)
    opened = after_failures(FAILURES_IN_A_ROW)
    assert isinstance(opened, Open)
    assert gate(opened, now=opened.since) == Probe()


def test_one_answer_in_between_keeps_it_closed() -> None:
    """A data center that answers others is no data center that is out."""
    nearly = after_failures(FAILURES_IN_A_ROW - 1)
    assert answered(nearly, left_at=1.0) == Closed(alive_at=1.0)


def test_a_call_from_before_the_last_answer_tells_nothing() -> None:
    """Those that hung when an outage began give up long after it has ended."""
    alive = Closed(alive_at=100.0)
    late = alive
    for _ in range(2 * FAILURES_IN_A_ROW):
        late = failed(late, left_at=70.0, now=101.0)
    assert late == alive


def test_an_older_answer_does_not_make_the_last_one_older() -> None:
    """Answers come in any order."""
    assert answered(Closed(alive_at=5.0), left_at=3.0) == Closed(alive_at=5.0)


@pytest.mark.parametrize("circuit", [OPEN, HalfOpen(since=10.0, probes=1)])
def test_what_left_before_changes_nothing_of_an_open_one(circuit: Circuit) -> None:
    """Neither good nor bad news: the probe decides."""
    assert answered(circuit, left_at=9.0) == circuit
    assert failed(circuit, left_at=9.0, now=11.0) == circuit


@pytest.mark.parametrize(
    ("circuit", "now", "expected"),
    [
        (Closed(), 0.0, Pass()),
        (OPEN, 11.5, Shut(wait_s=0.5)),
        (OPEN, 12.0, Probe()),
        (HalfOpen(since=10.0), 11.0, Watch()),
        (HalfOpen(since=10.0, probes=1), 11.0, Shut(wait_s=FIRST_PAUSE_S)),
    ],
)
def test_the_gate_lets_pass_probe_wait_or_go_away(
    circuit: Circuit, now: float, expected: object
) -> None:
    """Only the first probe is waited for: later ones may take long, and others need the thread."""
    assert gate(circuit, now=now) == expected


def test_a_probe_that_is_answered_closes_it() -> None:
    """Whatever its answer was, from a living API."""
    asked = begin_probe(OPEN)
    assert asked == HalfOpen(since=10.0, probes=1)
    assert probe_answered(asked, left_at=12.0) == Closed(alive_at=12.0)


def test_a_probe_that_fails_keeps_it_open_for_longer() -> None:
    """And it is still the same outage."""
    again = probe_failed(begin_probe(OPEN), left_at=12.0, now=13.0, roll=0.0)
    assert again == Open(since=10.0, probe_at=13.0 + 2 * FIRST_PAUSE_S, probes=2)


def test_a_closed_one_is_only_asked_a_question() -> None:
    """One account's bad read must not hold up the others until it is known whose fault it was."""
    closed = Closed(failures=2, alive_at=4.0)
    assert begin_probe(closed) == closed
    assert probe_answered(closed, left_at=3.0) == Closed(alive_at=4.0)


def test_a_call_and_then_a_probe_that_fail_open_it_at_once() -> None:
    """Two witnesses, of which one is nobody's edit."""
    opened = probe_failed(Closed(failures=1), left_at=5.0, now=6.0, roll=0.0)
    assert opened == Open(since=6.0, probe_at=6.0 + FIRST_PAUSE_S, probes=1)


def test_a_failed_probe_is_outvoted_by_a_later_call_that_was_answered() -> None:
    """The data center lives; it was the probe that had bad luck."""
    alive = Closed(alive_at=5.5)
    assert probe_failed(alive, left_at=5.0, now=6.0, roll=0.0) == alive


def test_a_probe_that_did_not_leave_is_due_again() -> None:
    """Whoever wanted to make it was stopped, or got no slot."""
    assert abandon_probe(HalfOpen(since=10.0, probes=3), now=20.0) == Open(
        since=10.0, probe_at=20.0, probes=3
    )
    assert abandon_probe(Closed(failures=1), now=20.0) == Closed(failures=1)


def test_pauses_double_up_to_a_bound_that_lets_work_go_on_in_time() -> None:
    """Within 30 s of the end of a fault (fault matrix, I5): a probe's own ten included."""
    pauses = [pause_s(probes, roll=0.0) for probes in (0, 1, 2, 3, 4, 1_000_000)]
    assert pauses == [2.0, 2.0, 4.0, 8.0, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert pause_s(4, roll=1.0) == LONGEST_PAUSE_S / 2
    assert LONGEST_PAUSE_S + 10.0 + SPREAD_S <= 30.0


def test_those_that_were_refused_come_back_spread_out() -> None:
    """A thousand chunks at the same moment would be the next outage."""
    assert comeback_s(8.0, roll=0.5) == 8.0 + SPREAD_S / 2
    assert comeback_s(0.0, roll=0.0) == LEAST_WAIT_S


def test_calm_is_when_an_outage_has_been_over_for_a_while() -> None:
    """For a minute, or for as long as a write may take to show where that is less."""
    assert is_calm(float("inf"), within_s=900.0)
    assert is_calm(CALM_S, within_s=900.0)
    assert not is_calm(CALM_S - 1, within_s=900.0)
    assert is_calm(2.0, within_s=2.0)


def test_people_are_told_of_a_data_center_by_its_name() -> None:
    """Or by the setting that took its place; never by an address."""
    assert place("us") == "data center us"
    assert place("custom") == "CALPATCH_API_URL"
