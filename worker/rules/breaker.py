"""When calls to a data center that does not answer stop, and how its return is found out.

A circuit is closed (calls go), open (nothing leaves until its next probe is due) or half-open (one
probe is on its way). A probe is a cheap read that is nobody's edit, so that what one account's
events do to the API never decides about the others. All times are seconds of one monotonic clock;
`roll` is a random number in [0, 1).
"""

from __future__ import annotations

from typing import Literal, TypeAlias, assert_never

from msgspec import Struct

#: Failures in a row, with nothing answered in between, that open a circuit.
FAILURES_IN_A_ROW = 5
#: Seconds: the pause after a first probe without an answer. It doubles up to the longest, which
#: with a probe's own time stays below the 30 s in which work must go on after a fault has ended.
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 15.0
#: Seconds by which those that were refused come back later than the probe, at most; and the least
#: that they stay away.
SPREAD_S = 5.0
LEAST_WAIT_S = 1.0
#: Seconds that a data center must have answered again before a read of its events is the last word
#: on a write: what it accepted before its outage may be applied only after it.
CALM_S = 60.0

#: The name of what the operator has put in the data centers' place (CALPATCH_API_URL).
ELSEWHERE = "custom"

_LONGEST_AGO = float("-inf")
#: Statuses below 500 with which proxies say that they gave up waiting for the API.
_GAVE_UP = frozenset({408, 425, 499})

#: What an answer tells of its data center. A success tells nothing until it has been read: a page
#: of HTML with 200 comes from whoever stands in for the API.
Sign: TypeAlias = Literal["alive", "failure", "unread"]


class Closed(Struct, frozen=True, kw_only=True):
    """Calls go."""

    failures: int = 0
    #: when the latest of the calls left that were answered
    alive_at: float = _LONGEST_AGO


class Open(Struct, frozen=True, kw_only=True):
    """Nothing leaves but, from `probe_at` on, a probe."""

    since: float
    probe_at: float
    #: probes without an answer so far
    probes: int = 0


class HalfOpen(Struct, frozen=True, kw_only=True):
    """One probe is on its way."""

    since: float
    probes: int = 0


Circuit: TypeAlias = Closed | Open | HalfOpen


class Pass(Struct, frozen=True):
    """The call may leave."""


class Probe(Struct, frozen=True):
    """A probe is due, and whoever comes first makes it."""


class Watch(Struct, frozen=True):
    """The first probe is on its way, and tells within moments how things are."""


class Shut(Struct, frozen=True, kw_only=True):
    """The call must not leave; ask again after `wait_s` seconds."""

    wait_s: float


Gate: TypeAlias = Pass | Probe | Watch | Shut


def sign_of(status: int) -> Sign:
    """Return what an answer's status tells of its data center; 0 is no answer."""
    match status // 100:
        case 2:
            return "unread"
        case 4 if status not in _GAVE_UP:
            return "alive"
        case _:
            return "failure"


def gate(circuit: Circuit, *, now: float) -> Gate:
    """Return whether a call may leave now."""
    match circuit:
        case Closed():
            return Pass()
        case Open(probe_at=probe_at):
            return Probe() if now >= probe_at else Shut(wait_s=probe_at - now)
        case HalfOpen(probes=0):
            return Watch()
        case HalfOpen():
            return Shut(wait_s=FIRST_PAUSE_S)
    assert_never(circuit)


def answered(circuit: Circuit, *, left_at: float) -> Circuit:
    """Note an answer to a call; what left before the circuit opened does not close it."""
    if not isinstance(circuit, Closed):
        return circuit
    return Closed(alive_at=max(circuit.alive_at, left_at))


def failed(circuit: Circuit, *, left_at: float, now: float) -> Circuit:
    """Note a call without a usable answer; the last of too many in a row opens the circuit.

    A call that left before one that was answered tells nothing of today: those that hung when an
    outage began give up long after its end.
    """
    if not isinstance(circuit, Closed) or left_at < circuit.alive_at:
        return circuit
    failures = circuit.failures + 1
    if failures < FAILURES_IN_A_ROW:
        return Closed(failures=failures, alive_at=circuit.alive_at)
    return Open(since=now, probe_at=now)


def begin_probe(circuit: Circuit) -> Circuit:
    """Note that a probe leaves; of a closed circuit it is only a question, and calls go on."""
    match circuit:
        case Open(since=since, probes=probes):
            return HalfOpen(since=since, probes=probes)
        case _:
            return circuit


def probe_answered(circuit: Circuit, *, left_at: float) -> Closed:
    """Close the circuit: the data center lives."""
    known = circuit.alive_at if isinstance(circuit, Closed) else _LONGEST_AGO
    return Closed(alive_at=max(known, left_at))


def probe_failed(circuit: Circuit, *, left_at: float, now: float, roll: float) -> Circuit:
    """Open the circuit, or keep it open for longer than before.

    A closed one opens at once: a call and then a probe failed, and nothing that left after the
    probe was answered.
    """
    if isinstance(circuit, Closed):
        if circuit.alive_at >= left_at:
            return circuit
        return Open(since=now, probe_at=now + pause_s(1, roll=roll), probes=1)
    probes = circuit.probes + 1
    return Open(since=circuit.since, probe_at=now + pause_s(probes, roll=roll), probes=probes)


def abandon_probe(circuit: Circuit, *, now: float) -> Circuit:
    """Note that a probe did not leave, or will not be waited for: the next one is due now."""
    match circuit:
        case HalfOpen(since=since, probes=probes):
            return Open(since=since, probe_at=now, probes=probes)
        case _:
            return circuit


def pause_s(probes: int, *, roll: float) -> float:
    """Return the seconds from a probe to the next: twice as long each time, less up to a half."""
    # The exponent is bounded first: a power of a runaway counter would not fit into a float.
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(probes - 1, 0), 8))
    return longest * (1.0 - roll / 2)


def place(data_center: str) -> str:
    """Return how people are told of a data center."""
    return "CALPATCH_API_URL" if data_center == ELSEWHERE else f"data center {data_center}"


def comeback_s(wait_s: float, *, roll: float) -> float:
    """Return after how long one that was refused comes back: not all at once."""
    return max(LEAST_WAIT_S, wait_s) + roll * SPREAD_S


def is_calm(back_for_s: float, *, within_s: float) -> bool:
    """Tell whether an outage is so long over that what is not seen now will not be seen any more.

    `within_s` is how long a write may take to show at all.
    """
    return back_for_s >= min(CALM_S, within_s)
