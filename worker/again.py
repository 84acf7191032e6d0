"""Taking a campaign back, and trying again what came to nothing: each is a campaign of its own.

What they need is stored with the old one: its images, by which an undo knows what was, and a retry
where the event was to go. Nothing is asked of the old file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from types import TracebackType
from typing import Self

import msgspec
from msgspec.structs import replace

from worker.errors import Held
from worker.intake.producer import Order, Progress, Submitted, submit_lines
from worker.model import ENDED, CampaignState, EditState, Policy, Run
from worker.settings import Settings
from worker.store import Campaign, EditRow, Spool, Store

#: what may be tried again, and what is unless anything else is asked for
RETRIED = (
    EditState.FAILED, EditState.NOT_ATTEMPTED, EditState.CONFLICT, EditState.MISMATCH,
    EditState.UNVERIFIED, EditState.SKIPPED,
)  # fmt: skip
USUAL = (EditState.FAILED, EditState.NOT_ATTEMPTED)

#: characters of a key; the database's column
_LONGEST_KEY = 255
#: campaigns in these states have sent nothing
_UNSENT = frozenset({CampaignState.PLANNING, CampaignState.AWAITING_APPROVAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A campaign of another one's lines, which can be looked at before it is stored."""

    parent: Campaign
    order: Order
    content: str
    spool: Spool = field(default_factory=Spool, repr=False)

    @property
    def count(self) -> int:
        """How many lines it has."""
        return self.spool.count

    def submit(
        self, settings: Settings, store: Store, *, progress: Progress | None = None
    ) -> Submitted:
        """Store and announce it. Raises KeyConflict for a key that names something else."""
        return submit_lines(
            settings, store, self.spool, self.order, content=self.content,
            source=self.parent.source, columns=self.parent.columns, progress=progress,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.spool.close()


def undo_of(
    store: Store,
    parent: Campaign,
    *,
    owner: str,
    reason: str | None = None,
    key: str | None = None,
    lines: Collection[int] | None = None,
    past_events: bool = False,
) -> Child:
    """Return the undo of a campaign: planned, and approved for itself.

    Of all its lines of which a write has left, or of some. Raises Held where there is nothing to
    take back, or it is not over.
    """
    _require_over(parent, done="taken back")
    order = Order(
        key=key or _free_key(store, f"{parent.key}-undo"),
        reason=reason or f"Undo of {parent.id}: {parent.reason}",
        owner=owner,
        policy=_policy_of(parent.policy, past_events=past_events),
        lane=parent.lane,
        run=replace(_run_of(parent.run), canary=0),
        is_planned=True,
        kind="undo",
        parent=parent.id,
        notify=parent.notify,
    )
    asked = "all" if lines is None else sorted(lines)
    rows = store.again.undone(parent.id, lines=lines)
    which = "Nothing" if lines is None else "None of these lines"
    return _child(parent, order, rows, asked=asked, none=f"{which} of {parent.id} was ever sent")


def retry_of(
    store: Store,
    parent: Campaign,
    *,
    owner: str,
    reason: str | None = None,
    key: str | None = None,
    states: Collection[EditState] = USUAL,
    codes: Collection[str] = (),
    begins_itself: bool = False,
) -> Child:
    """Return a campaign of those lines that ended in these states, with these codes if any.

    It is planned first where the other one was, and where conflicts are decided anew;
    `begins_itself` has it begin then without anybody's approval, if its caps hold. Raises Held
    where no line is like that, or the campaign is not over.
    """
    _require_over(parent, done="tried again")
    is_planned = is_planned_again(parent, states)
    run = replace(_run_of(parent.run), is_automatic=is_planned and begins_itself)
    order = Order(
        key=key or _free_key(store, f"{parent.key}-retry"),
        reason=reason or f"Retry of {parent.id}: {parent.reason}",
        owner=owner,
        policy=parent.policy,
        lane=parent.lane,
        run=run,
        is_planned=is_planned,
        kind="retry",
        parent=parent.id,
        notify=parent.notify,
    )
    asked = [sorted(states), sorted(codes)]
    rows = store.again.retried(parent.id, states=states, codes=codes)
    named = " or ".join(state.replace("_", " ") for state in states)
    named += f" with {' or '.join(codes)}" if codes else ""
    return _child(parent, order, rows, asked=asked, none=f"No line of {parent.id} is {named}")


def is_planned_again(parent: Campaign, states: Collection[EditState]) -> bool:
    """Tell whether a retry is planned before anything is written."""
    was_planned = parent.planned_at is not None or parent.kind in {"planned", "undo"}
    return was_planned or EditState.CONFLICT in states


def _child(
    parent: Campaign, order: Order, rows: Iterable[EditRow], *, asked: object, none: str
) -> Child:
    content = sha256(msgspec.json.encode([order.kind, parent.id, asked])).hexdigest()
    child = Child(parent=parent, order=order, content=content)
    try:
        child.spool.add(rows)
        child.spool.mark(child.spool.twins())
    except BaseException:
        child.spool.close()
        raise
    if child.count:
        return child
    child.spool.close()
    raise Held(none, next_step=f"See what became of it: calpatch status {parent.id}")


def _require_over(parent: Campaign, *, done: str) -> None:
    if parent.pruned_at is not None:
        raise Held(
            f"{parent.id} cannot be {done}: its lines were pruned on"
            f" {parent.pruned_at:%Y-%m-%d}, and nothing is known of its events any more"
        )
    if parent.state in ENDED:
        return
    state = str(parent.state).replace("_", " ")
    step = f"Stop it first: calpatch cancel {parent.id} --reason TEXT"
    if parent.state in _UNSENT:
        step = f"It has changed nothing yet; end it: calpatch reject {parent.id} --reason TEXT"
    if parent.state is CampaignState.CANCELLING:
        step = f"Wait until it has ended: calpatch status {parent.id} --watch"
    raise Held(f"{parent.id} cannot be {done} while it is {state}", next_step=step)


def _policy_of(policy: Policy, *, past_events: bool) -> Policy:
    """Return what an undo may touch: what the campaign spared it spares as well."""
    return replace(
        policy,
        past_events=policy.past_events or past_events,
        on_conflict="skip",
        allow_repeat=False,
    )


def _run_of(run: Run) -> Run:
    """Return how the new one is carried out: not at the moments that were the other one's."""
    return replace(run, at=None, deadline=None, is_automatic=False)


def _free_key(store: Store, key: str) -> str:
    """Return a key for it: with a number where a campaign of that key is over."""
    number, name = 1, key[:_LONGEST_KEY]
    while (known := store.campaigns.get(name)) and known.state in ENDED:
        number += 1
        end = f"@{number}"
        name = f"{key[: _LONGEST_KEY - len(end)]}{end}"
    return name
