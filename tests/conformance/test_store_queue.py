"""The window of messages, what is sent again, and how poison is found."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.stores import (
    S,
    a_row,
    bring,
    chunk,
    claim,
    execute,
    expire,
    make_due,
    run_to,
    some_rows,
    states,
    step,
    submit,
)
from worker.errors import LeaseLost
from worker.model import CampaignState, Code
from worker.store import Due, EditRow, Note, Store
from worker.sweep import settle_all, take_apart_poison


def take(store: Store, *, window: int = 10, resend_after_s: float = 60) -> Due:
    """Take what is due."""
    return store.queue.take_due(window=window, resend_after_s=resend_after_s)


def numbers(due: Due) -> list[str]:
    """Return the chunks' ids without their lanes."""
    return [chunk_id for _, chunk_id in due.chunks]


# ---------------------------------------------------------------- the window


def accounts_of(count: int, *, first: int = 2, **fields: Any) -> list[EditRow]:
    """Return edits of so many accounts, one each."""
    lines = range(first, first + count)
    return [a_row(line, account=f"acc_{line:03}", **fields) for line in lines]


def test_no_more_than_a_window_is_out(store: Store) -> None:
    """The backlog stays in SQL, where it can be paused, ordered and kept."""
    submit(store, accounts_of(14), chunk_size=1)
    assert numbers(take(store, window=4)) == [f"c-june.{number}" for number in (1, 2, 3, 4)]
    assert take(store, window=4) == Due()
    held = claim(store)
    assert numbers(take(store, window=4)) == []
    bring(store, held, S.VERIFIED)
    store.chunks.release(held)
    assert numbers(take(store, window=4)) == ["c-june.5"]
    assert numbers(take(store, window=16)) == [f"c-june.{number}" for number in range(6, 14)]


def test_a_chunk_weighs_as_much_as_it_has_under_way(store: Store) -> None:
    """Sixteen large chunks keep any limit busy; more would only take the threads of others."""
    rows = [a_row(line, account=f"acc_{line % 40:02}") for line in range(2, 2 + 40 * 170)]
    submit(store, rows, chunk_size=170)
    assert len(numbers(take(store, window=48))) == 9  # a quarter of the window stays free
    assert take(store, window=48) == Due()


def test_relays_at_once_share_one_window(store: Store) -> None:
    """Workers and clock top up together: no chunk twice, no window exceeded."""
    submit(store, accounts_of(40), chunk_size=1)
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: numbers(take(store, window=16)), range(8)))
    found = [chunk_id for one in taken for chunk_id in one]
    assert len(found) == len(set(found)) == 12


def test_the_interactive_lane_goes_first(store: Store) -> None:
    """Somebody waits for it."""
    submit(store, accounts_of(11), chunk_size=1, key="bulk")
    rows = [a_row(2, event_uid="x"), a_row(3, event_uid="y")]
    submit(store, rows, chunk_size=1, key="now", lane="interactive")
    due = take(store, window=20)
    expected = [("interactive", "c-now.1"), ("interactive", "c-now.2")]
    assert list(due.chunks) == expected + [("bulk", f"c-bulk.{n}") for n in range(1, 12)]


def test_campaigns_of_a_lane_take_turns(store: Store) -> None:
    """The one with least out is next, the older one of two; each in the order of its chunks."""
    submit(store, accounts_of(30), chunk_size=1, key="night")
    assert len(numbers(take(store, window=8))) == 8
    submit(store, accounts_of(30, first=40), chunk_size=1, key="late")
    submit(store, accounts_of(2, first=80), chunk_size=1, key="few")
    found = numbers(take(store, window=24))
    assert found[:6] == ["c-late.1", "c-few.1", "c-late.2", "c-few.2", "c-late.3", "c-late.4"]
    late = [one for one in found if one.startswith("c-late")]
    assert late == [f"c-late.{number}" for number in range(1, 9)]
    assert len(found) == 10  # the last quarter is kept for those who have hardly anything out


def test_the_reserve_is_for_newcomers(store: Store) -> None:
    """A full window keeps nobody waiting who has nothing out yet."""
    submit(store, accounts_of(90), chunk_size=1, key="night")
    submit(store, accounts_of(90, first=100), chunk_size=1, key="dusk")
    assert len(numbers(take(store, window=64))) == 48
    submit(store, accounts_of(90, first=200), chunk_size=1, key="new")
    due = take(store, window=64)
    assert numbers(due) == [f"c-new.{number}" for number in range(1, 9)]
    assert all(pick.is_first for pick in due.runs)
    assert take(store, window=64) == Due()


def test_an_account_yields_once_it_has_enough_out(store: Store) -> None:
    """A slow account of many chunks takes neither the window nor the threads."""
    rows = [a_row(line, account="slow" if line < 42 else "quick") for line in range(2, 44)]
    submit(store, rows, chunk_size=1)
    found = numbers(take(store, window=64))
    slow = [one for one in found if chunk(store, one).account == "slow"]
    assert (len(slow), len(found)) == (4, 6)
    held = claim(store, slow[0])
    bring(store, held, S.VERIFIED)
    store.chunks.release(held)
    assert [chunk(store, one).account for one in numbers(take(store))] == ["slow"]


def test_a_newcomer_has_its_turn_with_a_busy_account(store: Store) -> None:
    """Each campaign may have one chunk of an account out, however many another one has."""
    submit(store, some_rows(9), chunk_size=1, key="night")
    assert len(numbers(take(store))) == 4
    submit(store, [a_row(90), a_row(91)], chunk_size=1, key="new")
    assert numbers(take(store)) == ["c-new.1"]


def test_what_waits_again_and_what_is_new_take_turns(store: Store) -> None:
    """Neither a crowd of retries nor a crowd of new chunks keeps the others waiting."""
    submit(store, accounts_of(12), chunk_size=1)
    for _ in numbers(take(store, window=5)):
        pass
    for number in range(1, 6):
        store.chunks.release(claim(store, f"c-june.{number}"), retry_in_s=-number)
    found = numbers(take(store, window=6))
    assert found == [f"c-june.{number}" for number in (5, 6, 4, 7, 3, 8)]


def test_a_chunk_that_waits_is_not_announced(store: Store) -> None:
    """`retry_at` decides, and a release is announced again without delay."""
    submit(store, some_rows(2), chunk_size=1)
    take(store)
    store.chunks.release(claim(store), retry_in_s=60)
    store.chunks.release(claim(store, "c-june.2"), retry_in_s=-1)
    assert numbers(take(store)) == ["c-june.2"]


def test_only_campaigns_that_go_on_are_announced(store: Store) -> None:
    """A paused one keeps its chunks to itself; a cancelled one still has edits to end."""
    submit(store)
    note = Note(actor="ada", action="campaign.order")
    store.campaigns.move("c-june", CampaignState.PAUSED, note=note)
    assert numbers(take(store)) == []
    store.campaigns.move("c-june", CampaignState.CANCELLING, note=note)
    assert numbers(take(store)) == ["c-june.1"]


def test_a_message_not_picked_up_is_sent_again(store: Store) -> None:
    """The broker may lose everything; only time is lost (law 1)."""
    submit(store)
    take(store)
    assert numbers(take(store)) == []
    assert numbers(take(store, resend_after_s=-1)) == ["c-june.1"]


def test_a_dispatch_that_failed_is_taken_back(store: Store) -> None:
    """The next relay tries at once what could not be published."""
    rows = [a_row(line, account="acc_1" if line < 5 else "acc_2") for line in range(2, 6)]
    submit(store, rows, chunk_size=1)
    run_to(store, "c-june.2", S.ACCEPTED)  # of acc_2
    make_due(store)
    due = take(store)
    assert (len(due.chunks), due.accounts) == (3, ("acc_2",))
    held = claim(store)
    store.queue.forget_dispatch(due)
    again = take(store)
    assert numbers(again) == [one for one in numbers(due) if one != held.chunk_id]
    assert again.accounts == ("acc_2",)
    store.queue.forget_dispatch(Due())
    assert take(store) == Due()


def test_a_dead_workers_chunk_is_announced_once_more(store: Store) -> None:
    """And not again with every beat, while that message is on its way."""
    submit(store)
    take(store)
    claim(store)
    assert numbers(take(store)) == []
    expire(store, "c-june.1")
    # the dispatch was before the lease's end, as it always is
    execute(
        store,
        f"UPDATE chunks SET dispatched_at = {store.database.later_sql('ago')}",
        ago=-30.0,
    )
    assert numbers(take(store)) == ["c-june.1"]
    assert numbers(take(store)) == []
    assert numbers(take(store, resend_after_s=-1)) == ["c-june.1"]


def test_what_was_announced_again_fills_the_window(store: Store) -> None:
    """A hundred dead workers' chunks are no reason to flood the broker."""
    submit(store, accounts_of(6), chunk_size=1)
    for number in range(1, 7):
        claim(store, f"c-june.{number}")
        expire(store, f"c-june.{number}")
    assert len(numbers(take(store, window=4))) == 4
    assert numbers(take(store, window=4)) == []
    assert len(numbers(take(store, window=6))) == 2


def test_poison_is_not_announced(store: Store) -> None:
    """Nobody could claim it."""
    submit(store, some_rows(2), chunk_size=1)
    execute(store, "UPDATE chunks SET rescues = 3 WHERE id = 'c-june.1'")
    assert numbers(take(store)) == ["c-june.2"]


# ---------------------------------------------------------------- reading back


def test_accounts_are_due_when_their_first_proof_is(store: Store) -> None:
    """One message per account however many of its chunks wait."""
    rows = [a_row(line, account=f"acc_{line % 3}") for line in range(2, 14)]
    submit(store, rows, chunk_size=1)
    for number in range(1, 13):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    assert sorted(take(store).accounts) == ["acc_0", "acc_1", "acc_2"]
    assert take(store).accounts == ()
    assert sorted(take(store, resend_after_s=-1).accounts) == ["acc_0", "acc_1", "acc_2"]
    store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    assert sorted(take(store, resend_after_s=-1).accounts) == ["acc_0", "acc_2"]


def test_a_proof_is_not_due_before_its_time(store: Store) -> None:
    """The provider needs a moment until a read shows what was written."""
    submit(store)
    held = claim(store)
    bring(store, held, S.ACCEPTED)
    store.chunks.release(held, verify_in_s=60)
    assert take(store).accounts == ()
    make_due(store)
    assert take(store).accounts == ("acc_1",)


def test_accounts_have_a_window_too(store: Store) -> None:
    """Ten thousand accounts that become due together are announced as others end."""
    rows = [a_row(line, account=f"acc_{line}") for line in range(2, 8)]
    submit(store, rows, chunk_size=1)
    for number in range(1, 7):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    first = take(store, window=4).accounts
    assert len(first) == 4
    assert take(store, window=4).accounts == ()
    store.chunks.claim_proofs(first[0], owner="w1", lease_s=60)
    assert len(take(store, window=4).accounts) == 1


def test_an_account_that_still_sends_is_read_back_later(store: Store) -> None:
    """One sweep proves all of its chunks at once; but proof does not wait for ever."""
    submit(store, some_rows(3), chunk_size=1)
    run_to(store, "c-june.1", S.ACCEPTED)
    make_due(store)
    assert take(store).accounts == ()
    wait_long(store)
    assert take(store).accounts == ("acc_1",)


def test_a_paused_campaign_keeps_no_proof_waiting(store: Store) -> None:
    """Its chunks are not sent, so that nothing is gained by waiting for them."""
    submit(store, some_rows(2), chunk_size=1)
    run_to(store, "c-june.1", S.ACCEPTED)
    make_due(store)
    store.campaigns.move("c-june", CampaignState.PAUSED, note=Note(actor="ada", action="order"))
    assert take(store).accounts == ("acc_1",)


def test_campaigns_take_turns_in_being_read_back(store: Store) -> None:
    """Two thousand accounts of one campaign do not keep another's five waiting."""
    submit(store, accounts_of(9), chunk_size=1, key="night")
    submit(store, accounts_of(2, first=50), chunk_size=1, key="few")
    for key, count in (("night", 9), ("few", 2)):
        for number in range(1, count + 1):
            run_to(store, f"c-{key}.{number}", S.ACCEPTED)
    make_due(store)
    found = take(store, window=4).accounts
    assert [account >= "acc_050" for account in found] == [False, True, False, True]


def test_one_chunk_of_an_account_stands_for_all(store: Store) -> None:
    """However many wait, one mark says that its message is out; the oldest bears it."""
    submit(store, some_rows(6), chunk_size=1)
    for number in range(1, 7):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    wait_long(store)
    execute(store, f"UPDATE chunks SET retry_at = {a_minute_ago(store)} WHERE number = 4", ago=-60)
    assert take(store).accounts == ("acc_1",)
    marked = "SELECT count(*) AS n, min(number) AS number FROM chunks WHERE dispatched_at IS NOT"
    assert tuple(execute(store, f"{marked} NULL")) == (1, 4)
    assert take(store).accounts == ()
    assert take(store, resend_after_s=-1).accounts == ("acc_1",)


def wait_long(store: Store) -> None:
    """Let whatever waits to be read back have waited for forty seconds."""
    execute(
        store,
        f"UPDATE chunks SET retry_at = {a_minute_ago(store)} WHERE state = 'verifying'",
        ago=-40.0,
    )


def a_minute_ago(store: Store) -> str:
    """Return SQL for a time that parameter `ago` tells."""
    return store.database.later_sql("ago")


# ---------------------------------------------------------------- poison


def die(store: Store, chunk_id: str) -> None:
    """Claim a chunk and die over it until nobody may claim it again."""
    while store.chunks.claim(chunk_id, owner="w", lease_s=60) is not None:
        expire(store, chunk_id)


def test_poison_is_bisected_down_to_the_edit_that_kills(store: Store) -> None:
    """The bad edit stands alone in the end and fails by name; all others get their turn (law 8)."""
    submit(store, some_rows(20), chunk_size=20)
    killer, waiting = 13, ["c-june.1"]
    while waiting:
        for chunk_id in waiting:
            held = claim(store, chunk_id)
            if killer in [edit.line_no for edit in held.edits]:
                expire(store, chunk_id)
                die(store, chunk_id)
            else:
                bring(store, held, S.VERIFIED)
                store.chunks.release(held)
        take_apart_poison(store)
        waiting = numbers(take(store, window=100, resend_after_s=-1))
    settle_all(store)
    found = states(store)
    assert found.pop(killer) == (S.FAILED, Code.POISON)
    assert set(found.values()) == {(S.VERIFIED, "")}
    assert len(found) == 19
    campaign = store.campaigns.get("june")
    assert campaign is not None
    assert campaign.state is CampaignState.COMPLETED_WITH_ERRORS
    assert [row.code for row in store.audit.of_event(f"evt_{killer}")] == ["poison"]
    assert store.audit.verify()[1] == []


def test_poison_that_may_have_been_sent_is_not_said_to_have_failed(store: Store) -> None:
    """Workers may have died on the very answer that tells that the write was taken."""
    submit(store, some_rows(1), chunk_size=1)
    bring(store, claim(store), S.SENDING, lines=[2])
    expire(store, "c-june.1")
    die(store, "c-june.1")
    assert take_apart_poison(store) == ["c-june.1"]
    assert states(store) == {2: (S.UNVERIFIED, Code.POISON)}
    assert store.audit.of_event("evt_2")[-1].action == "edit.unverified"


def test_accepted_edits_of_a_poisoned_chunk_stay_provable(store: Store) -> None:
    """They were sent and wait to be read back, whatever killed the workers afterwards."""
    submit(store, some_rows(5), chunk_size=5)
    held = claim(store)
    bring(store, held, S.ACCEPTED, lines=[3, 5])
    bring(store, held, S.SENDING, lines=[4])
    expire(store, "c-june.1")
    die(store, "c-june.1")
    assert take_apart_poison(store) == ["c-june.1"]
    (proofs,) = store.chunks.claim_proofs("acc_1", owner="w2", lease_s=60)
    assert [(edit.line_no, edit.state) for edit in proofs.edits] == [
        (3, S.ACCEPTED),
        (5, S.ACCEPTED),
    ]
    halves = [claim(store, chunk_id) for chunk_id in numbers(take(store))]
    lines = [[(edit.line_no, edit.state) for edit in half.edits] for half in halves]
    assert lines == [[(2, S.PENDING)], [(4, S.SENDING), (6, S.PENDING)]]


def test_lines_of_other_chunks_are_left_alone(store: Store) -> None:
    """A chunk's lines lie among those of others: cut by date, or split before."""
    rows = [a_row(line, hint=f"2026-06-{line % 2 + 1:02}") for line in range(2, 12)]
    submit(store, rows, chunk_size=5)
    die(store, "c-june.1")
    die(store, "c-june.2")
    assert take_apart_poison(store) == ["c-june.1", "c-june.2"]
    halves = [claim(store, chunk_id) for chunk_id in numbers(take(store))]
    lines = [sorted(edit.line_no for edit in half.edits) for half in halves]
    assert lines == [[2, 4], [6, 8, 10], [3, 5], [7, 9, 11]]
    assert {half.rescues for half in halves} == {2}


def test_a_half_may_be_rescued_once(store: Store) -> None:
    """One death may be chance; the second halves it again."""
    submit(store, some_rows(4), chunk_size=4)
    die(store, "c-june.1")
    take_apart_poison(store)
    assert store.chunks.claim("c-june.2", owner="w", lease_s=60)
    expire(store, "c-june.2")
    assert take_apart_poison(store) == []
    assert store.chunks.claim("c-june.2", owner="w", lease_s=60)
    expire(store, "c-june.2")
    assert take_apart_poison(store) == ["c-june.2"]


def test_a_chunk_in_somebodys_hands_is_not_taken_apart(store: Store) -> None:
    """The third rescuer may be the one that survives."""
    submit(store, some_rows(4))
    for _ in range(3):
        claim(store)
        expire(store, "c-june.1")
    held = claim(store)
    assert held.rescues == 3
    assert take_apart_poison(store) == []
    bring(store, held, S.VERIFIED)
    store.chunks.release(held)
    assert chunk(store).state == "done"


def test_the_zombie_of_a_poisoned_chunk_is_refused(store: Store) -> None:
    """Its edits are in other chunks by now."""
    submit(store, some_rows(4))
    for _ in range(3):
        claim(store)
        expire(store, "c-june.1")
    zombie = claim(store)
    expire(store, "c-june.1")
    take_apart_poison(store)
    with pytest.raises(LeaseLost):
        store.chunks.renew(zombie, lease_s=60)


def test_a_read_back_that_kills_is_bisected_as_well(store: Store) -> None:
    """The edit that cannot be read is named, and the others are proven."""
    submit(store, some_rows(5))
    run_to(store, "c-june.1", S.ACCEPTED)
    killer, deaths = 6, 0
    for _ in range(100):
        execute(store, "UPDATE chunks SET retry_at = '2000-01-01 00:00:00.000000'"
                " WHERE state = 'verifying'")  # fmt: skip
        claims = store.chunks.claim_proofs("acc_1", owner="w", lease_s=60)
        while alone := store.chunks.claim_suspect_proof("acc_1", owner="w", lease_s=60):
            claims += alone
        for held in claims:
            if killer not in [edit.line_no for edit in held.edits]:
                proven = [step(e.line_no, S.ACCEPTED, S.VERIFIED) for e in held.edits]
                store.chunks.record(held, proven, lease_s=60)
                store.chunks.release(held)
                continue
            # Dies; who finds it so, lets go again with one more.
            deaths += 1
            expire(store, held.chunk_id)
            store.chunks.release(claim(store, held.chunk_id), rescued=True)
        take_apart_poison(store)
    assert deaths == 2 + 3
    found = states(store)
    assert found.pop(killer) == (S.UNVERIFIED, Code.POISON)
    assert set(found.values()) == {(S.VERIFIED, "")}
    assert store.audit.verify()[1] == []


def test_a_run_that_proved_nothing_clears_no_chunk_of_its_deaths(store: Store) -> None:
    """A worker that is stopped in between would let an edit kill for ever."""
    submit(store)
    for _ in range(2):
        claim(store)
        expire(store, "c-june.1")
    store.chunks.release(claim(store), keeps_rescues=True)
    assert chunk(store).rescues == 2
    store.chunks.release(claim(store))
    assert chunk(store).rescues == 0


@pytest.mark.parametrize("has_died", [False, True], ids=["waits", "lease ran out"])
def test_a_suspect_that_is_put_off_comes_back_and_no_sooner(
    store: Store, *, has_died: bool
) -> None:
    """Nobody claims it meanwhile, and it is announced as soon as its time has come."""
    submit(store)
    execute(store, "UPDATE chunks SET rescues = 2")
    if has_died:
        claim(store)
        expire(store, "c-june.1")
    assert store.chunks.claim("c-june.1", owner="w", lease_s=60, suspects=False) is None
    assert store.chunks.is_suspect("c-june.1")
    take(store)
    store.chunks.put_off("c-june.1", seconds=60)
    assert chunk(store).dispatched_at is None
    assert store.chunks.claim("c-june.1", owner="w", lease_s=60) is None
    store.chunks.put_off("c-june.1", seconds=-60)  # it is not to be claimed: nothing changes
    assert store.chunks.claim("c-june.1", owner="w", lease_s=60) is None
    make_due(store)
    expire(store, "c-june.1")
    assert numbers(take(store)) == ["c-june.1"]
    assert store.chunks.claim("c-june.1", owner="w", lease_s=60) is not None


def test_read_backs_that_are_put_off_come_back_and_no_sooner(store: Store) -> None:
    """Those on which workers have died; the account's others stay as they are."""
    submit(store, some_rows(10), chunk_size=5)
    for chunk_id in ("c-june.1", "c-june.2"):
        run_to(store, chunk_id, S.ACCEPTED)
    execute(store, "UPDATE chunks SET rescues = 1 WHERE number = 1")
    make_due(store)
    assert store.chunks.has_suspect_proof("acc_1")
    store.chunks.put_off_proofs("acc_1", seconds=60)
    later = "SELECT count(*) AS n FROM chunks WHERE retry_at > " + store.database.later_sql("s")
    assert execute(store, later, s=30.0).n == 1
    assert [
        each.chunk_id for each in store.chunks.claim_proofs("acc_1", owner="w", lease_s=60)
    ] == ["c-june.2"]
    assert not store.chunks.has_suspect_proof("acc_1")
    assert store.chunks.claim_suspect_proof("acc_1", owner="w", lease_s=60) == []
    store.chunks.put_off_proofs("acc_1", seconds=-60)  # it is not due: nothing changes
    assert not store.chunks.has_suspect_proof("acc_1")
    make_due(store)
    (alone,) = store.chunks.claim_suspect_proof("acc_1", owner="w", lease_s=60)
    assert alone.chunk_id == "c-june.1"
    assert not store.chunks.has_suspect_proof("acc_1")


def refuse_changes_of(store: Store, line_no: int) -> None:
    """Have the database refuse whatever changes one edit."""
    when = f"BEFORE UPDATE ON edits FOR EACH ROW WHEN (NEW.line_no = {line_no})"
    if store.database.is_sqlite:
        execute(store, f"CREATE TRIGGER spoilt {when} BEGIN SELECT RAISE(ABORT, 'no'); END")
        return
    execute(
        store,
        "CREATE FUNCTION spoilt() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    )
    execute(store, f"CREATE TRIGGER spoilt {when} EXECUTE FUNCTION spoilt()")


def test_poison_that_cannot_be_taken_apart_holds_up_no_other(store: Store) -> None:
    """The clock's round goes on, or nobody's campaign would."""
    submit(store, some_rows(20), chunk_size=10)
    die(store, "c-june.1")
    die(store, "c-june.2")
    refuse_changes_of(store, 3)
    assert take_apart_poison(store) == ["c-june.2"]
    assert len(numbers(take(store))) == 2


def test_sweepers_at_once_take_a_chunk_apart_once(store: Store) -> None:
    """No chunk number is given twice, and no edit is lost."""
    submit(store, some_rows(40), chunk_size=10)
    execute(store, "UPDATE chunks SET rescues = 3")
    with ThreadPoolExecutor(4) as threads:
        taken = list(threads.map(lambda _: take_apart_poison(store), range(4)))
    assert sorted(itertools.chain.from_iterable(taken)) == [
        f"c-june.{number}" for number in (1, 2, 3, 4)
    ]
    found = execute(
        store,
        "SELECT count(*) AS n, count(DISTINCT chunk_id) AS chunks FROM edits"
        " WHERE chunk_id IN (SELECT id FROM chunks WHERE state = 'pending')",
    )
    assert (found.n, found.chunks) == (40, 8)


# ---------------------------------------------------------------- pulses


def test_a_pulse_tells_its_age(store: Store) -> None:
    """`doctor` asks whether clock and workers are there; a later beat replaces an earlier one."""
    assert store.queue.pulses() == {}
    for name in ("clock", "worker:host:1", "clock"):
        store.queue.beat(name)
    found = store.queue.pulses()
    assert set(found) == {"clock", "worker:host:1"}
    assert all(-1 < age < 60 for age in found.values())


def test_an_outage_is_told_with_the_time_of_the_next_try(store: Store) -> None:
    """Whoever finds it later again says so; the first that is answered takes the sign away."""
    store.queue.note_outage("us", wait_s=None)
    store.queue.note_outage("us", wait_s=5)
    store.queue.note_outage("us", wait_s=60)
    store.queue.note_outage("de", wait_s=60)
    ages = store.queue.pulses()
    assert set(ages) == {"outage:us", "outage:de"}
    assert -61 < ages["outage:us"] < -30
    store.queue.note_outage("us", wait_s=None)
    assert set(store.queue.pulses()) == {"outage:de"}


def test_of_the_chunks_that_read_everything_one_is_out_for_an_account(store: Store) -> None:
    """It takes the others along: apart, each would read the account's whole window for itself."""
    rows = [a_row(line, account=f"acc_{line % 2}", hint=None) for line in range(2, 14)]
    submit(store, rows, chunk_size=2)

    assert [name for _, name in store.queue.take_due(window=64, resend_after_s=60).chunks] == [
        "c-june.1",
        "c-june.2",
    ]
    assert store.queue.take_due(window=64, resend_after_s=60).chunks == ()
    first = claim(store, "c-june.1")
    company = store.chunks.claim_company("c-june.1", owner="w", lease_s=60)
    assert [one.chunk_id for one in company] == ["c-june.3", "c-june.5"]
    for one in (first, *company):
        store.chunks.release(one)
    again = store.queue.take_due(window=64, resend_after_s=60).chunks
    assert [name for _, name in again] == ["c-june.1"]
