"""What goes into the store and comes out of it: frozen values, no rows and no SQL.

Those of which there is one for each edit are structs: a dataclass takes five times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import Any, NamedTuple

from msgspec import Struct

from worker.model import (
    AccountStatus,
    Calendar,
    CampaignState,
    ChunkState,
    EditState,
    EventKey,
    Image,
    Patch,
    Policy,
    Run,
)
from worker.rules import Earlier
from worker.store.sealing import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One authorization; its tokens are sealed.

    `*_age_s` are by the database's clock, None when never.
    """

    sub: str
    label: str = ""
    data_center: str = "us"
    access_token: bytes = field(default=b"", repr=False)
    refresh_token: bytes = field(default=b"", repr=False)
    #: seconds until the access token expires; None when unknown
    expires_in_s: float | None = None
    token_version: int = 0
    status: AccountStatus = AccountStatus.ACTIVE
    reason: str = ""
    #: seconds until a parked account may be tried again; None: not before a check
    retry_in_s: float | None = None
    calendars: tuple[Calendar, ...] = ()
    calendars_age_s: float | None = None

    @property
    def usable(self) -> bool:
        """Active, or parked long enough to be tried again."""
        if self.status is AccountStatus.PARKED:
            return self.retry_in_s is not None and self.retry_in_s <= 0
        return self.status is AccountStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """An account to import; the tokens are sealed already."""

    sub: str
    access_token: bytes = field(repr=False)
    refresh_token: bytes = field(repr=False)
    data_center: str = "us"
    label: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCampaign:
    """What a producer submits; `digest` is over content and policy."""

    key: str
    digest: str
    reason: str
    owner: str
    source: str
    columns: tuple[str, ...]
    policy: Policy = field(default_factory=Policy)
    lane: str = "bulk"
    #: direct | planned | undo | retry
    kind: str = "direct"
    run: Run = field(default_factory=Run)
    #: reads first, and writes once it is approved
    is_planned: bool = False
    parent: str | None = None
    job: str = ""
    job_date: date | None = None
    #: may be for a day before the one that the job's newest run was for
    catch_up: bool = False
    #: at most so many times the median of what the job's last runs have changed
    max_changes_median: Fraction | None = None
    #: JSON of the campaign file, for people
    spec: str = ""
    #: JSON model.Notify; "" tells nobody
    notify: str = ""
    #: made before it was stored, to select its lines
    calls: tuple[CallRow, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign's row; its counts are never in it but derived (`Reading.counts`)."""

    id: str
    key: str
    digest: str
    kind: str
    state: CampaignState
    state_reason: str
    reason: str
    owner: str
    lane: str
    policy: Policy
    source: str
    columns: tuple[str, ...]
    total: int
    image_key: bytes | None = field(repr=False)
    audit_head: str
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: since then its lines are gone; the audit has their counts
    pruned_at: datetime | None = None
    run: Run = field(default_factory=Run)
    parent: str | None = None
    job: str = ""
    job_date: date | None = None
    spec: str = ""
    notify: str = field(default="", repr=False)
    plan_hash: str = ""
    planned_at: datetime | None = None
    expires_at: datetime | None = None


class EditRow(NamedTuple):
    """One input line, ready to be stored."""

    line_no: int
    account: str
    calendar_id: str
    event_uid: str
    hint: str | None  # ISO date
    ref: str
    patch: str  # JSON
    cells: str  # JSON
    change_digest: str  # hex
    relative: bool  # asked twice it may change twice, as a shift does
    duplicate: bool


class Edit(Struct, gc=False, frozen=True, kw_only=True):
    """An edit that still has something to do, as a claim hands it out."""

    line_no: int
    key: EventKey
    patch: Patch
    hint: date | None
    state: EditState
    attempts: int = 0
    before: Image | None = None
    target: Image | None = None
    fields: tuple[str, ...] = ()
    #: what an equal earlier edit has made of the event
    prior_target: Image | None = None
    #: there was such an edit, but what it made has been erased or pruned since
    prior_is_gone: bool = False
    #: the edit that this one takes back or tries again; None where it is not known any more
    earlier: Earlier | None = None
    #: its images are there and do not open: damaged, or changed by hand
    is_unreadable: bool = False
    sent_age_s: float | None = None
    accepted_age_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A leased chunk: the right to work on its open edits until the lease ends.

    `epoch` fences its writes.
    """

    chunk_id: str
    campaign: Campaign
    account: Account
    epoch: int
    owner: str
    proofs: int
    rescues: int
    #: an edit without a date is in it: only the whole readable window shows it for sure
    reads_all: bool = False
    edits: tuple[Edit, ...]
    #: seals and digests the images of its edits
    images: Images = field(repr=False)


class Step(Struct, gc=False, frozen=True, kw_only=True):
    """One edit's move along TRANSITIONS, with what is learnt by it; None keeps what is stored."""

    line_no: int
    was: EditState
    state: EditState
    code: str = ""
    attempts: int | None = None
    before: Image | None = None
    target: Image | None = None
    fields: tuple[str, ...] | None = None
    http_status: int | None = None
    error_key: str = ""
    #: what a conflict found
    seen: Image | None = None
    #: who take part in the event, and of them those from elsewhere
    people: int | None = None
    externals: int | None = None
    #: stands for the event's zone, or for whole days: what a canary is spread over
    alike: str | None = None


class Standing(NamedTuple):
    """What its campaign asks of a worker now: whether it may send, and how."""

    state: CampaignState
    run: Run


class CallRow(NamedTuple):
    """How often a route answered with a status (0: no answer)."""

    route: str
    status: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a chunk became when its worker let go."""

    state: ChunkState
    campaign_id: str


class Note(Struct, gc=False, frozen=True, kw_only=True):
    """An audit entry to append; `detail` never holds event text (law 9)."""

    actor: str
    action: str
    code: str = ""
    line_no: int | None = None
    detail: dict[str, Any] = {}


class AuditRow(Struct, frozen=True, kw_only=True):
    """An audit entry as stored."""

    chain: str
    seq: int
    campaign_id: str | None
    line_no: int | None
    at: datetime
    actor: str
    action: str
    code: str
    detail: str
    prev: str
    digest: str


class Outcome(Struct, gc=False, frozen=True, kw_only=True):
    """An edit as reports show it; `fields` are comma-separated."""

    campaign_id: str
    line_no: int
    account: str
    calendar_id: str
    event_uid: str
    ref: str
    cells: tuple[str, ...]
    state: EditState
    code: str
    attempts: int
    before: Image | None
    target: Image | None
    fields: str
    http_status: int | None
    error_key: str
    sent_at: datetime | None
    accepted_at: datetime | None
    verified_at: datetime | None
    finished_at: datetime | None
    seen: Image | None = None
    people: int | None = None
    externals: int | None = None
    #: the edit of the event that this one takes back, as CAMPAIGN:LINE
    undoes: str = ""


class PlanTotals(NamedTuple):
    """What a plan comes to.

    `people` take part in the events that change, `externals` of them from elsewhere: each counts
    once for each event, so that as many mails may be sent.
    """

    changes: int
    people: int
    externals: int


class OpenWork(NamedTuple):
    """What so many accounts of a campaign have in chunks that are not done, each the same.

    `edits` of chunks that wait for a worker, which make `windows` reads; `proving` those of chunks
    that wait to be read back.
    """

    edits: int
    windows: int
    running: int
    proving: int
    accounts: int
