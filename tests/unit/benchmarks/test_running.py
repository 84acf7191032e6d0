"""The runs themselves, small and without a limit: who takes part edits each event once."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.benchmarks.report import is_right
from tests.benchmarks.running import run
from tests.benchmarks.scenarios import DENSE, Plan

TINY = replace(DENSE, accounts=2, events=60, done_share=0.5, rate="", latency_s=(0.0, 0.0))


@pytest.mark.parametrize(
    ("peer", "calls"),
    # two accounts of thirty changes: a read and a batch each, and for the bare one a sweep each
    [("script", 120 + 60), ("script_batch", 4), ("bare", 6)],
)
def test_a_peer_does_the_whole_job_right(peer: str, calls: int) -> None:
    """Who is compared with must have done the same work, and been counted right."""
    result = run(Plan(scenario=TINY, peer=peer, kind="job", seconds=60.0))
    assert result.complete
    assert is_right(result)
    assert (result.to_write, result.seen.edits, result.seen.calls) == (60, 60, calls)
    assert result.floor_calls == (6 if peer == "bare" else None)
    assert result.cost.peak_rss_mb > 10


def test_a_run_that_is_cut_says_so() -> None:
    """Its edits are a sample, and nobody calls it wrong for the rest."""
    slow = replace(TINY, latency_s=(0.1, 0.1))
    result = run(Plan(scenario=slow, peer="script", kind="steady", seconds=0.5))
    assert not result.complete
    assert 0 < result.seen.edits < 60
    assert is_right(result)
