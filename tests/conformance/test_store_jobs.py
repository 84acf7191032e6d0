"""Jobs: runs that never overlap and never go back in time, decided where a run is stored."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from fractions import Fraction

import pytest

from tests.conformance.stores import SALT, S, a_campaign, a_row, execute, run_to, some_rows, submit
from worker.errors import Held
from worker.model import CampaignState, Run
from worker.rules import JOB_RUNS
from worker.store import Campaign, EditRow, JobBusy, Store

_S = CampaignState


def a_run(store: Store, number: int, **fields: object) -> Campaign:
    """Submit the run of a night in November, over an event of its own."""
    fields = {"job": "nightly", "job_date": date(2026, 11, number), "digest": str(number)} | fields
    rows = [a_row(event_uid=f"evt_{number}")]
    return submit(store, rows, key=f"n{number}", **fields)


def finish(store: Store, number: int, state: S = S.VERIFIED) -> None:
    """Bring a run to its end."""
    run_to(store, f"c-n{number}.1", state)
    campaign = store.campaigns.get(f"c-n{number}")
    assert campaign is not None
    assert campaign.finished_at is not None


def cancel(store: Store, number: int) -> None:
    """Cancel a run that has sent nothing."""
    name = f"c-n{number}"
    store.steering.cancel(name, actor="ann", reason="wrong file")
    run_to(store, f"{name}.1", S.NOT_ATTEMPTED)


def test_a_job_waits_for_its_run_before(store: Store) -> None:
    """It names the run, its state and the way out; other jobs, and no jobs, go on."""
    a_run(store, 1)
    with pytest.raises(JobBusy) as busy:
        a_run(store, 2)
    assert busy.value.campaign_id == "c-n1"
    assert "Job nightly still has a run open: c-n1 n1 is running" in str(busy.value)
    assert "calpatch status c-n1 --watch" in str(busy.value)
    assert store.campaigns.get("n2") is None
    a_run(store, 3, job="weekly")
    a_run(store, 4, job="", job_date=None)
    finish(store, 1)
    assert a_run(store, 5).state is _S.RUNNING


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (
            _S.AWAITING_APPROVAL,
            "calpatch apply c-n1 --reason TEXT; or end it: calpatch reject c-n1",
        ),
        (_S.PAUSED, "calpatch resume c-n1 --reason TEXT; or end it: calpatch cancel c-n1"),
        (_S.PLANNING, "calpatch status c-n1 --watch"),
        (_S.SCHEDULED, "calpatch status c-n1 --watch"),
    ],
)
def test_a_run_that_waits_for_somebody_is_told_with_what_to_do(
    store: Store, state: CampaignState, said: str
) -> None:
    """Or every night after it would be held, and nobody would know by what."""
    a_run(store, 1)
    execute(
        store, "UPDATE campaigns SET state = :state, state_reason = 'why' WHERE id = 'c-n1'",
        state=str(state),
    )  # fmt: skip
    with pytest.raises(JobBusy) as busy:
        store.jobs.check("nightly")
    assert said in str(busy.value)
    assert "(why)" in str(busy.value)


def test_the_same_night_again_is_the_same_run(store: Store) -> None:
    """A key that is known is answered, whatever the job does now."""
    first = a_run(store, 1)
    again, created = store.campaigns.submit(
        a_campaign("n1", job="nightly", job_date=date(2026, 10, 1), digest="1"),
        some_rows(1), campaign_id="c-other", image_key=SALT, chunk_size=5,
    )  # fmt: skip
    assert (again.id, created) == (first.id, False)


def test_two_runs_at_once_make_one(store: Store) -> None:
    """Two machines with the same crontab, under keys of their own: exactly one wins."""

    def one(number: int) -> str:
        try:
            return a_run(store, number).id
        except JobBusy:
            return ""

    with ThreadPoolExecutor(6) as threads:
        won = [each for each in threads.map(one, range(1, 7)) if each]
    assert len(won) == 1
    assert execute(store, "SELECT count(*) FROM campaigns")[0] == 1


def test_a_run_is_refused_that_became_one_too_many_meanwhile(store: Store) -> None:
    """The look before the long work decides nothing: the transaction that stores does."""

    def rows() -> Iterator[EditRow]:
        a_run(store, 1)  # somebody else, while our file was read
        yield a_row(event_uid="evt_2")

    with pytest.raises(JobBusy):
        submit(store, rows(), key="n2", job="nightly")
    assert store.campaigns.get("n2") is None


# ---------------------------------------------------------------- days


def test_a_day_before_the_newest_runs_is_refused(store: Store) -> None:
    """Yesterday's values would go over today's; somebody may mean it."""
    a_run(store, 10)
    finish(store, 10)
    with pytest.raises(Held) as held:
        a_run(store, 9)
    assert "Job nightly has been run for 2026-11-10 already (c-n10 n10)" in str(held.value)
    assert "Add --catch-up if that is meant" in str(held.value)
    assert a_run(store, 8, catch_up=True).job_date == date(2026, 11, 8)


def test_the_same_day_may_be_run_twice_and_no_day_always(store: Store) -> None:
    """A second export at noon is newer than the first; without a day there is no order."""
    a_run(store, 10)
    finish(store, 10)
    a_run(store, 11, job_date=date(2026, 11, 10))
    finish(store, 11)
    assert a_run(store, 12, job_date=None).job_date is None


def test_a_run_that_did_nothing_stands_in_no_ones_way(store: Store) -> None:
    """A plan that was rejected wrote nothing that an older day could spoil."""
    a_run(store, 10)
    cancel(store, 10)
    assert a_run(store, 9).state is _S.RUNNING


def test_a_cancelled_run_that_wrote_does(store: Store) -> None:
    """What it wrote is newer."""
    submit(store, some_rows(2), key="n10", chunk_size=1, job="nightly", job_date=date(2026, 11, 10))
    run_to(store, "c-n10.1", S.VERIFIED)
    store.steering.cancel("c-n10", actor="ann", reason="enough")
    run_to(store, "c-n10.2", S.NOT_ATTEMPTED)
    with pytest.raises(Held, match="for 2026-11-10 already"):
        store.jobs.check("nightly", day=date(2026, 11, 9))


def test_an_undo_is_no_run_of_the_job(store: Store) -> None:
    """Whoever takes a night back does not hold up the next one."""
    a_run(store, 1)
    finish(store, 1)
    a_run(store, 2, kind="undo", parent="c-n1")
    store.jobs.check("nightly")
    assert len(store.jobs.changes("nightly")) == 1


# ---------------------------------------------------------------- the median


def nights(store: Store, *ends: S, first: int = 1) -> None:
    """Finish a run for each end, of one edit each."""
    for number, state in enumerate(ends, start=first):
        a_run(store, number)
        finish(store, number, state)


def capped(store: Store, number: int, **run: int) -> Run:
    """Submit a run under three times the median, and return how it is carried out."""
    return a_run(store, number, max_changes_median=Fraction(3), run=Run(**run)).run


def test_changes_are_what_may_have_changed_an_event(store: Store) -> None:
    """Unchanged, skipped, refused and left-over edits changed none."""
    ends = (S.VERIFIED, S.UNVERIFIED, S.MISMATCH, S.UNCHANGED, S.SKIPPED, S.CONFLICT, S.FAILED)
    nights(store, *ends)
    assert store.jobs.changes("nightly") == [0, 0, 0, 0, 1, 1, 1]


def test_the_cap_is_worked_out_where_the_run_is_stored(store: Store) -> None:
    """It is in the campaign, and in the audit, as a number and in words."""
    nights(store, *[S.VERIFIED] * 5)
    run = capped(store, 9)
    assert (run.max_changes, run.cap_basis) == (
        3, "3x-median is 3: the median of the last 5 runs is 1 change",
    )  # fmt: skip
    said = execute(store, "SELECT detail FROM audit WHERE action = 'campaign.submitted'"
                   " AND campaign_id = 'c-n9'")[0]  # fmt: skip
    assert '"max_changes":3,"cap_basis":"3x-median is 3' in said
    assert '"job":"nightly","for":"2026-11-09"' in said


def test_a_number_beside_the_median_holds_as_well(store: Store) -> None:
    """The smaller of the two; alone, until there are enough runs."""
    run = capped(store, 1, max_changes=7)
    assert (run.max_changes, run.cap_basis[:32]) == (7, "3x-median does not apply yet: it")
    finish(store, 1)
    nights(store, *[S.VERIFIED] * 5, first=2)
    assert capped(store, 9, max_changes=7).max_changes == 3
    finish(store, 9)
    assert capped(store, 10, max_changes=2).max_changes == 2


def test_only_the_last_runs_count(store: Store) -> None:
    """What the job did last year says nothing of tonight."""
    nights(store, *[S.UNCHANGED] * 5, *[S.VERIFIED] * JOB_RUNS)
    assert store.jobs.changes("nightly") == [1] * JOB_RUNS


def test_runs_that_never_finished_do_not_count(store: Store) -> None:
    """A cancelled night is no usual one."""
    a_run(store, 1)
    cancel(store, 1)
    assert store.jobs.changes("nightly") == []


def test_a_pruned_run_still_counts(store: Store) -> None:
    """Its lines are gone; the audit has their counts."""
    nights(store, S.VERIFIED)
    execute(store, "DELETE FROM edits")
    assert store.jobs.changes("nightly") == [1]
