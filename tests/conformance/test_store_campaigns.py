"""A campaign's states follow its chunks, and it ends by what its edits ended as."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.stores import (
    SALT,
    S,
    a_campaign,
    a_row,
    bring,
    chunk,
    claim,
    execute,
    expire,
    make_due,
    run_to,
    some_rows,
    step,
    submit,
)
from worker.errors import WrongTransition
from worker.model import CampaignState, Code
from worker.rules import adds_up
from worker.store import CallRow, Note, OpenWork, Store
from worker.sweep import settle_all

C = CampaignState


def say(action: str) -> Note:
    """Return what a person's order leaves in the audit."""
    return Note(actor="ada", action=f"campaign.{action}")


def state(store: Store, campaign_id: str = "c-june") -> CampaignState:
    """Return a campaign's state."""
    campaign = store.campaigns.get(campaign_id)
    assert campaign is not None
    return campaign.state


# ---------------------------------------------------------------- endings


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (S.VERIFIED, C.COMPLETED),
        (S.UNCHANGED, C.COMPLETED),
        (S.SKIPPED, C.COMPLETED),
        (S.FAILED, C.COMPLETED_WITH_ERRORS),
        (S.MISMATCH, C.COMPLETED_WITH_ERRORS),
        (S.CONFLICT, C.COMPLETED_WITH_ERRORS),
        (S.UNVERIFIED, C.COMPLETED_WITH_ERRORS),
    ],
)
def test_a_campaign_ends_with_its_last_chunk(store: Store, ended: S, expected: C) -> None:
    """Its state is computed from its edits, and the end is in the audit with the counts."""
    submit(store, some_rows(3), chunk_size=2)
    run_to(store, "c-june.1", S.VERIFIED)
    assert state(store) is C.RUNNING
    run_to(store, "c-june.2", ended)
    campaign = store.campaigns.get("june")
    assert campaign is not None
    assert campaign.state is expected
    assert campaign.finished_at is not None
    sql = "SELECT detail FROM audit WHERE chain = 'c-june' AND action = :action"
    assert f'"{ended}":' in execute(store, sql, action=f"campaign.{expected}")[0]


def test_a_campaign_with_nothing_left_to_send_is_verifying(store: Store) -> None:
    """202 is not done; the last read-back ends it."""
    submit(store, some_rows(2))
    run_to(store, "c-june.1", S.ACCEPTED)
    assert state(store) is C.VERIFYING
    (held,) = store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    steps = [step(line, S.ACCEPTED, S.VERIFIED) for line in (2, 3)]
    store.chunks.record(held, steps, lease_s=60)
    store.chunks.release(held)
    assert state(store) is C.COMPLETED


def test_reading_back_is_no_return_to_running(store: Store) -> None:
    """A chunk leased for its proofs has nothing to send; the campaign's state does not flicker."""
    submit(store, some_rows(4), chunk_size=2)
    for number in (1, 2):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    first, second = store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    store.chunks.release(first)
    assert state(store) is C.VERIFYING
    assert settle_all(store) == []
    store.chunks.release(second)
    assert state(store) is C.VERIFYING


def test_edits_in_doubt_take_a_campaign_back_to_running(store: Store) -> None:
    """A chunk that turns out to have something to send is work again."""
    submit(store, some_rows(4), chunk_size=2)
    run_to(store, "c-june.1", S.ACCEPTED)
    run_to(store, "c-june.2", S.ACCEPTED)
    execute(store, "UPDATE chunks SET state = 'pending' WHERE id = 'c-june.2'")
    execute(store, "UPDATE edits SET state = 'sending' WHERE line_no = 4")
    settle_all(store)
    assert state(store) is C.RUNNING


def test_the_sweeper_ends_what_two_last_workers_left_open(store: Store) -> None:
    """Each may not have seen the other's chunk end; asking again is enough, and tells it once."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    execute(store, "UPDATE campaigns SET state = 'running', finished_at = NULL")
    assert settle_all(store) == ["c-june"]
    assert settle_all(store) == []


def test_chunks_that_end_at_once_end_their_campaign_once(store: Store) -> None:
    """Eight workers, one campaign: one end, one entry about it."""
    submit(store, some_rows(16), chunk_size=2)
    held = [claim(store, f"c-june.{number}", owner=f"w{number}") for number in range(1, 9)]
    for one in held:
        bring(store, one, S.VERIFIED)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(store.chunks.release, held))
    settle_all(store)
    assert state(store) is C.COMPLETED
    sql = "SELECT count(*) FROM audit WHERE action = 'campaign.completed'"
    assert execute(store, sql)[0] == 1


def test_a_cancelled_campaign_ends_when_its_edits_have(store: Store) -> None:
    """What had no turn ends as not attempted; every line keeps its outcome (features §2, 13)."""
    submit(store, some_rows(4), chunk_size=2)
    run_to(store, "c-june.1", S.VERIFIED)
    assert store.campaigns.move("c-june", C.CANCELLING, note=say("cancelling"))
    assert settle_all(store) == []
    run_to(store, "c-june.2", S.NOT_ATTEMPTED, code=Code.CAMPAIGN_CANCELLED)
    assert state(store) is C.CANCELLED
    counts = {state_: n for (state_, _), n in store.reading.counts("c-june").items()}
    assert counts == {S.VERIFIED: 2, S.NOT_ATTEMPTED: 2}
    assert adds_up(4, counts)


def test_a_campaign_that_calpatch_stopped_has_failed(store: Store) -> None:
    """402: the plan lacks the feature; nobody cancelled that."""
    submit(store)
    reason = "plan_feature_missing"
    store.campaigns.move("c-june", C.CANCELLING, state_reason=reason, note=say("aborted"))
    run_to(store, "c-june.1", S.NOT_ATTEMPTED, code=Code.CAMPAIGN_FAILED)
    assert state(store) is C.FAILED
    assert store.campaigns.get("june").state_reason == reason  # type: ignore[union-attr]


def test_a_paused_campaign_with_something_left_does_not_end(store: Store) -> None:
    """A person stopped it, and a person goes on."""
    submit(store)
    held = claim(store)
    store.campaigns.move("c-june", C.PAUSED, state_reason="lunch", note=say("paused"))
    assert store.chunks.record(held, [], lease_s=60).state is C.PAUSED
    store.chunks.release(held)
    assert settle_all(store) == []


def test_a_paused_campaign_of_which_all_came_home_ends(store: Store) -> None:
    """What was on its way when it was paused was all that was left: nobody need resume nothing."""
    submit(store)
    held = claim(store)
    store.campaigns.move("c-june", C.PAUSED, state_reason="lunch", note=say("paused"))
    bring(store, held, S.VERIFIED)
    store.chunks.release(held)
    settle_all(store)
    assert store.campaigns.get("june").state is C.COMPLETED  # type: ignore[union-attr]


# ---------------------------------------------------------------- moves


def test_a_move_leaves_an_entry(store: Store) -> None:
    """Who paused it, and why, is what people ask later."""
    submit(store)
    assert store.campaigns.move("c-june", C.PAUSED, state_reason="lunch", note=say("paused"))
    campaign = store.campaigns.get("june")
    assert campaign is not None
    assert (campaign.state, campaign.state_reason) == (C.PAUSED, "lunch")
    found = execute(store, "SELECT actor, action FROM audit ORDER BY id DESC")
    assert tuple(found) == ("ada", "campaign.paused")


def test_a_move_that_changes_nothing_says_so(store: Store) -> None:
    """Already there, ended, or unknown: false, and no entry."""
    submit(store)
    store.campaigns.move("c-june", C.PAUSED, note=say("paused"))
    assert not store.campaigns.move("c-june", C.PAUSED, note=say("paused"))
    assert not store.campaigns.move("c-nobody", C.PAUSED, note=say("paused"))
    submit(store, [a_row(2, duplicate=True)], key="done")
    assert not store.campaigns.move("c-done", C.CANCELLING, note=say("cancelling"))
    assert execute(store, "SELECT count(*) FROM audit WHERE actor = 'ada'")[0] == 4


def test_an_arrow_that_is_none_is_refused(store: Store) -> None:
    """A running campaign waits for no approval any more."""
    submit(store)
    with pytest.raises(WrongTransition, match="from running to awaiting_approval"):
        store.campaigns.move("c-june", C.AWAITING_APPROVAL, note=say("waits"))
    assert state(store) is C.RUNNING


def test_an_order_is_not_lost_to_a_state_that_changes_meanwhile(store: Store) -> None:
    """Cancelling while workers end chunks: it is cancelled, or had ended before."""
    submit(store, some_rows(16), chunk_size=2)
    held = [claim(store, f"c-june.{number}", owner=f"w{number}") for number in range(1, 9)]
    for one in held:
        bring(store, one, S.ACCEPTED)
    with ThreadPoolExecutor(9) as threads:
        releases = [threads.submit(store.chunks.release, one) for one in held]
        order = threads.submit(store.campaigns.move, "c-june", C.CANCELLING, note=say("cancelling"))
        for release in releases:
            release.result()
        assert order.result()
    assert state(store) is C.CANCELLING


# ---------------------------------------------------------------- listing and reading


def test_the_newest_campaigns_come_first(store: Store) -> None:
    """`--latest` is the one submitted last."""
    assert store.campaigns.latest() is None
    for key in ("a", "b", "c"):
        submit(store, [a_row(2, event_uid=key)], key=key)
        execute(
            store,
            f"UPDATE campaigns SET submitted_at = {store.database.later_sql('ago')}"
            " WHERE key = :key",
            key=key,
            ago={"a": -30.0, "b": -20.0, "c": -10.0}[key],
        )
    store.campaigns.move("c-b", C.PAUSED, note=say("paused"))
    assert [one.key for one in store.campaigns.newest()] == ["c", "b", "a"]
    assert [one.key for one in store.campaigns.newest(limit=2)] == ["c", "b"]
    assert [one.key for one in store.campaigns.newest(state="paused")] == ["b"]
    assert store.campaigns.latest() == store.campaigns.get("c")


def test_open_work_is_counted_by_account(store: Store) -> None:
    """The forecast is calls to make: chunks to read for, edits to write, accounts to prove."""
    rows = [a_row(line, account=f"acc_{line % 3}", hint="2026-06-02") for line in range(2, 14)]
    submit(store, rows, chunk_size=3)  # for each account a chunk of three and one of one
    assert store.reading.open_work("c-june") == [OpenWork(4, 2, 0, 0, 3)]
    run_to(store, "c-june.1", S.ACCEPTED)
    run_to(store, "c-june.2", S.FAILED)
    claim(store, "c-june.5")
    assert sorted(store.reading.open_work("c-june")) == [
        OpenWork(0, 0, 1, 0, 1),
        OpenWork(1, 1, 0, 3, 1),
        OpenWork(4, 2, 0, 0, 1),
    ]
    assert store.reading.open_work("c-nobody") == []


def test_what_was_not_sent_is_counted_by_how_much_accounts_have(store: Store) -> None:
    """A plan's forecast: of what has ended, and of what is on its way, nothing is left to do."""
    rows = [a_row(line, account=f"acc_{line % 3}", hint="2026-06-02") for line in range(2, 14)]
    submit(store, rows, chunk_size=3)  # for each account a chunk of three and one of one
    assert store.reading.pending_loads("c-june") == [(4, 3)]
    run_to(store, "c-june.1", S.ACCEPTED)
    run_to(store, "c-june.2", S.FAILED)
    claim(store, "c-june.5")
    left = sum(edits * accounts for edits, accounts in store.reading.pending_loads("c-june"))
    assert left == store.reading.counts("c-june")[S.PENDING, ""] < 12
    assert store.reading.pending_loads("c-nobody") == []


def test_chunks_without_dates_share_their_reads(store: Store) -> None:
    """One read of the whole window serves a chunk and its company."""
    submit(store, [a_row(line, hint=None) for line in range(2, 8)], chunk_size=1)
    assert store.reading.open_work("c-june") == [OpenWork(6, 2, 0, 0, 1)]


def test_many_chunks_are_each_taken_for_an_account(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million are not grouped; where there are so many, most accounts have but one."""
    monkeypatch.setattr("worker.store.reading.MOST_GROUPED", 3)
    sizes = {"a": 1, "b": 2, "c": 60, "d": 60, "e": 1, "f": 1}
    accounts = "".join(account * size for account, size in sizes.items())
    rows = [a_row(line, account=account) for line, account in enumerate(accounts, 2)]
    submit(store, rows, chunk_size=60)
    for account, deed in (("e", S.ACCEPTED), ("f", None)):
        sql = "SELECT id FROM chunks WHERE account = :account"
        chunk_id = execute(store, sql, account=account).id
        claim(store, chunk_id) if deed is None else run_to(store, chunk_id, deed)
    assert sorted(store.reading.open_work("c-june")) == [
        OpenWork(0, 0, 0, 1, 1),
        OpenWork(0, 0, 1, 0, 1),
        OpenWork(1, 1, 0, 0, 1),
        OpenWork(2, 1, 0, 0, 1),
        OpenWork(60, 1, 0, 0, 2),
    ]


def test_waiting_tells_when_a_chunk_is_due_next(store: Store) -> None:
    """The live picture says for what it waits: now, at a time, or not at all."""
    submit(store, some_rows(4), chunk_size=2)
    assert store.reading.waiting("c-june") == (0.0, 0)
    first, second = claim(store), claim(store, "c-june.2")
    assert store.reading.waiting("c-june") == (None, 2)
    store.chunks.release(first, retry_in_s=60)
    due, running = store.reading.waiting("c-june")
    assert running == 1
    assert due is not None
    assert 0 < due <= 60
    store.chunks.release(second)
    make_due(store)
    due, _ = store.reading.waiting("c-june")
    assert due is not None
    assert due <= 0


def test_the_edits_of_an_event_are_told_over_all_campaigns(store: Store) -> None:
    """`why` begins with the oldest campaign, whatever its id."""
    for key in ("z-first", "a-second"):
        submit(store, [a_row(2, event_uid="evt")], key=key)
        run_to(store, f"c-{key}.1", S.VERIFIED)
    told = [(one.campaign_id, one.state) for one in store.reading.of_event("evt")]
    assert told == [("c-z-first", S.VERIFIED), ("c-a-second", S.VERIFIED)]
    assert store.reading.of_event("another") == []


def test_reading_a_campaign_holds_nobody_up(store: Store) -> None:
    """A report streams one moment while workers go on; stopping half way leaves nothing open."""
    submit(store, some_rows(5_000), chunk_size=5_000)
    outcomes = store.reading.outcomes("c-june")
    assert next(outcomes).state is S.PENDING
    held = claim(store)
    bring(store, held, S.SKIPPED)
    store.chunks.release(held)
    assert {one.state for one in outcomes} == {S.PENDING}
    later = store.reading.outcomes("c-june")
    assert next(later).state is S.SKIPPED
    later.close()  # type: ignore[attr-defined]
    assert state(store) is C.COMPLETED


def test_calls_of_another_campaign_are_not_counted(store: Store) -> None:
    """Each campaign pays for its own."""
    submit(store)
    submit(store, [a_row(2, event_uid="other")], key="july")
    store.chunks.record(claim(store), [], lease_s=60, calls=[CallRow("events", 429, 1)])
    assert store.reading.calls("c-july") == []
    expire(store, "c-june.1")
    assert chunk(store).epoch == 1


def test_a_key_is_also_a_name(store: Store) -> None:
    """People know the key that they gave; an id wins where both would fit."""
    submit(store, key="july")
    store.campaigns.submit(
        a_campaign("c-july", digest="another"),
        [a_row(2, event_uid="other")],
        campaign_id="c-named-alike",
        image_key=SALT,
        chunk_size=1,
    )
    assert store.campaigns.get("c-july").id == "c-july"  # type: ignore[union-attr]
    assert store.campaigns.get("july").id == "c-july"  # type: ignore[union-attr]
    assert store.campaigns.get("nobody") is None
