"""The one value that a chunk's run passes through its steps, and how outcomes become rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from worker.engine import Engine, Hold
from worker.model import ENDED, CampaignState, Code, EditState, Event, EventKey, Image
from worker.rules import asks_for_people, is_calm
from worker.store import Edit, Note, Step
from worker.tokens import Session

#: Campaigns in these states send; in any other, nothing leaves the house.
SENDING_STATES = frozenset({CampaignState.RUNNING, CampaignState.VERIFYING})
#: Campaigns in these states never send again; in the others (paused, scheduled) edits wait.
STOPPED_STATES = ENDED | {CampaignState.CANCELLING}

Outcome = tuple[Step, Note | None]


class CampaignStopped(Exception):
    """Raised when the campaign sends no more, right before something would have left."""


class Ready(Struct, gc=False, frozen=True, kw_only=True):
    """An edit with its absolute target, about to be sent."""

    edit: Edit
    before: Image
    target: Image
    fields: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Work:
    """One run of one chunk; `open` shrinks as edits leave it, the rest waits for another run."""

    engine: Engine
    hold: Hold
    session: Session
    open: dict[int, Edit]
    #: monotonic; when this run checkpoints and lets go
    until: float
    events: dict[EventKey, Event] = field(default_factory=dict)
    #: whether `events` holds what could be seen of the open edits
    is_read: bool = False
    #: seconds until the next run makes sense
    retry_in_s: float = 0.0
    #: calendars that have answered that they will not take edits, with the code
    closed: dict[str, Code] = field(default_factory=dict)
    #: an answer to a write has been written down
    has_sent: bool = False
    #: targets have been written down for somebody to approve
    has_planned: bool = False

    @property
    def has_time(self) -> bool:
        return self.engine.clock.monotonic() < self.until

    @property
    def batch_size(self) -> int:
        """How many edits one batch may carry now, as the campaign is tuned at this moment."""
        return self.engine.batch_size(self.hold.claim.campaign.id, self.hold.run)

    @property
    def may_send(self) -> bool:
        return self.hold.campaign_state in SENDING_STATES

    @property
    def plans(self) -> bool:
        """Tell whether the campaign is being planned: it reads, and nothing leaves the house."""
        return self.hold.campaign_state is CampaignState.PLANNING

    @property
    def asks_for_people(self) -> bool:
        """Tell whether events are read with who takes part: a plan counts them, guards look."""
        return self.plans or asks_for_people(self.hold.claim.campaign.policy)

    @property
    def is_planned(self) -> bool:
        """Tell whether every open edit of a campaign that plans has its target."""
        return self.plans and all(edit.target is not None for edit in self.open.values())

    @property
    def has_moved(self) -> bool:
        """Tell whether this run has brought its edits any further, which clears it of deaths."""
        return self.has_sent or self.has_planned or len(self.open) < len(self.hold.claim.edits)

    def check(self) -> None:
        """Raise LeaseLost or CampaignStopped unless a write may leave at this moment."""
        self.hold.check()
        if not self.may_send:
            raise CampaignStopped

    def wait(self, seconds: float) -> None:
        """Ask for the next run not before so many seconds; the longest wish wins."""
        self.retry_in_s = max(self.retry_in_s, seconds)

    def go_on_in(self, seconds: float) -> None:
        """Ask for the next run then, whatever was wished: some edits need not wait for others."""
        self.retry_in_s = seconds

    def may_still_show(self, edit: Edit) -> bool:
        """Tell whether a write that is not seen by now may yet be, by its age or for an outage."""
        within_s = self.engine.settings.verify_within
        is_young = (edit.sent_age_s or 0.0) < within_s
        return is_young or not is_calm(self.session.back_for_s, within_s=within_s)

    def untried(self) -> list[Edit]:
        """Return the open edits that are known not to be on their way."""
        return [edit for edit in self.open.values() if edit.state is EditState.PENDING]

    def in_doubt(self) -> list[Edit]:
        """Return the open edits that an earlier run may have sent."""
        return [edit for edit in self.open.values() if edit.state is EditState.SENDING]

    async def record(self, outcomes: Iterable[Outcome]) -> None:
        """Store steps with their audit entries, and let final and accepted edits leave the run."""
        pairs = list(outcomes)
        if not pairs:
            return
        steps = [step for step, _ in pairs]
        notes = [note for _, note in pairs if note is not None]
        # Before it is written: other lanes must not take up what is ending here.
        for step in steps:
            if step.state not in {EditState.PENDING, EditState.SENDING}:
                self.open.pop(step.line_no, None)
        await self.hold.record(steps, notes)

    def noted(self, step: Step, *, detail: dict[str, object] | None = None) -> tuple[Step, Note]:
        """Pair a step with the audit entry that tells of it."""
        told: dict[str, object] = dict(detail or {})
        if step.fields:
            told["fields"] = list(step.fields)
        if step.http_status is not None:
            told["http_status"] = step.http_status
        if step.error_key:
            told["error_key"] = step.error_key
        note = Note(
            actor=self.engine.owner,
            action=f"edit.{step.state}",
            code=step.code,
            line_no=step.line_no,
            detail=told,
        )
        return step, note

    def back(self, edit: Edit, *, attempts: int, http_status: int | None = None) -> Outcome:
        """Return an edit to pending, known not to be taken; its target stays as it is (law 3)."""
        self.open[edit.line_no] = replace(edit, state=EditState.PENDING, attempts=attempts)
        step = Step(
            line_no=edit.line_no,
            was=edit.state,
            state=EditState.PENDING,
            attempts=attempts,
            http_status=http_status,
        )
        return self.noted(step)

    def digests(self, before: Image, target: Image) -> dict[str, object]:
        """Name the two images in the audit without telling what is in them."""
        images = self.hold.claim.images
        return {"before": images.digest(before), "target": images.digest(target)}


def ended(
    work: Work,
    edits: Collection[Edit],
    state: EditState,
    code: Code,
    *,
    http_status: int | None = None,
    error_key: str = "",
) -> list[tuple[Step, Note]]:
    """Return the outcomes that end these edits alike."""
    return [
        work.noted(
            Step(
                line_no=edit.line_no,
                was=edit.state,
                state=state,
                code=code,
                http_status=http_status,
                error_key=error_key,
            )
        )
        for edit in edits
    ]
