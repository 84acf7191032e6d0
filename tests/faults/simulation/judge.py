"""What must hold at the end, in Jepsen's four words.

lost        a line without exactly one final outcome
unexpected  an outcome that the calendar contradicts, or a write that nobody asked for
duplicated  an event that was moved by more than its edit
recovered   lines that ended well although a process died on them, or an answer never came
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.simulation.people import after
from worker.model import ENDED, FINAL, Code, EditState
from worker.simulator.moments import moment_of
from worker.store import Outcome

if TYPE_CHECKING:
    from tests.faults.simulation.provider import Line
    from tests.faults.simulation.watch import Sent
    from tests.faults.simulation.world import World

#: Outcomes that say that the event was not written to.
UNTOUCHED = frozenset(
    {EditState.SKIPPED, EditState.UNCHANGED, EditState.FAILED, EditState.NOT_ATTEMPTED}
)
#: Outcomes that only a write which has left can have.
WRITTEN = frozenset({EditState.VERIFIED, EditState.MISMATCH})
#: Codes that say that the account's authorization is gone: only a refresh that went wrong, or a
#: token that was refused, can be the cause.
AUTHORIZATION = frozenset({Code.ACCOUNT_LOST, Code.UNAUTHORIZED})


@dataclass(slots=True)
class Verdict:
    """What came of a world; it is right when nothing is lost, unexpected or duplicated."""

    outcomes: dict[Line, tuple[str, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    #: what was broken on the way, and who died of what
    violations: list[str] = field(default_factory=list)
    recovered: int = 0
    #: simulated seconds from the end of the faults to the end of the last campaign
    recovery_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    #: names the whole course of things: the same seed, the same digest
    digest: str = ""

    @property
    def is_right(self) -> bool:
        """Tell whether every promise was kept."""
        return not self.wrongs

    @property
    def wrongs(self) -> list[str]:
        """Everything that is wrong, one line each."""
        named = {
            "lost": self.lost,
            "unexpected": self.unexpected,
            "duplicated": self.duplicated,
            "violated": self.violations,
        }
        return [f"{name}: {what}" for name, found in named.items() for what in found]


def judge(world: World) -> Verdict:
    """Judge a world that has come to its end."""
    world.sim.settle(all_of_them=True)
    verdict = Verdict(
        violations=list(world.watch.violations),
        recovery_s=world.recovery_s,
        faults=world.faults.copy(),
        digest=world.digest,
    )
    ends = _ends(world)
    for campaign_id in world.campaigns:
        campaign = world.store.campaigns.get(campaign_id)
        if campaign is None or campaign.state not in ENDED:
            verdict.lost.append(f"{campaign_id} has not ended: {campaign and campaign.state}")
        for outcome in world.store.reading.outcomes(campaign_id):
            line = (campaign_id, outcome.line_no)
            verdict.outcomes[line] = (str(outcome.state), outcome.code)
            _judge_line(world, outcome, verdict, ends=ends[line])
    missing = world.asked.keys() - verdict.outcomes.keys()
    verdict.lost += [f"{line} is gone" for line in sorted(missing)]
    verdict.recovered = sum(verdict.outcomes[line][0] in FINAL for line in world.troubled)
    _, breaks = world.store.audit.verify()
    verdict.unexpected += [f"the audit breaks: {one}" for one in breaks]
    return verdict


def _ends(world: World) -> Counter[Line]:
    """Count, by line, the final outcomes that the audit tells of."""
    told = world.stage.outside.execute("SELECT campaign_id, line_no, action FROM audit")
    finals = {f"edit.{state}" for state in FINAL}
    return Counter((campaign, line) for campaign, line, action in told if action in finals)


def _judge_line(world: World, outcome: Outcome, verdict: Verdict, *, ends: int) -> None:
    name = f"{outcome.campaign_id} line {outcome.line_no} ({outcome.state} {outcome.code})"
    if outcome.state not in FINAL or ends != 1:
        verdict.lost.append(f"{name} has {ends} outcomes")
    line = (outcome.campaign_id, outcome.line_no)
    sent = world.watch.sent.get(line, [])
    verdict.duplicated += [f"{name} {why}" for why in _doubles(world, line, sent)]
    verdict.unexpected += [f"{name} {why}" for why in _contradictions(world, outcome, sent)]


def _doubles(world: World, line: Line, sent: list[Sent]) -> Iterator[str]:
    """Say where a line's writes are not one edit of a state that was not its own doing."""
    if not sent:
        return
    key = sent[0].key
    bases = [past.event for past in world.sim.history[key] if past.line != line]
    allowed = [asked for base in bases if (asked := after(base, world.asked[line]))]
    ends = {_written(one) for one in sent}
    if len(ends) > 1:
        yield f"was sent to {len(ends)} places"
    if not ends <= {(asked.start, asked.end) for asked in allowed}:
        yield "was sent to where its edit does not lead"
    if sum(bool(one.taken) for one in sent) > 1 and not world.sim.is_meddled_with(key):
        yield "was taken more than once"


def _contradictions(world: World, outcome: Outcome, sent: list[Sent]) -> Iterator[str]:
    """Say what the calendar has against an outcome."""
    line, key = (outcome.campaign_id, outcome.line_no), (outcome.calendar_id, outcome.event_uid)
    taken = [one for one in sent if one.taken]
    past = world.sim.history[key]
    is_deleted = past[-1].event.deleted
    meddled = world.sim.is_meddled_with(key)
    if outcome.state in UNTOUCHED and taken and not (meddled and is_deleted):
        yield "says untouched, but a write was taken"
    if outcome.state in WRITTEN and not sent:
        yield "tells of a write, but none has left"
    if outcome.state is EditState.VERIFIED and not any(one.line == line for one in past):
        yield "says verified, but no write took effect"
    if outcome.state is EditState.VERIFIED and not meddled and taken and not _shows(world, line):
        yield "says verified, but the event shows something else"
    # A plan may also find what another campaign has made of the event since.
    others = outcome.campaign_id in world.planned and any(
        one.line not in {None, line} for one in past
    )
    if outcome.state is EditState.CONFLICT and not (meddled or others):
        yield "tells of a conflict with nobody"
    if outcome.code in AUTHORIZATION and not world.may_lose_authorization:
        yield "lost the account without a cause"


def _shows(world: World, line: Line) -> bool:
    """Tell whether the event became as asked, and stayed so until a later edit changed it."""
    past = world.sim.history[world.watch.sent[line][0].key]
    mine = [at for at, one in enumerate(past) if one.line == line]
    if not mine or mine != list(range(mine[0], mine[-1] + 1)):
        return False
    wish = after(past[mine[0] - 1].event, world.asked[line])
    return wish is not None and wish.is_shown_by(past[mine[-1]].event)


def _written(sent: Sent) -> tuple[object, object]:
    start, end = (sent.body[name] for name in ("start", "end"))
    return tuple(moment_of(one["time"] if isinstance(one, dict) else one) for one in (start, end))  # type: ignore[return-value]
