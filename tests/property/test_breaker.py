"""The breaker over any sequence of answers: what it promises to people, and to the API."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from worker.rules.breaker import (
    FAILURES_IN_A_ROW,
    LONGEST_PAUSE_S,
    Circuit,
    Closed,
    HalfOpen,
    Open,
    Pass,
    Probe,
    Shut,
    abandon_probe,
    answered,
    begin_probe,
    failed,
    gate,
    pause_s,
    probe_answered,
    probe_failed,
)

rolls = st.floats(0.0, 1.0, exclude_max=True)


class ADataCenter(RuleBasedStateMachine):
    """Calls leave as the gate allows, and come home in any order, good or bad."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.circuit: Circuit = Closed()
        self.calls: list[float] = []
        self.probe_left: float | None = None
        #: bad news in a row among calls that left after the last that was answered
        self.in_a_row = 0
        self.is_up = True

    @initialize(is_up=st.booleans())
    def begin(self, is_up: bool) -> None:
        self.is_up = is_up

    @rule(seconds=st.floats(0.001, 30.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(is_up=st.booleans())
    def turns(self, is_up: bool) -> None:
        self.is_up = is_up

    @precondition(lambda self: isinstance(gate(self.circuit, now=self.now), Pass))
    @rule()
    def a_call_leaves(self) -> None:
        self.calls.append(self.now)

    @precondition(lambda self: self.calls)
    @rule(pick=st.integers(0, 9))
    def a_call_comes_home(self, pick: int) -> None:
        left_at = self.calls.pop(pick % len(self.calls))
        was = self.circuit
        if self.is_up:
            self.circuit = answered(was, left_at=left_at)
            self.in_a_row = 0
        else:
            self.circuit = failed(was, left_at=left_at, now=self.now)
            self.in_a_row += 1
        if isinstance(was, Closed) and isinstance(self.circuit, Open):
            assert self.in_a_row >= FAILURES_IN_A_ROW
        if not isinstance(was, Closed):
            assert self.circuit == was, "only a probe changes an open circuit"

    @precondition(lambda self: self.probe_left is None)
    @precondition(lambda self: isinstance(gate(self.circuit, now=self.now), Pass | Probe))
    @rule()
    def a_probe_leaves(self) -> None:
        self.circuit = begin_probe(self.circuit)
        self.probe_left = self.now

    @precondition(lambda self: self.probe_left is not None)
    @rule(roll=rolls, is_stopped=st.booleans())
    def the_probe_comes_home(self, roll: float, is_stopped: bool) -> None:
        assert self.probe_left is not None
        left_at, self.probe_left = self.probe_left, None
        if is_stopped:
            self.circuit = abandon_probe(self.circuit, now=self.now)
        elif self.is_up:
            self.circuit = probe_answered(self.circuit, left_at=left_at)
            assert gate(self.circuit, now=self.now) == Pass()
            self.in_a_row = 0
        else:
            self.circuit = probe_failed(self.circuit, left_at=left_at, now=self.now, roll=roll)
            assert isinstance(self.circuit, Open) or self.circuit.alive_at >= left_at

    @invariant()
    def one_probe_at_a_time(self) -> None:
        if isinstance(self.circuit, HalfOpen):
            assert self.probe_left is not None
            assert not isinstance(gate(self.circuit, now=self.now), Probe | Pass)

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        """However long the outage: the next probe is never further away than the longest pause."""
        at = gate(self.circuit, now=self.now)
        if isinstance(at, Shut):
            assert 0 < at.wait_s <= LONGEST_PAUSE_S
        if isinstance(self.circuit, Open):
            assert self.circuit.since <= self.now


TestADataCenter = ADataCenter.TestCase


@given(failures=st.integers(0, 50), rolls=st.lists(rolls, max_size=30))
def test_a_data_center_that_is_back_is_found_by_the_next_probe(
    failures: int, rolls: list[float]
) -> None:
    """Whatever went before: one probe that is answered, and calls go."""
    circuit: Circuit = Closed()
    for number in range(failures):
        circuit = failed(circuit, left_at=number, now=number)
    now = float(failures)
    for roll in rolls:
        circuit = probe_failed(begin_probe(circuit), left_at=now, now=now, roll=roll)
        assert isinstance(circuit, Open)
        now = circuit.probe_at
        assert gate(circuit, now=now) == Probe()
    assert gate(probe_answered(begin_probe(circuit), left_at=now), now=now) == Pass()


@given(successes=st.lists(st.integers(1, FAILURES_IN_A_ROW - 1), max_size=20))
def test_failures_that_are_never_enough_in_a_row_open_nothing(successes: list[int]) -> None:
    """One account that fails for ever, beside one that works, holds up nobody."""
    circuit: Circuit = Closed()
    now = 0.0
    for count in successes:
        for _ in range(count):
            now += 1
            circuit = failed(circuit, left_at=now, now=now)
        now += 1
        circuit = answered(circuit, left_at=now)
        assert gate(circuit, now=now) == Pass()


@given(probes=st.integers(-5, 10**12), roll=rolls)
def test_a_pause_is_never_nothing_and_never_too_long(probes: int, roll: float) -> None:
    """Neither a storm of probes nor a forgotten data center."""
    assert 0 < pause_s(probes, roll=roll) <= LONGEST_PAUSE_S
