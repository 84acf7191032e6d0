"""Jobs: campaigns that are runs of one thing, night after night, and never overlap.

What is said here is decided within the transaction that stores a run, under the lock that all
submissions take in turn: of two at the same moment one is stored, and the other is refused.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from msgspec import structs
from sqlalchemy import Connection, select

from worker.errors import Held
from worker.model import ENDED, CampaignState
from worker.rules import JOB_RUNS, median_cap
from worker.store.binding import bound_counts
from worker.store.database import Database
from worker.store.rows import campaign_of
from worker.store.tables import campaigns
from worker.store.values import Campaign, NewCampaign

_S = CampaignState
#: what has finished, whatever came of its edits
_FINISHED = (_S.COMPLETED, _S.COMPLETED_WITH_ERRORS)
#: outcomes of edits that have changed an event, or may have
_CHANGED = ("verified", "unverified", "mismatch")


class JobBusy(Held):
    """Raised when a job's run before this one is still open; nothing was stored."""

    def __init__(self, campaign: Campaign) -> None:
        said = str(campaign.state).replace("_", " ")
        why = f" ({campaign.state_reason})" if campaign.state_reason else ""
        super().__init__(
            f"Job {campaign.job} still has a run open: {campaign.id} {campaign.key} is {said}{why}",
            next_step=_way_out(campaign),
        )
        self.campaign_id = campaign.id


class Jobs:
    """What can be asked of jobs before a run is submitted; only storing it decides."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def check(self, job: str, *, day: date | None = None, catch_up: bool = False) -> None:
        """Raise JobBusy, or Held, where a run of this job would be refused now."""
        with self._database.read() as connection:
            check_turn(connection, job, day=day, catch_up=catch_up)

    def changes(self, job: str) -> list[int]:
        """Return how many events each of the job's last finished runs has changed, newest first."""
        with self._database.read() as connection:
            return _changes(connection, job)


def admitted(connection: Connection, new: NewCampaign) -> NewCampaign:
    """Return a campaign as it may be stored now, its cap worked out. Raises JobBusy and Held."""
    if new.job and new.parent is None:
        check_turn(connection, new.job, day=new.job_date, catch_up=new.catch_up)
    if new.max_changes_median is None:
        return new
    found = median_cap(new.max_changes_median, _changes(connection, new.job))
    caps = [cap for cap in (found.cap, new.run.max_changes) if cap is not None]
    run = structs.replace(new.run, max_changes=min(caps, default=None), cap_basis=found.basis)
    return replace(new, run=run)


def check_turn(connection: Connection, job: str, *, day: date | None, catch_up: bool) -> None:
    """Raise JobBusy while a run of the job is open, and Held for a day before its newest run's."""
    if not job:
        return
    of_job = select(*campaigns.c).where(campaigns.c.job == job, campaigns.c.parent.is_(None))
    newest = of_job.order_by(campaigns.c.submitted_at.desc())
    is_open = campaigns.c.state.not_in([str(each) for each in ENDED])
    row = connection.execute(newest.where(is_open).limit(1)).first()
    if row is not None:
        raise JobBusy(campaign_of(row))
    if day is None or catch_up:
        return
    later = of_job.where(campaigns.c.job_date > day).order_by(campaigns.c.job_date.desc())
    for row in connection.execute(later):
        run = campaign_of(row)
        if run.state in _FINISHED or _changed(connection, run.id):
            raise Held(
                f"Job {job} has been run for {run.job_date} already ({run.id} {run.key}),"
                f" and this run is for {day}: older values would go over newer ones",
                next_step="Add --catch-up if that is meant",
            )


def _changes(connection: Connection, job: str) -> list[int]:
    """Return what the job's last finished runs have changed, newest first.

    From what the audit says of their ends, so that runs whose lines are pruned count as well.
    """
    finished = (
        select(campaigns.c.id)
        .where(
            campaigns.c.job == job,
            campaigns.c.parent.is_(None),
            campaigns.c.state.in_([str(each) for each in _FINISHED]),
        )
        .order_by(campaigns.c.submitted_at.desc())
        .limit(JOB_RUNS)
    )
    return [_changed(connection, each) for each in connection.execute(finished).scalars().all()]


def _changed(connection: Connection, campaign_id: str) -> int:
    counts = bound_counts(connection, campaign_id)
    return sum(counts.get(state, 0) for state in _CHANGED)


def _way_out(campaign: Campaign) -> str:
    """Return how the job can go on: what its open run waits for."""
    name = campaign.id
    match campaign.state:
        case _S.AWAITING_APPROVAL:
            return (
                f"Begin it: calpatch apply {name} --reason TEXT; or end it:"
                f" calpatch reject {name} --reason TEXT"
            )
        case _S.PAUSED:
            return (
                f"Let it go on: calpatch resume {name} --reason TEXT; or end it:"
                f" calpatch cancel {name} --reason TEXT"
            )
        case _:
            return f"Wait for it: calpatch status {name} --watch, or submit --wait-for-previous 2h"
