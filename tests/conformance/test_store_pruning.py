"""Retention: old images go, then old outcomes; the campaign, its counts and the audit stay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.conformance.stores import (
    S,
    a_row,
    bring,
    chunk,
    claim,
    execute,
    run_to,
    some_rows,
    states,
    step,
    submit,
)
from worker import points
from worker.model import CampaignState, Code
from worker.store import CallRow, Note, Pruned, Store

DAY = 86_400.0
NOTHING = Pruned()


def ended(store: Store, key: str, *, days_ago: float, lines: range = range(2, 6)) -> str:
    """Have a campaign that ended so long ago; returns its id."""
    rows = [a_row(line, event_uid=f"{key}_{line}") for line in lines]
    campaign = submit(store, rows, key=key)
    held = claim(store, f"c-{key}.1")
    bring(store, held, S.VERIFIED)
    store.chunks.record(held, [], lease_s=60, calls=[CallRow("batch", 207, 1)])
    store.chunks.release(held)
    later = store.database.later_sql("ago")
    execute(
        store,
        f"UPDATE campaigns SET finished_at = {later} WHERE id = :id",
        id=campaign.id,
        ago=-days_ago * DAY,
    )
    return campaign.id


@pytest.fixture
def aged(store: Store) -> Store:
    """A store with campaigns of yesterday, of a hundred days ago, and of a year ago."""
    for key, days in (("young", 1), ("old", 100), ("oldest", 365)):
        ended(store, key, days_ago=days)
    return store


def images(store: Store) -> dict[str, int]:
    """Return how many images each campaign still has, in whichever column."""
    sql = (
        "SELECT campaign_id, count(before) + count(target) + count(prior_target) AS n FROM edits"
        " GROUP BY campaign_id"
    )
    with store.database.read() as connection:
        return {row.campaign_id: row.n for row in connection.execute(text(sql))}


def keys(store: Store) -> set[str]:
    """Return the campaigns that still have their key."""
    with store.database.read() as connection:
        sql = "SELECT id FROM campaigns WHERE image_key IS NOT NULL"
        return set(connection.execute(text(sql)).scalars())


def prune(store: Store, *, images: float | None = None, outcomes: float | None = None) -> Pruned:
    """Prune what is older than so many days."""
    return store.pruning.prune(
        images_s=None if images is None else images * DAY,
        outcomes_s=None if outcomes is None else outcomes * DAY,
        actor="ada",
    )


# ---------------------------------------------------------------- images


def test_old_images_go_and_young_ones_stay(aged: Store) -> None:
    """Of each campaign by its own end."""
    assert prune(aged, images=90) == Pruned(images_campaigns=2, images_edits=8)
    assert images(aged) == {"c-young": 8, "c-old": 0, "c-oldest": 0}
    assert keys(aged) == {"c-young"}
    assert [one.before is None for one in aged.reading.outcomes("c-old")] == [True] * 4
    assert [one.before is None for one in aged.reading.outcomes("c-young")] == [False] * 4
    assert aged.reading.unopened is None


def test_outcomes_of_pruned_images_stay(aged: Store) -> None:
    """What became of each line, and the line itself."""
    before = {key: states(aged, key) for key in ("c-young", "c-old")}
    prune(aged, images=90)
    assert {key: states(aged, key) for key in before} == before
    assert next(iter(aged.reading.outcomes("c-old"))).cells == ("acc_1", "2")


def test_campaigns_that_run_keep_all(store: Store) -> None:
    """However old: their images are still needed."""
    submit(store, some_rows(2))
    bring(store, claim(store), S.SENDING)
    execute(store, "UPDATE campaigns SET submitted_at = '2020-01-01 00:00:00.000000'")
    assert prune(store, images=0, outcomes=0) == NOTHING
    assert images(store) == {"c-june": 4}


def test_nothing_goes_that_shall_be_kept_for_ever(aged: Store) -> None:
    """Without an age, none is too old."""
    assert prune(aged) == NOTHING
    assert len(keys(aged)) == 3


def test_an_event_is_not_shifted_twice_for_it(aged: Store) -> None:
    """That the shift was made is known, though not where it put the event (law 3)."""
    submit(aged, [a_row(2, event_uid="old_2", change_digest="shift a day of old_2")], key="again")
    prune(aged, images=90)
    (edit,) = claim(aged, "c-again.1").edits
    assert (edit.prior_target, edit.prior_is_gone) == (None, True)


# ---------------------------------------------------------------- outcomes


def test_old_outcomes_go_with_their_images_and_calls(aged: Store) -> None:
    """The rows themselves; the campaign, its chunks and the audit stay."""
    assert prune(aged, outcomes=300) == Pruned(outcomes_campaigns=1, outcomes_edits=4)
    assert images(aged) == {"c-young": 8, "c-old": 8}
    assert aged.reading.calls("c-oldest") == []
    assert aged.reading.calls("c-old") != []
    campaign = aged.campaigns.get("c-oldest")
    assert campaign is not None
    assert (campaign.state, campaign.total) == (CampaignState.COMPLETED, 4)
    assert campaign.pruned_at is not None
    assert campaign.image_key is None
    assert chunk(aged, "c-oldest.1").state == "done"


def test_counts_are_still_told(aged: Store) -> None:
    """From the entry with which the campaign ended."""
    prune(aged, outcomes=300)
    assert aged.reading.counts("c-oldest") == {(S.VERIFIED, ""): 4}
    assert aged.reading.counts("c-none") == {}


def test_counts_of_a_campaign_without_proof_are_no_errors(store: Store) -> None:
    """Its lines ended unverified because nobody asked."""
    submit(store, some_rows(2))
    run_to(store, "c-june.1", S.ACCEPTED)
    execute(store, "UPDATE chunks SET state = 'pending', retry_at = NULL")
    held = claim(store)
    unproven = str(Code.NO_PROOF_ASKED)
    lines = [edit.line_no for edit in held.edits]
    steps = [step(line, S.ACCEPTED, S.UNVERIFIED, code=unproven) for line in lines]
    store.chunks.record(held, steps, lease_s=60)
    store.chunks.release(held)
    prune(store, outcomes=0)
    assert store.reading.counts("c-june") == {(S.UNVERIFIED, unproven): 2}


def test_the_same_key_is_still_never_run_twice(aged: Store) -> None:
    """A nightly job that is started again after a year finds its campaign."""
    prune(aged, outcomes=300)
    found = submit(aged, key="oldest")
    assert (found.id, found.total) == ("c-oldest", 4)


# ---------------------------------------------------------------- the audit


def test_the_audit_holds_and_tells_what_was_pruned(aged: Store) -> None:
    """Of each campaign in its own chain, and of the run as a whole."""
    kept = aged.audit.chunk_heads("c-oldest")
    prune(aged, images=90, outcomes=300)
    assert aged.audit.verify()[1] == []
    assert aged.audit.chunk_heads("c-oldest") == kept
    told = "SELECT chain, actor, action, detail FROM audit WHERE action LIKE '%pruned' ORDER BY id"
    with aged.database.read() as connection:
        found = [tuple(row) for row in connection.execute(text(told))]
    assert found == [
        ("c-oldest", "ada", "campaign.outcomes_pruned", "{}"),
        ("c-old", "ada", "campaign.images_pruned", '{"edits":4}'),
        (
            "prune",
            "ada",
            "pruned",
            '{"images":{"campaigns":1,"edits":4},"outcomes":{"campaigns":1,"edits":4},"pulses":0}',
        ),
    ]


def test_a_forged_chunk_is_found_after_pruning(aged: Store) -> None:
    """What a campaign's end has bound is still looked for, though its chain has gone on."""
    prune(aged, images=90)
    execute(aged, "UPDATE chunks SET audit_seq = 0, audit_head = '' WHERE id = 'c-old.1'")
    chains = [each.chain for each in aged.audit.verify()[1]]
    assert "c-old" in chains


# ---------------------------------------------------------------- again, and at once


def test_a_dry_run_tells_and_does_nothing(aged: Store) -> None:
    """The same numbers as the run that follows."""
    would = aged.pruning.would_prune(images_s=90 * DAY, outcomes_s=300 * DAY)
    assert len(keys(aged)) == 3
    assert would == Pruned(
        images_campaigns=2, images_edits=8, outcomes_campaigns=1, outcomes_edits=4
    )
    done = prune(aged, images=90, outcomes=300)
    # What loses its outcomes loses its images with them, and is counted once.
    assert done == Pruned(
        images_campaigns=1, images_edits=4, outcomes_campaigns=1, outcomes_edits=4
    )


def test_pruning_again_finds_nothing(aged: Store) -> None:
    """And says so in the audit of the run alone."""
    prune(aged, images=90, outcomes=300)
    count = aged.audit.verify()[0]
    assert prune(aged, images=90, outcomes=300) == NOTHING
    assert aged.audit.verify() == (count + 1, [])


@pytest.mark.parametrize("commit", range(1, 9))
def test_an_interrupted_run_is_finished_by_the_next(
    aged: Store, monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    """After any of its commits."""
    monkeypatch.setattr("worker.store.blanking.BATCH", 3)
    seen = 0

    def heard(name: str) -> None:
        nonlocal seen
        seen += name == "commit.after"
        if seen == commit:
            raise KeyboardInterrupt

    points.listen(heard)
    try:
        with pytest.raises(KeyboardInterrupt):
            prune(aged, images=90, outcomes=300)
    finally:
        points.listen(None)
    prune(aged, images=90, outcomes=300)
    assert images(aged) == {"c-young": 8, "c-old": 0}
    assert keys(aged) == {"c-young"}
    assert aged.reading.calls("c-oldest") == []
    assert aged.audit.verify()[1] == []
    marks = "SELECT count(*) FROM audit WHERE action LIKE 'campaign.%pruned'"
    assert execute(aged, marks)[0] == 2


def test_runs_at_once_and_workers_do_no_harm(aged: Store) -> None:
    """Each campaign is pruned once, whoever comes first, and work goes on."""
    submit(aged, some_rows(40), key="now", chunk_size=4)

    def work(number: int) -> None:
        run_to(aged, f"c-now.{number}", S.VERIFIED)

    with ThreadPoolExecutor(6) as threads:
        runs = [threads.submit(prune, aged, images=90, outcomes=300) for _ in range(3)]
        runs += [threads.submit(work, number) for number in range(1, 11)]  # type: ignore[arg-type]
        for run in runs:
            run.result()
    assert set(states(aged, "c-now").values()) == {(S.VERIFIED, "")}
    marks = "SELECT count(*) FROM audit WHERE action LIKE 'campaign.%pruned'"
    assert execute(aged, marks)[0] == 2
    assert aged.audit.verify()[1] == []


def test_signs_of_life_of_long_ago_go(store: Store) -> None:
    """A worker's name has its process's number in it: they would become ever more."""
    store.queue.beat("worker:old:1")
    later = store.database.later_sql("ago")
    execute(store, f"UPDATE pulses SET at = {later}", ago=-8 * DAY)
    store.queue.beat("worker:new:2")
    assert store.pruning.would_prune(images_s=None, outcomes_s=None) == Pruned(pulses=1)
    assert prune(store) == Pruned(pulses=1)
    assert set(store.queue.pulses()) == {"worker:new:2"}


def test_a_note_of_a_run_is_of_the_prune_chain(store: Store) -> None:
    """Which has its head like any other."""
    store.audit.note("prune", [Note(actor="ada", action="pruned")])
    prune(store)
    assert store.audit.verify() == (2, [])
