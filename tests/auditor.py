"""The auditor: what was asked, what calpatch says became of it, and what the provider saw.

In the words of Jepsen's `total-queue`: an edit is *lost* when it has no final outcome, or when it
is called verified and the event does not show it; *unexpected* is a write that nobody asked for;
*duplicated* is an effect that came more often than it was asked for; *recovered* is an edit that
was in doubt or sent again, and ended. On top of these it checks the invariants of the fault matrix
that can be seen from outside. What an edit should have done is worked out here once more, without
any of the engine's rules (as the demo's proof does): a wrong belief must not prove itself.
"""

from __future__ import annotations

import json
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import text

from worker.cli.demo_proof import moment, placed, seen
from worker.model import ENDED, FINAL, EditState
from worker.simulator import Simulator
from worker.simulator.control import images
from worker.store import Outcome, Store

Key = tuple[str, str]
Shown = Mapping[str, Any]

_ASKED = "SELECT campaign_id, line_no, patch FROM edits"
_TOLD = "SELECT campaign_id, line_no, action, code FROM audit WHERE line_no IS NOT NULL ORDER BY id"
#: Nothing was sent, as these say.
_NOT_SENT = frozenset({EditState.UNCHANGED, EditState.NOT_ATTEMPTED})
_ENDINGS = frozenset(f"edit.{state}" for state in FINAL)
#: more than any run has
MOST_CAMPAIGNS = 10_000
_TEXTS = ("summary", "description", "location", "transparency")


# ---------------------------------------------------------------- what the provider knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The provider's own calendars and its log of writes, as its control API shows them."""

    #: by calendar and uid: `event`, `initial`, `meddled`, `sub`
    events: Mapping[Key, Mapping[str, Any]]
    #: in order: `calendar_id`, `event_uid`, `body`, `taken`, `action`
    writes: Sequence[Mapping[str, Any]]
    #: requests in the busiest window: (most, limit)
    windows: Sequence[tuple[int, int]] = ()


def truth_of(sim: Simulator) -> Truth:
    """Look into a simulator of this process; every accepted write has taken then."""
    sim.settle(all_of_them=True)
    shown = msgspec.json.decode(msgspec.json.encode(list(images(sim))))
    return Truth(
        events={(one["calendar_id"], one["event_uid"]): one for one in shown},
        writes=msgspec.json.decode(msgspec.json.encode(sim.writes)),
        windows=[(sim.busiest(seconds), most) for most, seconds in sim.behaviour.rate],
    )


def truth_at(url: str) -> Truth:
    """Ask another process's simulator."""
    urllib.request.urlopen(f"{url}/_sim/settle", data=b"{}", timeout=60).close()
    return Truth(
        events={(one["calendar_id"], one["event_uid"]): one for one in _lines(url, "events")},
        writes=list(_lines(url, "writes")),
    )


def _lines(url: str, name: str) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_sim/{name}", timeout=60) as answer:
        for line in answer:
            yield msgspec.json.decode(line, type=dict[str, Any])


# ---------------------------------------------------------------- the verdict


@dataclass(slots=True)
class Verdict:
    """What was found; every list but `recovered` must be empty."""

    edits: int = 0
    writes: int = 0
    recovered: int = 0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    #: everything else that may never be: told twice, a broken chain, too many attempts
    broken: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Tell whether nothing was found."""
        return not (self.lost or self.unexpected or self.duplicated or self.broken)

    def check(self) -> None:
        """Raise AssertionError with the first of everything that was found."""
        found = {
            name: getattr(self, name)[:5]
            for name in ("lost", "unexpected", "duplicated", "broken")
            if getattr(self, name)
        }
        assert self.is_clean, f"{self}\n{json.dumps(found, indent=1)}"

    def __str__(self) -> str:
        return (
            f"{self.edits} edits, {self.writes} writes taken, lost {len(self.lost)},"
            f" unexpected {len(self.unexpected)}, duplicated {len(self.duplicated)},"
            f" recovered {self.recovered}, otherwise broken {len(self.broken)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One edit: what was asked, and what calpatch says of it."""

    said: Outcome
    patch: Mapping[str, Any]
    max_attempts: int
    #: actions and codes of its audit entries, in order
    told: Sequence[tuple[str, str]]

    @property
    def name(self) -> str:
        return f"{self.said.campaign_id} line {self.said.line_no}"

    @property
    def key(self) -> Key:
        return (self.said.calendar_id, self.said.event_uid)


def audit_run(
    store: Store, truth: Truth, *, secrets: Iterable[str] = (), logs: str = ""
) -> Verdict:
    """Judge all campaigns of a store; those that have not ended yet as far as they have come.

    `secrets` must not occur in `logs`, nor must the longer ones of the events' own texts.
    """
    verdict = Verdict()
    lines = [
        line
        for campaign in store.campaigns.newest(limit=MOST_CAMPAIGNS)
        for line in _lines_of(store, campaign, verdict)
    ]
    verdict.edits = len(lines)
    verdict.writes = sum(write["taken"] for write in truth.writes)
    verdict.recovered = sum(_is_recovered(line) for line in lines)
    for line in lines:
        _judge_told(line, verdict)
    _judge_events(lines, truth, verdict)
    _judge_windows(truth, verdict)
    _judge_logs(truth, verdict, secrets=secrets, logs=logs)
    verdict.broken += [f"audit: {each}" for each in store.audit.verify()[1]]
    return verdict


def _lines_of(store: Store, campaign: Any, verdict: Verdict) -> list[Line]:
    """Read a campaign's edits, and judge their number (I1)."""
    with store.database.read() as connection:
        where = {"id": campaign.id}
        asked = {
            row.line_no: msgspec.json.decode(row.patch)
            for row in connection.execute(text(f"{_ASKED} WHERE campaign_id = :id"), where)
        }
        told: dict[int, list[tuple[str, str]]] = defaultdict(list)
        entries = text(_TOLD.replace("WHERE", "WHERE campaign_id = :id AND"))
        for row in connection.execute(entries, where):
            told[row.line_no].append((row.action, row.code))
    outcomes = list(store.reading.outcomes(campaign.id))
    if len(outcomes) != campaign.total:
        verdict.lost.append(f"{campaign.id}: {campaign.total} lines, {len(outcomes)} outcomes")
    if campaign.state in ENDED:
        verdict.lost += [
            f"{campaign.id} line {one.line_no}: still {one.state} in a campaign that has ended"
            for one in outcomes
            if one.state not in FINAL
        ]
    return [
        Line(
            said=one,
            patch=asked[one.line_no],
            max_attempts=campaign.policy.max_attempts,
            told=told[one.line_no],
        )
        for one in outcomes
    ]


def _is_recovered(line: Line) -> bool:
    doubted = any(action == "edit.in_doubt" for action, _ in line.told)
    sent = sum(action == "edit.sending" for action, _ in line.told)
    return line.said.state in FINAL and (doubted or sent > 1)


def _judge_told(line: Line, verdict: Verdict) -> None:
    """Hold the audit against the outcome: one ending each, and the same one."""
    said = line.said
    endings = [(action, code) for action, code in line.told if action in _ENDINGS]
    if said.state in FINAL and endings != [(f"edit.{said.state}", said.code)]:
        verdict.broken.append(f"{line.name}: {said.state} {said.code}, but told as {endings}")
    if said.state not in FINAL and endings:
        verdict.broken.append(f"{line.name}: {said.state}, but told as {endings}")


# ---------------------------------------------------------------- events and writes


def _judge_events(lines: Sequence[Line], truth: Truth, verdict: Verdict) -> None:
    by_key: dict[Key, list[Line]] = defaultdict(list)
    for line in lines:
        by_key[line.key].append(line)
    writes: dict[Key, list[Mapping[str, Any]]] = defaultdict(list)
    for write in truth.writes:
        key = (write["calendar_id"], write["event_uid"])
        writes[key].append(write)
        if "event_id" in (write["body"] or {}):
            verdict.unexpected.append(f"{key}: event_id was sent")
    for key in writes.keys() | by_key.keys() | truth.events.keys():
        _judge_event(key, by_key[key], writes[key], truth.events.get(key), verdict)


def _judge_event(
    key: Key,
    lines: Sequence[Line],
    writes: Sequence[Mapping[str, Any]],
    event: Mapping[str, Any] | None,
    verdict: Verdict,
) -> None:
    taken = [write for write in writes if write["taken"]]
    if event is None or event["initial"] is None:
        if taken:
            verdict.unexpected.append(f"{key}: a write to an event that there never was")
        return
    if writes and (why := _untouchable(event["initial"])):
        verdict.unexpected.append(f"{key}: {len(writes)} writes to an event that is {why}")
        return
    _judge_numbers(key, lines, writes, verdict)
    if event["meddled"]:
        return  # people were there: what the event shows is theirs
    if not taken and event["event"] != event["initial"]:
        verdict.unexpected.append(f"{key}: changed, and nobody wrote to it")
    if not any(_is_forgotten(line) for line in lines):
        _judge_story(key, lines, taken, event, verdict)


def _judge_numbers(
    key: Key, lines: Sequence[Line], writes: Sequence[Mapping[str, Any]], verdict: Verdict
) -> None:
    """Compare the number of writes with what is allowed (I4), and what was intended (law 5)."""
    most = sum(line.max_attempts for line in lines)
    if len(writes) > most:
        # Writes, not attempts: an attempt that died before it left has used up nothing.
        verdict.broken.append(f"{key}: {len(writes)} writes, and {most} attempts are allowed")
    taken = sum(write["taken"] for write in writes)
    spent = sum(sum(action == "edit.sending" for action, _ in line.told) for line in lines)
    if taken > spent:
        # A bound: an intent that was taken back because nothing had left was told as well.
        verdict.unexpected.append(f"{key}: {taken} writes, but {spent} intents were told")


def _is_forgotten(line: Line) -> bool:
    """Tell whether what an edit has sent was pruned or erased since, or is unreadable."""
    was_sent = any(action == "edit.sending" for action, _ in line.told)
    return was_sent and line.said.target is None


def _judge_story(
    key: Key,
    lines: Sequence[Line],
    taken: Sequence[Mapping[str, Any]],
    event: Mapping[str, Any],
    verdict: Verdict,
) -> None:
    """Tell the event's story anew, from how it was and what was asked, and compare."""
    expected: Shown = seen(event["initial"])
    earlier: dict[str, Shown] = {}
    left = list(taken)
    ordered = _in_order(lines)
    for line in ordered:
        wanted = _wanted(line.patch, expected, event["initial"], earlier=earlier)
        # An event is in one campaign at a time, so that writes come edit by edit.
        own = list(takewhile(lambda write: _is_of(write, line), left))  # noqa: B023 - used at once
        del left[: len(own)]
        # Of two tries of one edit either may have written what was written: both began as one.
        name = f"{line.said.campaign_id}:{line.said.line_no}"
        earlier[name] = earlier.get(line.patch.get("again", ""), expected)
        if own and wanted is not None:
            for name in ("start", "end"):
                if _moment(own[0]["body"][name]) != wanted[name]:
                    verdict.duplicated.append(
                        f"{line.name}: {name} {own[0]['body'][name]} was sent,"
                        f" but from {expected[name]} its edit leads to {wanted[name]}"
                    )
        if own and line.said.state in _NOT_SENT:
            verdict.unexpected.append(f"{line.name}: {line.said.state}, but it was written")
        if own:
            expected = _after(own[-1], expected)
    verdict.unexpected += [
        f"{key}: a write that is no edit's target: {write['body']}" for write in left
    ]
    _judge_verified(ordered, event, expected, verdict)


def _judge_verified(
    lines: Sequence[Line], event: Mapping[str, Any], expected: Shown, verdict: Verdict
) -> None:
    verified = [line for line in lines if line.said.state is EditState.VERIFIED]
    shown = seen(event["event"])
    for line in verified[-1:]:
        wrong = [name for name in ("start", "end") if shown[name] != expected[name]]
        wrong += [
            name
            for name in _TEXTS
            if line.patch.get(name) is not None and _plain(shown[name]) != _plain(expected[name])
        ]
        if wrong:
            verdict.lost.append(f"{line.name}: verified, but {wrong} are not as asked")


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """Return the edits of one event in the order in which they were sent."""
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(lines, key=lambda line: line.said.sent_at or never)


def _is_of(write: Mapping[str, Any], line: Line) -> bool:
    """Tell whether a write carries an edit's stored target, in what the edit changes."""
    if line.said.target is None:
        return False
    target, body = line.said.target, write["body"]
    when = target.when
    if (_moment(body["start"]), _moment(body["end"])) != (when.start, when.end):
        return False
    fields = [name for name in line.said.fields.split(",") if name in _TEXTS]
    return all(_text_of(body, name) == getattr(target, name) for name in fields)


def _after(write: Mapping[str, Any], before: Shown) -> dict[str, Any]:
    body = write["body"]
    sent = {name: _text_of(body, name) for name in _TEXTS if name in body}
    return {**before, **sent, "start": _moment(body["start"]), "end": _moment(body["end"])}


def _untouchable(event: Mapping[str, Any]) -> str:
    reasons = {
        "recurring": event["recurring"],
        "managed": event.get("event_id") is not None,
        "deleted": event["deleted"],
        "locked": not event["options"]["update"],
    }
    return ", ".join(name for name, is_so in reasons.items() if is_so)


# ---------------------------------------------------------------- what an edit should do


def _wanted(
    patch: Mapping[str, Any], before: Shown, initial: Shown, *, earlier: Mapping[str, Shown]
) -> dict[str, Any] | None:
    """Return where an event should be after an edit; None where a rule of clocks decides.

    `earlier` has how the event was before each of its earlier edits, by campaign and line.
    """
    if "undo" in patch:
        then = earlier.get(patch["undo"])
        return then and {"start": then["start"], "end": then["end"]}
    ops = patch.get("ops", [])
    if len(ops) > 1 or any(op["kind"] in {"to_time", "duration", "zone"} for op in ops):
        return None
    move = ops[0] if ops and ops[0]["kind"] == "shift" else patch.get("move")
    start, end = before["start"], before["end"]
    if move is None:
        return {"start": start, "end": end}
    zones = [patch.get("tzid") or initial[name] for name in ("start_tzid", "end_tzid")]
    if move["kind"] == "shift":
        moved = [_shifted(at, move, zone) for at, zone in zip((start, end), zones, strict=True)]
    else:
        first, last = move.get("start"), move.get("end")
        moved = [placed(first, zones[0]) if first else start]
        moved.append(placed(last, zones[1]) if last else moved[0] + (end - start))
    return None if None in moved else {"start": moved[0], "end": moved[1]}


def _shifted(at: date | datetime, move: Mapping[str, Any], zone: str) -> date | datetime | None:
    shift = timedelta(days=move.get("days", 0), seconds=move.get("seconds", 0))
    if not isinstance(at, datetime):
        return at + shift
    if move.get("elapsed"):
        return at + shift
    local = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) + shift
    both = [local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    return both[0] if both[0] == both[1] else None


def _text_of(fields: Mapping[str, Any], name: str) -> str:
    found = fields.get(name)
    if isinstance(found, Mapping):
        return str(found.get("description", ""))
    return "" if found is None else str(found)


def _plain(said: str) -> str:
    """Forgive what providers do to texts: ends of lines, blanks around."""
    return said.replace("\r\n", "\n").strip()


def _moment(given: Any) -> date | datetime:
    return moment(given["time"] if isinstance(given, Mapping) else str(given))


# ---------------------------------------------------------------- limits and logs


def _judge_windows(truth: Truth, verdict: Verdict) -> None:
    for most, limit in truth.windows:
        if most > limit:
            verdict.broken.append(f"{most} calls were granted in a window of {limit}")


def _judge_logs(truth: Truth, verdict: Verdict, *, secrets: Iterable[str], logs: str) -> None:
    """Look for what no log may hold (I7); short titles may stand there by chance."""
    if not logs:
        return
    long_enough = 16
    titles = {
        said
        for one in truth.events.values()
        for said in (one["event"]["summary"], one["event"]["description"])
        if len(said) >= long_enough
    }
    for what, words in (("a secret", secrets), ("an event's text", titles)):
        verdict.broken += [f"{what} is in a log" for word in words if word and word in logs]
