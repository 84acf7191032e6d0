"""The status object and the sentences in it: exact counts, and why a campaign waits."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.unit.report.campaigns import (
    AT,
    ONE_OF_EACH,
    End,
    a_campaign,
    a_limiter,
    a_look,
    a_store,
)
from worker.limits import WindowState
from worker.model import AccountStatus, CampaignState, Code, EditState
from worker.report import (
    Blocked,
    Pace,
    Snapshot,
    next_step,
    plain_line,
    status_of,
    take_snapshot,
    why_it_waits,
)
from worker.settings import Settings
from worker.store import NewAccount, OpenWork, Store

ALIVE = {"clock": 0.4, "worker:host:1": 0.4}
SLOW = "throttled to 50% since the API refused calls (429)"
QUIET = "no sign of life for 30 s"
RUNNING = (End(state=EditState.VERIFIED), End(state=EditState.PENDING))
#: What scripts rely on; more may come, none may go (features §2, 8).
PROMISED = {
    "campaign", "key", "state", "reason", "state_reason", "counts", "api_calls", "limiter",
    "started_at", "finished_at", "submitted_at", "eta_s", "rate_per_min", "next_step",
}  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A migrated store."""
    return a_store(tmp_path / "calpatch.db")


def as_json(look: Snapshot) -> dict[str, Any]:
    """Return the status as a script gets it."""
    found: dict[str, Any] = json.loads(msgspec.json.encode(status_of(look)))
    return found


def running(store: Store, **fields: object) -> Snapshot:
    """Return a look at a campaign that is half done."""
    campaign = a_campaign(store, RUNNING)
    ordinary = {"pulses": ALIVE, "limiter": a_limiter(), "due_s": None}
    return a_look(store, campaign, **(ordinary | fields))


def test_a_status_has_everything_that_scripts_were_promised(store: Store) -> None:
    """A missing key breaks somebody's nightly pipeline."""
    assert as_json(running(store)).keys() >= PROMISED


def test_counts_add_up_by_status_and_by_code(store: Store) -> None:
    """Law 2, while it runs as well: open edits are counted, by their state."""
    counts = as_json(running(store))["counts"]
    assert counts == {
        "by_status": {"pending": 1, "verified": 1}, "by_code": {"verified": 1},
        "total": 2, "done": 1,
    }  # fmt: skip


def test_calls_are_told_by_route_and_by_status(store: Store) -> None:
    """A 429 is the first thing one looks for."""
    calls = as_json(running(store))["api_calls"]
    assert calls["by_route"] == {"batch": 2, "read": 2}
    assert calls["by_status"] == {"200": 2, "207": 1, "429": 1}
    assert calls["total"] == 4


def test_the_limiter_is_shown_window_by_window(store: Store) -> None:
    """The share is visible beside the API's own limit."""
    minute = as_json(running(store))["limiter"]["windows"][1]
    assert minute == {"seconds": 60.0, "limit": 500, "granted": 350, "used": 12, "reserved": 0}


def test_what_is_reserved_ahead_is_not_used_yet(store: Store) -> None:
    """ "46 of 35 used" would read as a limit that was broken."""
    second = WindowState(limit=50, granted=35, used=46, seconds=1.0)
    status = as_json(running(store, limiter=a_limiter(windows=(second,))))
    window = status["limiter"]["windows"][0]
    assert (window["used"], window["reserved"]) == (35, 11)


def test_without_redis_the_limiter_is_null_with_the_reason(store: Store) -> None:
    """SQL still answers; only what Redis knows is missing."""
    status = as_json(running(store, limiter=None, limiter_fault="Redis does not answer"))
    assert status["limiter"] is None
    assert status["limiter_fault"] == "Redis does not answer"
    assert status["state_reason"].startswith("Redis does not answer; nothing is sent")


def test_the_time_to_go_is_calls_by_the_granted_rate(store: Store) -> None:
    """Neither a pause nor a slow start may spoil the estimate (features §2, 3)."""
    assert running(store, calls_left=350).eta_s == 60.0


def test_while_a_part_is_missing_nobody_knows_the_time_to_go(store: Store) -> None:
    """An ETA of eight seconds, for an hour, because no worker runs, would be a lie."""
    look = running(store, calls_left=350)
    assert status_of(look).eta_s == 60.0
    assert status_of(replace(look, pulses={})).eta_s is None
    assert status_of(replace(look, outages={"us": 3.0})).eta_s is None


def test_a_chunk_that_waits_longer_is_waited_for(store: Store) -> None:
    """Three calls take no time, but the account is locked for half an hour."""
    assert running(store, calls_left=3, due_s=1800.0).eta_s == 1800.0


def test_a_paused_campaign_has_no_time_to_go(store: Store) -> None:
    """Nobody knows when somebody will resume it."""
    look = running(store, calls_left=350)
    campaign = replace(look.campaign, state=CampaignState.PAUSED)
    assert replace(look, campaign=campaign).eta_s is None


def test_an_ended_campaign_has_nothing_to_wait_for(store: Store) -> None:
    """Whatever the clock and the workers do."""
    look = a_look(store, a_campaign(store, ONE_OF_EACH), pulses={})
    assert (look.eta_s, why_it_waits(look), look.errors) == (0.0, "", 4)


def test_the_pace_is_edits_by_elapsed_minutes(store: Store) -> None:
    """Measured from the first claim, not from the submission."""
    look = running(store)
    started = look.campaign.started_at
    assert started is not None
    assert replace(look, at=started + timedelta(seconds=30)).rate_per_min == 2.0
    assert replace(look, at=started).rate_per_min is None


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, ""),
        ({"pulses": {}}, f"{QUIET}: are `calpatch work` and `calpatch beat` running?"),
        ({"pulses": {"clock": 1.0}}, f"{QUIET}: is `calpatch work` running?"),
        ({"pulses": {"worker:h:1": 1.0}}, f"{QUIET}: is `calpatch beat` running?"),
        (
            {"pulses": {"clock": 31.0, "worker:h:1": 29.0}},
            f"{QUIET}: is `calpatch beat` running?",
        ),
        ({"pulses": {}, "running_chunks": 1}, ""),
        (
            {"limiter": a_limiter(paused_for_s=12.0)},
            "all calls are paused for 12s (the API asked for it, or Redis is new)",
        ),
        (
            {"limiter": a_limiter(free_in_s=3.0), "running_chunks": 1},
            "waiting for the rate limit; the next call in 3s",
        ),
        ({"limiter": a_limiter(free_in_s=0.2), "running_chunks": 1}, ""),
        (
            {"limiter": a_limiter(factor=0.5), "running_chunks": 1},
            SLOW,
        ),
        (
            {"limiter": a_limiter(free_in_s=3.0, factor=0.5), "running_chunks": 1},
            f"waiting for the rate limit, {SLOW}; the next call in 3s",
        ),
        (
            {"outages": {"us": 12.0}, "running_chunks": 1, "limiter": a_limiter(free_in_s=3.0)},
            "the API (data center us) does not answer; next try in 12s",
        ),
        (
            {"outages": {"de": 0.0, "custom": 3.0}, "due_s": 4.0},
            "the API (data center de, CALPATCH_API_URL) does not answer; trying again",
        ),
        (
            {"outages": {"us": 1.0}, "pulses": {"clock": 1.0}},
            f"{QUIET}: is `calpatch work` running?",
        ),
        ({"due_s": 12.0}, "next try in 12s"),
        ({"due_s": 0.2}, ""),
        ({"due_s": 12.0, "running_chunks": 1}, ""),
    ],
)  # fmt: skip
def test_a_campaign_says_why_it_waits(store: Store, fields: dict[str, Any], sentence: str) -> None:
    """A bar that stands still without a word makes people start things twice."""
    assert why_it_waits(running(store, **fields)) == sentence


@pytest.mark.parametrize(
    ("data_center", "wait_s", "told"),
    [("de", 9, True), ("custom", 9, True), ("de", -40, False), ("us", 9, False)],
)
def test_an_outage_is_told_to_those_whom_it_concerns(
    store: Store, data_center: str, wait_s: float, told: bool
) -> None:
    """Not of data centers that none of the accounts are in, nor one that nobody renews."""
    account = NewAccount(sub="acc_1", access_token=b"a", refresh_token=b"r", data_center="de")
    store.accounts.import_all([account], actor="test")
    look = running(store)
    store.queue.note_outage(data_center, wait_s=wait_s)
    found = take_snapshot(store, look.campaign.id, at=AT, pace=Pace.of(Settings.load({})))
    assert found is not None
    assert set(found.outages) == ({data_center} if told else set())
    ended = a_campaign(store, [End(state=EditState.VERIFIED)], name="c_2")
    assert a_look(store, ended).outages == {}


def test_silence_right_after_submission_is_no_alarm(store: Store) -> None:
    """Workers that start together with the campaign need a moment."""
    look = running(store, pulses={})
    early = replace(look, at=look.campaign.submitted_at + timedelta(seconds=2))
    expected = "waiting for a sign of life of `calpatch work` and `calpatch beat`"
    assert why_it_waits(early) == expected


def test_a_locked_account_is_named(store: Store) -> None:
    """Its owner must reconnect it; nobody else can help."""
    blocked = tuple(
        Blocked(sub=sub, status=AccountStatus.PARKED, reason="account_locked", retry_in_s=60.0)
        for sub in ("acc_1", "acc_2")
    )
    look = running(store, due_s=60.0, blocked=blocked)
    expected = "account acc_1 is locked (account_locked) and 1 more; next try in 1m00s"
    assert why_it_waits(look) == expected


def test_verifying_says_when_the_read_back_is_due(store: Store) -> None:
    """A minute of silence after the last write is no fault."""
    campaign = a_campaign(store, [End(state=EditState.ACCEPTED)])
    look = a_look(store, campaign, pulses=ALIVE, due_s=3.2)
    assert look.campaign.state is CampaignState.VERIFYING
    assert why_it_waits(look) == "read-back due in 4s"


def test_the_next_step_is_a_command(store: Store) -> None:
    """Whoever reads a status wants to know what to type."""
    look = running(store)
    assert next_step(look) == "Follow it: calpatch status c_1 --watch"
    missing = "Start what is missing: calpatch work, calpatch beat"
    assert next_step(replace(look, pulses={})) == missing


def test_the_next_step_after_errors_is_to_see_them(store: Store) -> None:
    """The failed rows are what is left to do."""
    look = a_look(store, a_campaign(store, ONE_OF_EACH))
    assert next_step(look) == "See what needs attention: calpatch results c_1 --only failed"


def test_no_proof_asked_is_no_error(store: Store) -> None:
    """--verify none would else never succeed."""
    ends = [End(state=EditState.UNVERIFIED, code=Code.NO_PROOF_ASKED)]
    assert a_look(store, a_campaign(store, ends, verify="none")).errors == 0


def test_a_plain_line_has_no_escapes(store: Store) -> None:
    """Logs of pipelines are read by people and programs, not by terminals."""
    look = running(store, limiter_fault="down \x1b[31m", limiter=None)
    line = plain_line(look)
    assert line.startswith("running 1/2 50.0% ok 1 skip 0 conflict 0 fail 0")
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("rate", "share", "granted"),
    [("50/s,500/min", 0.7, 350.0), ("10/s", 0.5, 300.0), ("unlimited", 0.7, None)],
)
def test_the_pace_is_that_of_the_narrowest_window(
    rate: str, share: float, granted: float | None
) -> None:
    """The minute's window decides over the second's, or the other way round."""
    settings = Settings.load({"CALPATCH_RATE": rate, "CALPATCH_SHARE": str(share)})
    assert Pace.of(settings).granted_per_min == granted


def test_a_batch_may_cost_one_call_or_each_entry() -> None:
    """Nobody knows yet which; the forecast must follow the setting."""
    work = [OpenWork(edits=50, windows=1, running=0, proving=0, accounts=2)]
    one = Pace(granted_per_min=350, batch_size=50, batch_counts_as="one")
    each = Pace(granted_per_min=350, batch_size=50, batch_counts_as="each")
    found = [pace.calls_left(work, unsent=100) for pace in (one, each)]
    assert found == [2 * (1 + 1 + 1 + 1), 2 * (1 + 1 + 50 + 1)]
    assert one.calls_left(work, unsent=100, verify=False) == 6


def test_what_runs_has_read_already(store: Store) -> None:
    """The time to go falls with each batch, and not only when a whole chunk has ended."""
    pace = Pace(granted_per_min=350, batch_size=50, batch_counts_as="one")
    running = OpenWork(edits=0, windows=0, running=1, proving=0, accounts=4)
    assert pace.calls_left([running], unsent=4000) == 4 * (20 + 4)
    assert pace.calls_left([running], unsent=400) == 4 * (2 + 1)
    assert pace.calls_left([running], unsent=0) == 0
    waiting = OpenWork(edits=1000, windows=1, running=0, proving=0, accounts=1)
    assert pace.calls_left([waiting], unsent=1000) == 1 + 4 + 20 + 4
    assert pace.calls_left([waiting, running], unsent=1400) == 29 + 4 * (2 + 1)


def test_what_waits_for_proof_costs_its_sweep() -> None:
    """Pages of three hundred events, one sweep for an account."""
    pace = Pace(granted_per_min=350, batch_size=50, batch_counts_as="each")
    proving = OpenWork(edits=0, windows=0, running=0, proving=1000, accounts=3)
    assert pace.calls_left([proving], unsent=0) == 3 * 4
    assert pace.calls_left([], unsent=0) == 0


def test_a_look_forecasts_from_what_is_open(store: Store) -> None:
    """Calls to make are derived from chunks and counts, with nothing kept beside them."""
    campaign = a_campaign(store, [End(state=EditState.PENDING), End(state=EditState.ACCEPTED)])
    assert a_look(store, campaign).calls_left == 1 + 1 + 1 + 1
    ended = a_campaign(store, [End(state=EditState.VERIFIED, account="acc_9")], name="c_2")
    assert a_look(store, ended).calls_left == 0


def test_a_snapshot_of_nothing_is_none(store: Store) -> None:
    """A mistyped id is for the caller to tell."""
    assert take_snapshot(store, "c_none", at=AT, pace=Pace.of(Settings.load({}))) is None
