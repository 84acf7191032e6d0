"""One edit of a plan, or what became of it, as it is shown: what differs, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from worker.model import Code, EditState, Image, Policy, Timed
from worker.report.cautions import cautions_of, comes_twice, crosses_clocks
from worker.report.shown import start_and_end
from worker.report.spans import moved_by, span
from worker.store import Outcome

#: what a line says of an organizer whom nobody names
NOBODY: Final = "nobody named"
#: what it says of an edit whose event's texts are not there
UNKNOWN_DAY: Final = "day not known"
_TEXTS: Final = ("summary", "description", "location", "transparency")
_BAD: Final = frozenset({EditState.CONFLICT, EditState.FAILED, EditState.MISMATCH})
#: characters before the time of day
_DAY: Final = len("Mon 2026-03-02 ")
#: States in which the event has not become what the edit asks, and will not.
_CAME_TO_NOTHING: Final = frozenset(
    {
        EditState.UNCHANGED,
        EditState.SKIPPED,
        EditState.CONFLICT,
        EditState.FAILED,
        EditState.NOT_ATTEMPTED,
    }
)


class FieldChange(Struct, frozen=True, kw_only=True):
    """One field before and after; times are one field, in words and with their zones.

    `by` tells by how much times move. `now` is what a conflict has found, None without one.
    """

    field: str
    before: str
    after: str
    by: str = ""
    now: str | None = None


class PlanLine(Struct, frozen=True, kw_only=True):
    """One edit. `status` is "change" for what would be sent, "waiting" for what nobody has read.

    `externals` is None where the campaign does not say who is internal, `people` where nobody has
    counted. Without `is_known`, what is stored of the event is gone, or was never read.
    """

    line_no: int
    account: str
    calendar_id: str
    event_uid: str
    ref: str
    status: str
    code: str
    is_known: bool
    title: str
    when: str
    day: str
    changes: tuple[FieldChange, ...]
    people: int | None
    externals: int | None
    organizer: str
    warnings: tuple[str, ...]


def line_of(outcome: Outcome, *, policy: Policy, at: datetime) -> PlanLine:
    """Return one edit as it is shown; `at` is when it was planned."""
    shown = outcome.before or outcome.seen or outcome.target
    return PlanLine(
        line_no=outcome.line_no,
        account=outcome.account,
        calendar_id=outcome.calendar_id,
        event_uid=outcome.event_uid,
        ref=outcome.ref,
        status=status_of_line(outcome),
        code=outcome.code,
        is_known=shown is not None,
        title=shown.summary if shown else "",
        when=span(shown) if shown else "",
        day=day_of(shown) if shown else "",
        changes=tuple(changes_of(outcome)),
        people=outcome.people,
        externals=outcome.externals if policy.internal_domains else None,
        organizer=shown.organizer if shown else "",
        warnings=tuple(cautions_of(outcome, policy=policy, at=at)),
    )


def status_of_line(outcome: Outcome) -> str:
    """Return "change" for what would be sent, else how it ended."""
    if outcome.state is EditState.PENDING:
        return "change" if is_change(outcome) else "waiting"
    return str(outcome.state)


def is_change(outcome: Outcome) -> bool:
    """Tell whether a plan, or what became of it, has a change for this line."""
    return outcome.target is not None and outcome.before is not None


def takes_effect(outcome: Outcome) -> bool:
    """Tell whether an event is changed by this line, as far as is known by now."""
    return is_change(outcome) and outcome.state not in _CAME_TO_NOTHING


def needs_attention(status: str, code: str) -> bool:
    """Tell whether somebody should look at what became of an edit."""
    if status == EditState.UNVERIFIED:
        return code != Code.NO_PROOF_ASKED
    return status in _BAD


def day_of(image: Image) -> str:
    """Return the day on which an event starts, in its own zone, as an ISO date."""
    return start_and_end(image)[0][:10]


def changes_of(outcome: Outcome) -> Iterator[FieldChange]:
    """Yield each field that differs; times as one, in their zones."""
    before, after = outcome.before, outcome.target
    if before is None or after is None:
        return
    seen = outcome.seen if outcome.state is EditState.CONFLICT else None
    if before.when != after.when:
        yield _of_times(before, after, seen)
    for name in _TEXTS:
        was, becomes = getattr(before, name), getattr(after, name)
        if was != becomes:
            now = getattr(seen, name) if seen else None
            yield FieldChange(field=name, before=was, after=becomes, now=now)


def _of_times(before: Image, after: Image, seen: Image | None) -> FieldChange:
    tells_offsets = (
        crosses_clocks(before, after) or comes_twice(after) or _changes_zone(before, after)
    )
    return FieldChange(
        field="time",
        before=span(before, offsets=tells_offsets),
        after=span(after, offsets=tells_offsets),
        by=moved_by(before.when, after.when),
        now=span(seen, offsets=tells_offsets) if seen else None,
    )


def short_times(change: FieldChange) -> tuple[str, str]:
    """Return times before and after, the same day and the same zone named only once."""
    before, after = change.before, change.after
    if before[:_DAY] == after[:_DAY] and after[_DAY : _DAY + 1].isdigit():
        after = after[_DAY:]
    rest, _, zone = before.rpartition(" ")
    return (rest if "/" in zone and after.endswith(f" {zone}") else before), after


def _changes_zone(before: Image, after: Image) -> bool:
    old, new = before.when, after.when
    if not (isinstance(old, Timed) and isinstance(new, Timed)):
        return False
    return (old.start_tzid, old.end_tzid) != (new.start_tzid, new.end_tzid)


#: What lines are grouped by, and the name of a line's group.
GROUPING: Final[dict[str, Callable[[PlanLine], str]]] = {
    "reason": lambda line: f"{line.status}: {line.code}" if line.code else line.status,
    "organizer": lambda line: (line.organizer or NOBODY) if line.is_known else "not known",
    "account": lambda line: line.account,
    "day": lambda line: line.day or UNKNOWN_DAY,
}
GROUPS: Final = tuple(GROUPING)
