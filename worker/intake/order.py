"""What is ordered of a campaign beside its edits, and what a submission becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from worker.model import Policy, Run
from worker.store import Campaign


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of a campaign beside its edits."""

    key: str
    reason: str
    owner: str
    policy: Policy = field(default_factory=Policy)
    lane: str = "bulk"
    run: Run = field(default_factory=Run)
    #: read first, and write once it is approved; or by itself (`run.is_automatic`)
    is_planned: bool = False
    kind: str = "direct"
    #: what it undoes or tries again
    parent: str | None = None
    #: what it is one run of, and the day that this run is for
    job: str = ""
    job_date: date | None = None
    #: that day may lie before the one of the job's newest run
    catch_up: bool = False
    #: at most so many times the median of what the job's last runs have changed
    max_changes_median: Fraction | None = None
    #: JSON of the campaign file, for people
    spec: str = ""
    #: JSON: who is told of it (`intake.news`)
    notify: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What a submission became. `note` says so when messages could not be sent yet."""

    campaign: Campaign
    created: bool
    note: str = ""
