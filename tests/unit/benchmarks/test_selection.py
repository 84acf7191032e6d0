"""Which runs there are, and what the command line says when it asks for others."""

from __future__ import annotations

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.extras import EXTRAS
from tests.benchmarks.floor import longest_window
from tests.benchmarks.plans import JOB_ACCOUNTS, QUICK_RATE, plans, quick_plans
from tests.benchmarks.running import runner_of
from tests.benchmarks.scenarios import ALL, BY_NAME, FLEETS, PEERS, RATE, selected


def test_everything_is_every_scenario_with_its_peers() -> None:
    """Nobody is left out, and all run dense."""
    pairs = [(scenario.name, peer) for scenario, peer in selected([], [])]
    assert len(pairs) == len(set(pairs))
    assert {name for name, _ in pairs} == {scenario.name for scenario in ALL}
    assert {peer for name, peer in pairs if name == "dense"} == {*PEERS, *FLEETS}
    for scenario in ALL:
        assert {"script_batch", "ours", "ours_unverified", "bare"} <= {
            peer for name, peer in pairs if name == scenario.name
        }


def test_a_part_is_what_was_asked_for() -> None:
    """In the order asked."""
    pairs = [(scenario.name, peer) for scenario, peer in selected(["half", "dense"], ["ours"])]
    assert pairs == [("half", "ours"), ("dense", "ours")]


@pytest.mark.parametrize(("only", "peers"), [(["dance"], []), ([], ["theirs"])])
def test_an_unknown_name_is_refused_and_the_known_ones_told(
    only: list[str], peers: list[str]
) -> None:
    """A mistyped name must not run for an hour."""
    with pytest.raises(ValueError, match=r"unknown: (dance|theirs); there are: dense"):
        selected(only, peers)


def test_the_command_line_refuses_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    """As every command of the house."""
    with pytest.raises(SystemExit) as ended:
        main(["--only", "dance"])
    assert ended.value.code == 2
    assert "unknown: dance" in capsys.readouterr().err


def test_each_peer_runs_whole_and_at_its_pace() -> None:
    """But those that take an hour for it, and the bare one, whose pace is a formula."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for plan in plans([], []):
        kinds.setdefault((plan.scenario.name, plan.peer), []).append(plan.kind)
    assert kinds["dense", "script"] == kinds["dense", "celery_per_event"] == ["steady"]
    assert kinds["dense", "ours"] == kinds["sparse", "script_batch"] == ["job", "steady"]
    assert kinds["medium", "bare"] == ["job"]


def test_a_scaled_job_says_so() -> None:
    """And the others are run as they are named."""
    for plan in plans([], ["ours"]):
        scaled = plan.scenario.named_accounts
        if plan.kind == "job":
            assert bool(scaled) == (plan.scenario.name in JOB_ACCOUNTS)


def test_a_scaled_limit_is_as_high_when_it_lasts() -> None:
    """Only what dense claims is measured at the limit as it is: the others' pace takes a fifth."""
    for plan in plans([], ["ours"]):
        is_scaled = plan.kind == "steady" and plan.scenario.name != "dense"
        assert plan.scenario.rate == (QUICK_RATE if is_scaled else RATE)
    (count, span), (whole_count, whole_span) = map(longest_window, (QUICK_RATE, RATE))
    assert count / span == whole_count / whole_span


def test_the_short_form_leaves_time_for_start_up() -> None:
    """Two minutes are for all of it."""
    quick = quick_plans()
    assert {"script", "script_batch", "celery_per_event", "ours", "bare"} <= {
        plan.peer for plan in quick
    }
    assert sum(plan.seconds for plan in quick if plan.kind == "steady") < 75


@pytest.mark.parametrize("peer", [*PEERS, *FLEETS])
def test_every_peer_has_a_runner(peer: str) -> None:
    """Only calpatch's own fleets are run by calpatch's runner."""
    assert (runner_of(peer).__name__ == "run_ours") == peer.startswith("ours")


def test_extras_have_names_that_no_scenario_has() -> None:
    """Both are asked for by --only."""
    assert not EXTRAS.keys() & BY_NAME.keys()
    assert {"statements", "scaleout", "ingest", "scale"} == EXTRAS.keys()
