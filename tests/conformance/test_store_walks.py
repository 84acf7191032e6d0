"""Whatever workers do and however they die, each line ends with exactly one outcome (law 2)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.stores import S, a_row, execute, expire, make_due, states, step, submit
from worker.errors import LeaseLost
from worker.model import ENDED, FINAL, TRANSITIONS, CampaignState, EditState
from worker.rules import adds_up
from worker.store import Claim, Note, Store
from worker.sweep import settle_all, take_apart_poison

LINES = 12
_keys = count(1)

#: number of the worker, of the chunk, and a choice within the action
Action = tuple[str, int, int, int]
actions = st.tuples(
    st.sampled_from(
        ["claim", "claim", "work", "work", "work", "release", "die", "proofs", "sweep", "cancel"]
    ),
    st.integers(0, 2),
    st.integers(1, 8),
    st.integers(0, 30),
)


@dataclass
class World:
    """Three workers over one campaign: what each believes, and what was once final."""

    store: Store
    key: str
    held: dict[int, tuple[Claim, dict[int, EditState]]] = field(default_factory=dict)
    final: dict[int, tuple[EditState, str]] = field(default_factory=dict)

    def act(self, action: Action) -> None:
        """Do one thing, then look whether anything final has changed."""
        name, worker, number, choice = action
        try:
            getattr(self, f"_{name}")(worker, f"c-{self.key}.{number}", choice)
        except LeaseLost:
            self.held.pop(worker)
        self.look()

    def look(self) -> None:
        """What was final once is so for ever, and no line comes or goes."""
        now = states(self.store, f"c-{self.key}")
        assert len(now) == LINES
        assert {line: now[line] for line in self.final} == self.final
        self.final |= {line: found for line, found in now.items() if found[0] in FINAL}

    def _claim(self, worker: int, chunk_id: str, _choice: int) -> None:
        found = self.store.chunks.claim(chunk_id, owner=f"w{worker}", lease_s=60)
        if found is not None:
            self._take(worker, found)

    def _proofs(self, worker: int, _chunk_id: str, _choice: int) -> None:
        for found in self.store.chunks.claim_proofs(self.key, owner=f"w{worker}", lease_s=60):
            self._take(worker, found)

    def _take(self, worker: int, found: Claim) -> None:
        self.held[worker] = (found, {edit.line_no: edit.state for edit in found.edits})

    def _work(self, worker: int, _chunk_id: str, choice: int) -> None:
        """Take every third open edit along some arrow."""
        if worker not in self.held:
            return
        claim, known = self.held[worker]
        steps = [
            step(line, was, sorted(TRANSITIONS[was])[(choice + line) % len(TRANSITIONS[was])])
            for line, was in known.items()
            if was not in FINAL and (choice + line) % 3 == 0
        ]
        notes = [Note(actor="w", action=f"edit.{one.state}", line_no=one.line_no) for one in steps]
        self.store.chunks.record(claim, steps, lease_s=60, notes=notes)
        known |= {one.line_no: one.state for one in steps}

    def _release(self, worker: int, _chunk_id: str, choice: int) -> None:
        if worker in self.held:
            self.store.chunks.release(self.held[worker][0], rescued=choice % 4 == 0)
            self.held.pop(worker)

    def _die(self, worker: int, chunk_id: str, choice: int) -> None:
        """A lease runs out; its worker may be dead, or a zombie that will try to write."""
        expire(self.store, chunk_id)
        if choice % 2:
            self.held.pop(worker, None)

    def _sweep(self, *_: object) -> None:
        make_due(self.store)
        take_apart_poison(self.store)
        settle_all(self.store)

    def _cancel(self, _worker: int, _chunk_id: str, choice: int) -> None:
        if choice % 5 == 0:
            note = Note(actor="ada", action="campaign.cancelling")
            self.store.campaigns.move(f"c-{self.key}", CampaignState.CANCELLING, note=note)

    def finish(self) -> None:
        """Let one good worker do all that is left, as far as the queue tells it."""
        for _ in range(60):
            self._sweep()
            execute(
                self.store,
                f"UPDATE chunks SET lease_until = {self.store.database.later_sql('ago')}"
                " WHERE state = 'running'",
                ago=-1.0,
            )
            due = self.store.queue.take_due(window=99, resend_after_s=-1)
            for _lane, chunk_id in due.chunks:
                found = self.store.chunks.claim(chunk_id, owner="good", lease_s=60)
                if found is not None:
                    self._end(found)
            for account in due.accounts:
                for found in self.store.chunks.claim_proofs(account, owner="good", lease_s=60):
                    self._end(found)
            campaign = self.store.campaigns.get(f"c-{self.key}")
            assert campaign is not None
            if campaign.state in ENDED:
                return
        raise AssertionError("the campaign does not end")

    def _end(self, claim: Claim) -> None:
        ways = {S.PENDING: S.SKIPPED, S.SENDING: S.FAILED, S.ACCEPTED: S.VERIFIED}
        steps = [step(edit.line_no, edit.state, ways[edit.state]) for edit in claim.edits]
        notes = [Note(actor="w", action=f"edit.{one.state}", line_no=one.line_no) for one in steps]
        self.store.chunks.record(claim, steps, lease_s=60, notes=notes)
        self.store.chunks.release(claim)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=st.lists(actions, max_size=25))
def test_every_line_ends_once_however_workers_interleave(store: Store, walk: list[Action]) -> None:
    """Claims, records, deaths, zombies, bisections and a cancel, in any order."""
    key = f"walk{next(_keys)}"
    rows = [a_row(line, account=key, event_uid=f"{key}_{line}") for line in range(LINES)]
    submit(store, rows, key=key, chunk_size=4)
    world = World(store=store, key=key)
    for action in walk:
        world.act(action)
    world.finish()
    world.look()
    counts = Counter[EditState]()
    for (state, _), number in store.reading.counts(f"c-{key}").items():
        counts[state] += number
    assert adds_up(LINES, counts)
    assert store.audit.verify()[1] == []
    told = execute(
        store,
        "SELECT count(*) AS n, count(DISTINCT line_no) AS lines FROM audit WHERE campaign_id = :id"
        " AND action IN ('edit.verified', 'edit.unverified', 'edit.mismatch', 'edit.unchanged',"
        " 'edit.skipped', 'edit.conflict', 'edit.failed', 'edit.not_attempted')",
        id=f"c-{key}",
    )
    assert (told.n, told.lines) == (LINES, LINES)
