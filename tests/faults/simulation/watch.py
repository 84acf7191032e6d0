"""What must hold at every commit and at every departure, whatever has happened before.

Violations are noted, not raised: raised inside of the engine they would be one more fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tests.faults.simulation.clock import BEGIN
from tests.faults.simulation.network import Request, writes_of
from worker.model import FINAL, TRANSITIONS, EditState, Image
from worker.simulator.answers import MULTI_STATUS, Answer
from worker.simulator.moments import moment_of
from worker.simulator.records import WriteRecord
from worker.simulator.values import Key

if TYPE_CHECKING:
    from tests.faults.simulation.process import Process
    from tests.faults.simulation.provider import Line
    from tests.faults.simulation.world import World

#: A campaign's own bound, and the deaths of workers, which use up none: three make a chunk
#: poisonous, and each half of it may kill as often again.
MOST_ATTEMPTS = 5 + 6
#: Seconds after which nothing of a stopped campaign leaves any more (faults row 24).
STOPPED_S = 5.0
#: Answers that say for sure that a write was not taken.
NOT_TAKEN = frozenset({401, 429})

_EDITS = (
    "SELECT campaign_id, line_no, chunk_id, account, calendar_id, event_uid, state, attempts,"
    " before, target FROM edits"
)
_PASSED = "SELECT 1 FROM audit WHERE campaign_id = ? AND action = 'campaign.canary_passed'"
_CHUNKS = "SELECT id, state, lease_owner, lease_until, epoch FROM chunks"


class EditRow(NamedTuple):
    """An edit as committed."""

    campaign: str
    line_no: int
    chunk: str | None
    account: str
    calendar_id: str
    event_uid: str
    state: str
    attempts: int
    before: str | None
    target: str | None


class ChunkRow(NamedTuple):
    """A chunk as committed."""

    id: str
    state: str
    owner: str | None
    until: str | None
    epoch: int


@dataclass(slots=True, kw_only=True)
class Sent:
    """A write that has left, and what became of it."""

    line: Line
    key: Key
    body: dict[str, Any]
    at: float
    by: str
    #: on the way it got lost: it never arrived
    is_lost: bool = False
    #: whether the provider took it; None: it has not arrived yet
    taken: bool | None = None
    #: the status that its sender was told; None: nothing that could be read
    told: int | None = None


@dataclass(slots=True)
class Watch:
    """The looker-on."""

    world: World
    violations: list[str] = field(default_factory=list)
    sent: dict[Line, list[Sent]] = field(default_factory=dict)
    edits: dict[Line, EditRow] = field(default_factory=dict)
    chunks: dict[str, ChunkRow] = field(default_factory=dict)

    def note(self, what: str) -> None:
        """Note a violation, with its moment."""
        self.violations.append(f"{self.world.loop.time():.3f} s: {what}")

    # ------------------------------------------------------------ commits

    def look(self) -> None:
        """Take what is committed now as given."""
        outside = self.world.stage.outside
        self.edits = {row[:2]: EditRow(*row) for row in outside.execute(_EDITS)}
        self.chunks = {row[0]: ChunkRow(*row) for row in outside.execute(_CHUNKS)}

    def committed(self, process: Process) -> None:
        """Compare what a process has committed with what was there before."""
        edits, chunks = self.edits, self.chunks
        self.look()
        for line, now in self.edits.items():
            was = edits.get(line)
            if was is not None and was != now:
                self._moved(was, now, process, chunks.get(was.chunk or ""))

    def _moved(self, was: EditRow, now: EditRow, process: Process, chunk: ChunkRow | None) -> None:
        name = f"{was.campaign} line {was.line_no}"
        arrow = (EditState(was.state), EditState(now.state))
        if arrow[0] is not arrow[1] and arrow[1] not in TRANSITIONS[arrow[0]]:
            self.note(f"{name} went from {was.state} to {now.state}")
        if now.attempts > MOST_ATTEMPTS:
            self.note(f"{name} was tried {now.attempts} times")
        # What is planned takes over what people change in other fields, until it leaves.
        is_bound = was.target is not None and arrow[0] is not EditState.PENDING
        if is_bound and _ends(was.target) != _ends(now.target):
            self.note(f"{name} has got another target")
        if process is self.world.ticker:
            return
        if now == was._replace(chunk=now.chunk) and (chunk is None or chunk.state != "running"):
            return  # what nobody holds is put into another chunk: a canary's edits, poison's halves
        self._fenced(name, process, chunk)

    def _fenced(self, name: str, process: Process, chunk: ChunkRow | None) -> None:
        """A worker writes about a chunk only under the lease and epoch that it holds."""
        claim = process.claim
        if chunk is None or claim is None:
            self.note(f"{name} was changed by {process.name} without a lease")
        elif (chunk.state, chunk.owner, chunk.epoch) != ("running", process.name, claim.epoch):
            self.note(f"{name} was changed by {process.name} under a stale lease")

    # ------------------------------------------------------------ departures

    def departs(self, request: Request) -> list[Sent]:
        """Look at a call as it leaves; returns the writes in it that somebody asked for."""
        if request.kind != "post":
            return []
        sub = self.world.sim.access_tokens[request.call.bearer or ""][0]
        found = []
        for calendar_id, body in writes_of(request.call):
            sent = self._departs(request.by, sub, (calendar_id, body["event_uid"]), body)
            if sent is not None:
                found.append(sent)
        return found

    def _departs(self, by: Process, sub: str, key: Key, body: dict[str, Any]) -> Sent | None:
        if self.world.sim.must_not_be_written(key):
            self.note(f"{by.name} writes to {key}, which must not be touched")
        if "event_id" in body:
            self.note(f"{by.name} sends an event_id")
        row = self._open_edit(sub, key)
        if row is None:
            self.note(f"{by.name} writes to {key}, which nobody asked for")
            return None
        line = (row.campaign, row.line_no)
        sent = Sent(line=line, key=key, body=body, at=self.world.loop.time(), by=by.name)
        self._intended(row, sent)
        self._not_stopped(row, by)
        self._not_before_the_canary(line)
        for earlier in self.sent.get(line, ()):
            self._repeats(earlier, sent, shown_at=by.reads.get(sub, -1.0))
        self.sent.setdefault(line, []).append(sent)
        return sent

    def _open_edit(self, sub: str, key: Key) -> EditRow | None:
        """Return the edit whose write this must be: one that intends to, if there is any."""
        found = None
        for row in self.edits.values():
            if (row.account, row.calendar_id, row.event_uid) == (sub, *key):
                if row.state == EditState.SENDING:
                    return row
                if found is None and EditState(row.state) not in FINAL:
                    found = row
        return found

    def _intended(self, row: EditRow, sent: Sent) -> None:
        """Before it left, SQL said so: sending, with both images, under a lease that holds."""
        name = f"{row.campaign} line {row.line_no}"
        if row.state != "sending" or row.before is None or row.target is None:
            self.note(f"{name} left without an intent: it is {row.state}")
        elif _ends(row.target) != (_moment(sent.body["start"]), _moment(sent.body["end"])):
            self.note(f"{name} left with other bytes than were stored")
        chunk = self.chunks.get(row.chunk or "")
        now = f"{self.world.now():%Y-%m-%d %H:%M:%S.%f}"
        if chunk is None or chunk.owner != sent.by or (chunk.until or "") < now:
            self.note(f"{name} was sent by {sent.by}, which does not hold its chunk")

    def _not_stopped(self, row: EditRow, by: Process) -> None:
        stops = {
            "it was cancelled": self.world.cancelled.get(row.campaign),
            "it was paused": self.world.paused.get(row.campaign),
            "everything was frozen": self.world.frozen_at,
        }
        for what, at in stops.items():
            if at is None or by.disturbed_at >= at:
                continue  # a process that was frozen, or without SQL, could not know
            if self.world.loop.time() > at + STOPPED_S:
                self.note(f"{row.campaign} line {row.line_no} left long after {what}")

    def _not_before_the_canary(self, line: Line) -> None:
        """So many edits go first, and no other before they are proven, or found untouchable."""
        campaign, name = line[0], f"{line[0]} line {line[1]}"
        size = self.world.canaries.get(campaign, 0)
        if not size:
            return
        first = {other for other in self.sent if other[0] == campaign}
        if not self.world.stage.outside.execute(_PASSED, (campaign,)).fetchone():
            if len(first | {line}) > size:
                self.note(f"{name} left, which is more than the canary of {size}")
            return
        if {self.edits[other].state for other in first} - {"verified", "skipped", "unchanged"}:
            self.note(f"{name} left before its canary was proven")
        del self.world.canaries[campaign]

    def _repeats(self, earlier: Sent, again: Sent, *, shown_at: float) -> None:
        """Say what is wrong with sending a line's write once more."""
        name = f"{again.line[0]} line {again.line[1]}"
        if earlier.taken and not self.world.sim.is_meddled_with(again.key):
            self.note(f"{name} was sent again although it had been taken")
        if earlier.taken is None and not earlier.is_lost:
            self.note(f"{name} was sent again while it was on its way")
        surely_not = earlier.told in NOT_TAKEN or (earlier.told or 500) < 500
        if not surely_not and shown_at < earlier.at:
            self.note(f"{name} was sent again blindly")

    # ------------------------------------------------------------ arrivals and answers

    def arrived(self, request: Request, records: Sequence[WriteRecord]) -> None:
        """Note which writes of a call the provider has taken."""
        taken = {(one.calendar_id, one.event_uid): one.taken for one in records}
        for sent in request.sent:
            sent.taken = taken.get(sent.key, False)

    def told(self, request: Request, reply: Answer) -> None:
        """Note what the sender of a call gets to know of each write."""
        if request.fault == "garbage" and reply.status == MULTI_STATUS:
            return
        statuses = list(_statuses(reply, len(request.sent)))
        for sent, status in zip(request.sent, statuses, strict=False):
            sent.told = status


def _statuses(reply: Answer, count: int) -> Iterable[int]:
    if isinstance(reply.content, dict) and "batch" in reply.content:
        items = reply.content["batch"]
        # A batch whose answer has another length than its question answers nobody.
        return (item["status"] for item in items) if len(items) == count else ()
    return [reply.status] * count


def _ends(image: str | None) -> tuple[object, object] | None:
    if image is None:
        return None
    when = msgspec.json.decode(image, type=Image).when
    return when.start, when.end


def _moment(sent: Any) -> object:
    return moment_of(sent["time"] if isinstance(sent, dict) else sent)


def seconds_of(stored: str | None) -> float | None:
    """Return a moment that SQL holds in seconds since the beginning."""
    if stored is None:
        return None
    return (datetime.fromisoformat(stored).replace(tzinfo=UTC) - BEGIN).total_seconds()
