"""Submission: all or nothing, once per key, an event in one campaign only, chunks well cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders import an_image
from tests.conformance.stores import (
    SALT,
    S,
    a_campaign,
    a_row,
    bring,
    claim,
    execute,
    run_to,
    some_rows,
    states,
    step,
    submit,
)
from worker.errors import KeyConflict
from worker.model import CampaignState, Code, Policy
from worker.store import Campaign, EditRow, Store


def test_a_campaign_comes_back_as_it_was_submitted(store: Store) -> None:
    """Policy, columns and salt decide about every edit, so that they must survive as they are."""
    policy = Policy(past_events=True, dst_gap="later", verify="none", max_attempts=3)
    sent = a_campaign(policy=policy, columns=("account", 'with "quotes"'), reason="Ünïcödé")
    campaign, created = store.campaigns.submit(
        sent, some_rows(3), campaign_id="c-june", image_key=SALT, chunk_size=2
    )
    assert created
    assert (campaign.id, campaign.key, campaign.total) == ("c-june", "june", 3)
    assert (campaign.policy, campaign.columns, campaign.reason) == (
        policy,
        sent.columns,
        "Ünïcödé",
    )
    assert campaign.image_key == SALT
    assert campaign.state is CampaignState.RUNNING
    assert store.campaigns.get("c-june") == store.campaigns.get("june") == campaign


def test_rows_come_back_as_they_were_submitted(store: Store) -> None:
    """Quotes, emoji and an escaped NUL within a patch are data; SQL never looks inside."""
    cells = '["a\\u0000b","=1+1","💥 \\"x\\""]'
    patch = '{"summary":"a\\u0000b 💥"}'
    submit(store, [a_row(7, cells=cells, patch=patch, ref="r'\"; --", hint="2026-06-02")])
    outcome = next(iter(store.reading.outcomes("c-june")))
    assert outcome.cells == ("a\0b", "=1+1", '💥 "x"')
    assert (outcome.ref, outcome.line_no) == ("r'\"; --", 7)
    edit = claim(store).edits[0]
    assert edit.patch.summary == "a\0b 💥"
    assert str(edit.hint) == "2026-06-02"


def test_a_failed_submission_leaves_nothing(store: Store) -> None:
    """The file may break off at its last line: a half campaign would be worse than none."""

    def broken() -> Iterator[EditRow]:
        yield from some_rows(3)
        raise RuntimeError("the file broke off")

    with pytest.raises(RuntimeError):
        submit(store, broken())
    assert store.campaigns.get("june") is None
    assert execute(store, "SELECT count(*) FROM edits")[0] == 0
    assert submit(store, some_rows(3)).total == 3


def test_more_rows_than_a_batch_are_all_stored(store: Store) -> None:
    """Batches are an affair of the store; a generator is enough, and is read once."""
    campaign = submit(store, iter(some_rows(4_500)), chunk_size=1_000)
    assert campaign.total == 4_500
    assert store.reading.counts(campaign.id) == {(S.PENDING, ""): 4_500}
    found = execute(store, "SELECT count(*) AS n, sum(size) AS size FROM chunks")
    assert (found.n, found.size) == (5, 4_500)


def test_a_campaign_of_no_lines_is_completed_at_once(store: Store) -> None:
    """Nothing to do is done; nobody waits for a worker."""
    campaign, _ = store.campaigns.submit(
        a_campaign(), [], campaign_id="c-june", image_key=SALT, chunk_size=5
    )
    assert campaign.state is CampaignState.COMPLETED


# ---------------------------------------------------------------- keys


def test_the_same_key_and_content_gives_the_first_campaign(store: Store) -> None:
    """A submission may be repeated after a lost answer without editing anything twice."""
    submit(store, some_rows(2))
    again, created = store.campaigns.submit(
        a_campaign(), some_rows(2), campaign_id="c-other", image_key=SALT, chunk_size=50
    )
    assert (again.id, created) == ("c-june", False)
    assert store.campaigns.get("c-other") is None


def test_the_same_key_with_other_content_is_refused(store: Store) -> None:
    """A key names one wish for ever; the message says which campaign has it."""
    submit(store)
    with pytest.raises(KeyConflict, match="already names campaign c-june, with other content"):
        submit(store, digest="other content")


def test_submissions_of_one_key_at_once_make_one_campaign(store: Store) -> None:
    """A double click, or two schedulers: one makes it, the others are given it."""

    def one(number: int) -> tuple[Campaign, bool]:
        return store.campaigns.submit(
            a_campaign(), some_rows(20), campaign_id=f"c-{number}", image_key=SALT, chunk_size=5
        )

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(one, range(8)))
    assert sum(created for _, created in results) == 1
    assert len({campaign.id for campaign, _ in results}) == 1
    assert execute(store, "SELECT count(*) FROM edits")[0] == 20


# ---------------------------------------------------------------- one campaign per event


def test_an_event_in_an_open_campaign_is_skipped(store: Store) -> None:
    """Two campaigns at one event would each take the other's change for somebody else's."""
    submit(store, some_rows(3))
    second = submit(store, some_rows(4), key="july")
    found = states(store, second.id)
    assert [found[line] for line in (2, 3, 4)] == [(S.SKIPPED, Code.ALREADY_IN_CAMPAIGN)] * 3
    assert found[5] == (S.PENDING, "")


def test_an_event_is_free_again_when_its_edit_is_final(store: Store) -> None:
    """Only open edits hold an event."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    second = submit(store, key="july")
    assert states(store, second.id)[2] == (S.PENDING, "")


def test_the_same_uid_elsewhere_is_another_event(store: Store) -> None:
    """Uids are unique within an account and calendar only."""
    rows = [
        a_row(2, event_uid="evt"),
        a_row(3, event_uid="evt", calendar_id="cal_2"),
        a_row(4, event_uid="evt", account="acc_2"),
    ]
    assert set(states(store, submit(store, rows).id).values()) == {(S.PENDING, "")}


def test_submissions_of_one_event_at_once_give_it_to_one(store: Store) -> None:
    """However they interleave, every event is pending in exactly one campaign."""

    def one(number: int) -> str:
        # In different orders, which would deadlock if they ran at the same time.
        rows = [a_row(line, event_uid=f"evt_{line % 40}") for line in range(2, 42)]
        turned = rows[number * 5 :] + rows[: number * 5]
        return submit(store, turned, key=f"key{number}").id

    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(one, range(8)))
    ended = [states(store, campaign_id).values() for campaign_id in ids]
    outcomes = list(itertools.chain.from_iterable(ended))
    assert outcomes.count((S.PENDING, "")) == 40
    assert outcomes.count((S.SKIPPED, Code.ALREADY_IN_CAMPAIGN)) == 280


@pytest.mark.parametrize("gap", [1, 3_000], ids=["one batch", "two batches"])
def test_a_second_edit_of_an_event_in_one_file_is_a_duplicate(store: Store, gap: int) -> None:
    """Intake tells them apart; should one slip through, the store refuses it by name."""
    rows = [*some_rows(gap), a_row(gap + 2, event_uid="evt_2")]
    submit(store, rows, chunk_size=5_000)
    assert states(store)[gap + 2] == (S.SKIPPED, Code.DUPLICATE_IN_FILE)


def test_marked_duplicates_are_skipped_with_an_entry_each(store: Store) -> None:
    """Every line has its outcome, and every outcome its audit entry, sent or not."""
    submit(store, [a_row(2), a_row(3, event_uid="evt_2", duplicate=True)])
    assert states(store)[3] == (S.SKIPPED, Code.DUPLICATE_IN_FILE)
    entries = [(row.line_no, row.action, row.code) for row in store.audit.of_event("evt_2")]
    assert entries == [(3, "edit.skipped", "duplicate_in_file")]


def test_a_campaign_of_skipped_lines_only_is_completed_at_once(store: Store) -> None:
    """It needs no worker, and more lines than one batch of entries."""
    rows = [a_row(line, duplicate=True) for line in range(2, 4_502)]
    assert submit(store, rows).state is CampaignState.COMPLETED
    count, breaks = store.audit.verify()
    assert (count, breaks) == (4_502, [])


# ---------------------------------------------------------------- prior shifts


@pytest.mark.parametrize("state", [S.VERIFIED, S.UNVERIFIED, S.MISMATCH, S.FAILED])
def test_an_equal_shift_knows_where_the_earlier_one_put_the_event(store: Store, state: S) -> None:
    """Whatever the earlier one ended as: once sent, it may have moved the event (law 3)."""
    submit(store)
    target = an_image(summary="where it was put")
    held = claim(store)
    bring(store, held, S.SENDING, target=target)
    store.chunks.release(held)
    run = {S.FAILED: [S.FAILED]}.get(state, [S.ACCEPTED, state])
    _walk(store, run)
    submit(store, key="july")
    assert claim(store, "c-july.1").edits[0].prior_target == target


def _walk(store: Store, way: list[S]) -> None:
    held, was = claim(store), S.SENDING
    for to in way:
        store.chunks.record(held, [step(2, was, to)], lease_s=60)
        was = to
    store.chunks.release(held)


def test_only_an_equal_shift_of_the_same_event_counts(store: Store) -> None:
    """Another change, another event, or an absolute change cannot move an event twice."""
    submit(store)
    run_to(store, "c-june.1", S.VERIFIED)
    rows = [
        a_row(2, change_digest="another shift"),
        a_row(3, event_uid="evt_2", calendar_id="cal_2"),
        a_row(4, event_uid="evt_2", account="acc_2"),
    ]
    submit(store, rows, key="july")
    execute(store, "UPDATE edits SET state = 'failed' WHERE campaign_id = 'c-july'")
    submit(store, [a_row(2, relative=False)], key="august")
    stored = execute(store, "SELECT count(prior_target) FROM edits")
    assert stored[0] == 0


def test_a_shift_that_was_never_sent_is_no_prior_one(store: Store) -> None:
    """A skipped shift has not moved anything."""
    submit(store)
    run_to(store, "c-june.1", S.SKIPPED)
    submit(store, key="july")
    assert claim(store, "c-july.1").edits[0].prior_target is None


# ---------------------------------------------------------------- chunks


def test_chunks_hold_one_account_and_no_more_than_their_size(store: Store) -> None:
    """A chunk is one account's, since one token and one read serve it."""
    rows = [a_row(line, account=f"acc_{line % 3}") for line in range(2, 32)]
    submit(store, rows, chunk_size=4)
    sizes: dict[str, list[int]] = {}
    for number in range(1, 10):
        held = claim(store, f"c-june.{number}")
        assert (
            len(held.edits)
            == execute(store, "SELECT size FROM chunks WHERE id = :id", id=held.chunk_id)[0]
        )
        sizes.setdefault(held.account.sub, []).append(len(held.edits))
    assert sizes == {name: [4, 4, 2] for name in ("acc_0", "acc_1", "acc_2")}


def test_accounts_take_turns(store: Store) -> None:
    """A large account does not keep the small ones waiting until it is done."""
    large = [a_row(line, account="acc_large") for line in range(2, 12)]
    small = [a_row(line, account="acc_small") for line in range(12, 14)]
    submit(store, large + small, chunk_size=2)
    turns = [claim(store, f"c-june.{number}").account.sub for number in (1, 2, 3, 4)]
    assert turns == ["acc_large", "acc_small", "acc_large", "acc_large"]


def test_edits_of_one_chunk_lie_close_together(store: Store) -> None:
    """They are cut in the order of their dates, so that one window read serves many; none last."""
    days = [f"2026-06-{day:02}" for day in (20, 3, 11, 1, 12, 2)]
    rows = [a_row(line, hint=hint) for line, hint in enumerate([*days, None, None], start=2)]
    submit(store, rows, chunk_size=3)
    hints = [
        sorted(str(edit.hint) for edit in claim(store, f"c-june.{number}").edits)
        for number in (1, 2, 3)
    ]
    assert hints == [
        ["2026-06-01", "2026-06-02", "2026-06-03"],
        ["2026-06-11", "2026-06-12", "2026-06-20"],
        ["None", "None"],
    ]


def test_skipped_lines_are_in_no_chunk(store: Store) -> None:
    """A chunk's size says how much work it is."""
    rows = [a_row(line, duplicate=line % 2 == 0) for line in range(2, 12)]
    submit(store, rows, chunk_size=50)
    assert len(claim(store).edits) == 5
    assert execute(store, "SELECT count(*) FROM edits WHERE chunk_id IS NULL")[0] == 5
