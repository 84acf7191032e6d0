"""Leases with fencing: one worker at a time, and no word from those who lost their turn (law 8)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event

from tests.builders import an_image
from tests.conformance.stores import (
    S,
    a_row,
    an_account,
    bring,
    chunk,
    claim,
    execute,
    expire,
    run_to,
    some_rows,
    states,
    step,
    submit,
)
from worker.errors import LeaseLost, WrongTransition
from worker.model import AccountStatus, ChunkState, Code
from worker.store import CallRow, Note, Store
from worker.store.chunks import MOST_PROOFS

# ---------------------------------------------------------------- claim


def test_a_claim_hands_out_all_that_a_run_needs(store: Store) -> None:
    """Edits, campaign and account come with the claim; no further question per edit."""
    store.accounts.import_all([an_account()], actor="ada")
    submit(store, some_rows(3))
    held = claim(store, owner="host:1")
    assert [edit.line_no for edit in held.edits] == [2, 3, 4]
    assert (held.campaign.id, held.account.sub, held.owner) == ("c-june", "acc_1", "host:1")
    assert held.account.refresh_token == b"sealed \xff refresh"
    assert (held.epoch, held.rescues, held.proofs) == (1, 0, 0)
    assert held.campaign.started_at is not None


def test_a_forgotten_account_is_a_lost_one(store: Store) -> None:
    """A claim of its chunk must not fail: its edits end by name instead."""
    submit(store)
    held = claim(store)
    assert (held.account.status, held.account.reason) == (AccountStatus.LOST, "forgotten")
    assert not held.account.usable


def test_final_edits_are_not_handed_out_again(store: Store) -> None:
    """What is done is done, whoever claims the chunk next."""
    submit(store, some_rows(3))
    held = claim(store)
    bring(store, held, S.SKIPPED, lines=[3])
    store.chunks.release(held)
    assert [edit.line_no for edit in claim(store).edits] == [2, 4]


def test_a_stored_intent_comes_back_whole(store: Store) -> None:
    """After a crash the next worker sends the very same target, or none (laws 3 and 5)."""
    submit(store)
    held = claim(store)
    before, target = an_image(summary="a\0b"), an_image(summary="💥", conference=True)
    one = step(2, S.PENDING, S.SENDING, before=before, target=target, fields=("start", "end"))
    store.chunks.record(held, [one], lease_s=60)
    expire(store, held.chunk_id)
    edit = claim(store, owner="w2").edits[0]
    assert (edit.state, edit.before, edit.target) == (S.SENDING, before, target)
    assert edit.fields == ("start", "end")
    assert edit.sent_age_s is not None
    assert -1 < edit.sent_age_s < 60


@pytest.mark.row(22)
def test_of_eight_threads_one_claims(store: Store) -> None:
    """However often a message is delivered, one worker runs the chunk (faults 21, 22)."""
    submit(store)
    with ThreadPoolExecutor(8) as threads:
        claims = list(
            threads.map(
                lambda number: store.chunks.claim("c-june.1", owner=f"w{number}", lease_s=60),
                range(8),
            )
        )
    assert sum(found is not None for found in claims) == 1


def test_an_unknown_chunk_is_nobodys(store: Store) -> None:
    """A tampered message names nothing that could be claimed (faults 36)."""
    assert store.chunks.claim("c-june.1'; DROP TABLE edits", owner="w", lease_s=60) is None


def test_a_chunk_that_waits_is_not_claimed_before_its_time(store: Store) -> None:
    """`retry_at` is kept in SQL, so that an early message is no early try."""
    submit(store)
    store.chunks.release(claim(store), retry_in_s=60)
    assert store.chunks.claim("c-june.1", owner="w2", lease_s=60) is None


def test_a_lease_that_ran_out_is_given_to_the_next_and_counted(store: Store) -> None:
    """A rescue is a worker that died on it: three of them make a chunk poisonous."""
    submit(store)
    for rescues in range(4):
        held = claim(store, owner=f"w{rescues}")
        assert (held.rescues, held.epoch) == (rescues, rescues + 1)
        expire(store, "c-june.1")
    assert store.chunks.claim("c-june.1", owner="w5", lease_s=60) is None


def test_a_run_that_ended_is_no_rescue(store: Store) -> None:
    """Only deaths count: a chunk may be claimed for ever while its workers let go of it."""
    submit(store)
    expire_once = claim(store)
    expire(store, expire_once.chunk_id)
    store.chunks.release(claim(store, owner="w2"))
    assert claim(store, owner="w3").rescues == 0


def test_a_run_that_died_in_hand_counts_as_a_rescue(store: Store) -> None:
    """A worker that survives its chunk's crash says so."""
    submit(store)
    store.chunks.release(claim(store), rescued=True)
    assert claim(store).rescues == 1


def test_chunks_to_be_read_back_are_claimed_by_account(store: Store) -> None:
    """One read proves all of an account's edits, so that one worker takes them all."""
    rows = [a_row(line, account="acc_1" if line < 6 else "acc_2") for line in range(2, 8)]
    submit(store, rows, chunk_size=2)
    for number in (1, 2, 3):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    claims = store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    assert [held.chunk_id for held in claims] == ["c-june.1", "c-june.3"]
    assert {edit.state for held in claims for edit in held.edits} == {S.ACCEPTED}
    assert store.chunks.claim_proofs("acc_1", owner="w2", lease_s=60) == []


def test_proofs_are_claimed_once_among_threads(store: Store) -> None:
    """Two at once neither share a chunk nor lock each other out."""
    submit(store, some_rows(40), chunk_size=2)
    for number in range(1, 21):
        run_to(store, f"c-june.{number}", S.ACCEPTED)
    with ThreadPoolExecutor(8) as threads:
        taken = threads.map(
            lambda number: store.chunks.claim_proofs("acc_1", owner=f"w{number}", lease_s=60),
            range(8),
        )
        ids = [held.chunk_id for claims in taken for held in claims]
    assert len(ids) == len(set(ids)) == 20


# ---------------------------------------------------------------- record


def test_a_recorded_step_shows_in_the_outcome(store: Store) -> None:
    """Status, error key and code are what a person is told of it."""
    submit(store)
    held = claim(store)
    bring(store, held, S.SENDING, attempts=2)
    last = step(2, S.SENDING, S.FAILED, code=Code.REJECTED, http_status=422, error_key="start\0.x")
    store.chunks.record(held, [last], lease_s=60)
    outcome = next(iter(store.reading.outcomes("c-june")))
    assert (outcome.state, outcome.code, outcome.attempts) == (S.FAILED, "rejected", 2)
    assert (outcome.http_status, outcome.error_key) == (422, "start.x")
    assert outcome.sent_at is not None
    assert outcome.finished_at is not None
    assert outcome.finished_at >= outcome.sent_at
    assert outcome.target == an_image(summary="Moved")


def test_what_a_step_does_not_say_is_kept(store: Store) -> None:
    """Before, target and attempts are written once and stay through all that follows."""
    submit(store)
    held = claim(store)
    bring(store, held, S.SENDING, attempts=1, fields=("start",), http_status=202)
    store.chunks.record(held, [step(2, S.SENDING, S.ACCEPTED)], lease_s=60)
    outcome = next(iter(store.reading.outcomes("c-june")))
    assert (outcome.attempts, outcome.fields, outcome.http_status) == (1, "start", 202)
    assert outcome.before == an_image()


@pytest.mark.row(22)
@pytest.mark.parametrize("way", ["record", "renew", "release"])
def test_a_worker_that_lost_its_lease_writes_nothing(store: Store, way: str) -> None:
    """A zombie wakes after its chunk was given away: its word is refused by the epoch."""
    submit(store)
    zombie = claim(store)
    expire(store, zombie.chunk_id)
    heir = claim(store, owner="w2")
    calls: dict[str, Callable[[], object]] = {
        "record": lambda: store.chunks.record(
            zombie, [step(2, S.PENDING, S.SENDING)], lease_s=60, calls=[CallRow("events", 200, 1)]
        ),
        "renew": lambda: store.chunks.renew(zombie, lease_s=60),
        "release": lambda: store.chunks.release(zombie, calls=[CallRow("events", 200, 1)]),
    }
    with pytest.raises(LeaseLost, match=r"c-june\.1 has been claimed by another worker"):
        calls[way]()
    assert states(store) == {2: (S.PENDING, "")}
    assert store.reading.calls("c-june") == []
    assert chunk(store).lease_owner == "w2"
    store.chunks.renew(heir, lease_s=60)


@pytest.mark.row(22)
@pytest.mark.parametrize("change", [{"owner": "somebody"}, {"epoch": 7}])
def test_owner_and_epoch_both_fence(store: Store, change: dict[str, Any]) -> None:
    """A forged claim is as good as none."""
    submit(store)
    held = claim(store)
    with pytest.raises(LeaseLost):
        store.chunks.renew(replace(held, **change), lease_s=60)


def test_a_late_worker_may_still_write_when_nobody_took_over(store: Store) -> None:
    """An outcome is worth more than a rule: the epoch is what fences, not the clock."""
    submit(store)
    held = claim(store)
    expire(store, held.chunk_id)
    bring(store, held, S.SKIPPED)
    assert store.chunks.claim("c-june.1", owner="w2", lease_s=60) is None


def test_recording_renews_the_lease(store: Store) -> None:
    """A busy worker does not lose its chunk for want of a separate renewal."""
    submit(store)
    held = claim(store, lease_s=-1)
    store.chunks.record(held, [], lease_s=60)
    assert store.chunks.claim("c-june.1", owner="w2", lease_s=60) is None


def test_one_wrong_step_undoes_all_of_them(store: Store) -> None:
    """Steps, entries, calls and the renewal stand or fall together."""
    submit(store, some_rows(2))
    held = claim(store)
    before = chunk(store)
    steps = [step(2, S.PENDING, S.SENDING), step(3, S.SENDING, S.ACCEPTED)]
    with pytest.raises(WrongTransition, match="1 edits were not where they should be"):
        store.chunks.record(
            held,
            steps,
            lease_s=600,
            notes=[Note(actor="calpatch", action="edit.sending", line_no=2)],
            calls=[CallRow("batch", 207, 1)],
        )
    assert states(store) == {2: (S.PENDING, ""), 3: (S.PENDING, "")}
    assert tuple(chunk(store)) == tuple(before)
    assert store.reading.calls("c-june") == []
    assert store.audit.of_event("evt_2") == []


def test_an_arrow_that_is_none_is_refused_before_sql(store: Store) -> None:
    """TRANSITIONS is the law for the store as for everybody."""
    submit(store)
    held = claim(store)
    with pytest.raises(WrongTransition):
        store.chunks.record(held, [step(2, S.PENDING, S.ACCEPTED)], lease_s=60)


def test_a_step_of_another_chunks_edit_is_refused(store: Store) -> None:
    """The right to write is about one chunk."""
    submit(store, some_rows(4), chunk_size=2)
    with pytest.raises(WrongTransition):
        store.chunks.record(claim(store), [step(5, S.PENDING, S.SENDING)], lease_s=60)
    assert states(store)[5] == (S.PENDING, "")


@pytest.mark.row(10)
def test_a_record_whose_answer_was_lost_may_be_repeated(store: Store) -> None:
    """The commit arrived, its answer did not: the same again is no error and no second entry."""
    submit(store, some_rows(2))
    held = claim(store)
    bring(store, held, S.SENDING)
    steps = [step(2, S.SENDING, S.ACCEPTED), step(3, S.SENDING, S.ACCEPTED)]
    notes = [Note(actor="calpatch", action="edit.accepted", line_no=2)]
    for _ in range(2):
        store.chunks.record(held, steps, lease_s=60, notes=notes, calls=[CallRow("batch", 207, 1)])
    assert [row.action for row in store.audit.of_event("evt_2")] == [
        "edit.sending",
        "edit.accepted",
    ]
    assert store.reading.calls("c-june") == [CallRow("batch", 207, 1)]
    with pytest.raises(WrongTransition):
        store.chunks.record(held, [*steps[:1], step(3, S.SENDING, S.FAILED)], lease_s=60)


def test_an_edit_may_learn_something_and_stay_where_it_is(store: Store) -> None:
    """An attempt used up without an answer is worth a row; a final edit learns nothing more."""
    submit(store, some_rows(2))
    held = claim(store)
    bring(store, held, S.SENDING, attempts=1)
    steps = [step(2, S.SENDING, S.SENDING, attempts=2), step(3, S.SENDING, S.ACCEPTED)]
    for _ in range(2):
        store.chunks.record(held, steps, lease_s=60)
    assert [one.attempts for one in store.reading.outcomes("c-june")] == [2, 1]
    with pytest.raises(WrongTransition):
        store.chunks.record(held, [step(3, S.VERIFIED, S.VERIFIED)], lease_s=60)


def test_calls_add_up_by_route_and_status(store: Store) -> None:
    """What was asked of the API is counted where its outcome is recorded."""
    submit(store)
    held = claim(store)
    store.chunks.record(held, [], lease_s=60, calls=[CallRow("events", 200, 2)])
    store.chunks.release(held, calls=[CallRow("batch", 0, 1), CallRow("events", 200, 1)])
    assert store.reading.calls("c-june") == [CallRow("batch", 0, 1), CallRow("events", 200, 3)]


# ---------------------------------------------------------------- release


@pytest.mark.parametrize(
    ("reached", "state"),
    [
        (S.SENDING, ChunkState.PENDING),
        (S.ACCEPTED, ChunkState.VERIFYING),
        (S.VERIFIED, ChunkState.DONE),
        (S.FAILED, ChunkState.DONE),
    ],
)
def test_a_released_chunk_is_what_its_edits_say(
    store: Store, reached: S, state: ChunkState
) -> None:
    """Nobody asserts a chunk's state: its edits do."""
    submit(store, some_rows(2))
    released = run_to(store, "c-june.1", reached)
    assert (released.state, released.campaign_id) == (state, "c-june")
    assert chunk(store).lease_owner is None


def test_what_is_to_be_sent_comes_before_what_is_to_be_proven(store: Store) -> None:
    """A chunk with both waits for a worker, at the time said for that."""
    submit(store, some_rows(2))
    held = claim(store)
    bring(store, held, S.ACCEPTED, lines=[2])
    assert store.chunks.release(held, retry_in_s=0, verify_in_s=60).state is ChunkState.PENDING
    assert [edit.state for edit in claim(store).edits] == [S.ACCEPTED, S.PENDING]


def test_the_count_of_proofs_is_kept(store: Store) -> None:
    """How often a chunk was read back decides when to read next."""
    submit(store)
    held = claim(store)
    bring(store, held, S.ACCEPTED)
    store.chunks.release(held, proofs=3)
    (again,) = store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    store.chunks.release(again)
    assert again.proofs == chunk(store).proofs == 3


# ---------------------------------------------------------------- bulk


@pytest.mark.parametrize("count", [1, 400])
def test_statements_do_not_grow_with_the_edits(store: Store, count: int) -> None:
    """Bulk statements only: no round trip per edit on the hot path (DESIGN §5)."""
    submit(store, some_rows(count), chunk_size=400)
    store.accounts.import_all([an_account()], actor="ada")
    store.chunks.release(claim(store))  # the first claim ever makes the key of the images
    said: list[str] = []
    event.listen(
        store.database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: said.append(statement),
    )
    held = claim(store)
    claimed, said[:] = len(said), []
    bring(store, held, S.SENDING)
    recorded, said[:] = len(said), []
    store.chunks.release(held)
    begins = 1 if store.database.is_sqlite else 0  # SQLAlchemy shows ours, not the driver's
    assert (claimed, recorded, len(said)) == (4 + begins, 5 + begins, 2 + begins)


def test_started_is_said_once(store: Store) -> None:
    """The first claim starts a campaign; later ones leave its time alone."""
    submit(store, some_rows(4), chunk_size=2)
    first = claim(store).campaign.started_at
    assert claim(store, "c-june.2").campaign.started_at == first
    assert execute(store, "SELECT count(started_at) FROM campaigns")[0] == 1


def test_an_account_with_more_chunks_than_one_read_back_takes_gets_them_in_turns(
    store: Store,
) -> None:
    """However many edits an account has, no worker holds more than a bounded part (law 11)."""
    count = MOST_PROOFS + 3
    submit(store, some_rows(count), chunk_size=1)
    for number in range(1, count + 1):
        run_to(store, f"c-june.{number}", S.ACCEPTED)

    first = store.chunks.claim_proofs("acc_1", owner="w1", lease_s=60)
    second = store.chunks.claim_proofs("acc_1", owner="w2", lease_s=60)

    assert (len(first), len(second)) == (MOST_PROOFS, 3)
