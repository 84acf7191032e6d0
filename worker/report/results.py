"""Results files: every input line with its outcome, in exactly one file, or none are written.

    succeeded.csv       verified, unchanged (and accepted, where the campaign asked for no proof)
    failed.csv          failed, mismatch, conflict, unverified
    skipped.csv         skipped by a rule
    not_attempted.csv   the campaign ended before their turn
    open.csv            not final yet; only while the campaign still runs
    summary.json        counts, checksums, calls, who and why

The input's columns come first, as they were, so that each file is an input again; of a person who
was erased they are blank but for the ids. Of a JSONL input there is the line in the one column
`line`, and beside all but succeeded.csv a .jsonl with the lines alone. Of a campaign file the rows
name the events that it selected and ask nothing: a retry tries them again. Streams: memory does not
grow with the campaign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from worker.errors import NotFound, WorkerError
from worker.model import CODE_HELP, EditState, Image
from worker.report.cells import guarded
from worker.report.columns import FILES, OPEN, RESULT_COLUMNS, SUCCEEDED, file_of
from worker.report.sheet import Sheet, Written, writing
from worker.report.shown import start_and_end, tzid_of, utc
from worker.report.snapshot import Snapshot
from worker.report.summary import Summary, summary_of
from worker.rules import FIELDS, adds_up, differences
from worker.rules.images import ENDS
from worker.store import Campaign, Outcome, Store

_JSONL_COLUMNS = ("line",)
_NO_TIMES = ("", "")
_MESSAGES = {str(code): text for code, text in CODE_HELP.items()}
#: States in which the target is what the event was told to become.
_SENT = frozenset(
    {EditState.ACCEPTED, EditState.VERIFIED, EditState.UNVERIFIED, EditState.MISMATCH}
)


class InvariantError(WorkerError):
    """Raised when outcomes do not add up to the input's lines: a bug, and no results then."""


def write_results(
    store: Store, look: Snapshot, *, folder: Path, only: Collection[str] = ()
) -> Summary:
    """Write the files of a campaign and return their summary; `only` names some, () all.

    Raises InvariantError, SettingsError for a folder that cannot be written, NotFound for outcomes
    that were pruned. Nothing takes its place before everything adds up; summary.json comes last and
    names the others' checksums.
    """
    if look.campaign.pruned_at is not None:
        raise NotFound(
            f"The outcomes of {look.campaign.id} were pruned on {look.campaign.pruned_at:%Y-%m-%d}",
            next_step=f"`calpatch status {look.campaign.id}` has their counts",
        )
    next_step = "Give another folder with --out"
    with writing("The results", folder, next_step=next_step), ExitStack() as opened:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sheets = _Sheets(folder, look, only=only, opened=opened)
        seen = _fill(sheets, store.reading.outcomes(look.campaign.id))
        _check(look, seen)
        summary = summary_of(
            look,
            files=sheets.place(),
            seen=seen,
            only=tuple(only),
            chunk_heads=store.audit.chunk_heads(look.campaign.id) if look.has_ended else "",
        )
        last = opened.enter_context(Sheet(folder, "summary.json"))
        last.write(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n")
        last.place()
    return summary


class _Sheets:
    """The open files, by name."""

    def __init__(
        self, folder: Path, look: Snapshot, *, only: Collection[str], opened: ExitStack
    ) -> None:
        names = [*FILES] if look.has_ended else [*FILES, OPEN]
        self._folder = folder
        self._whole = not only
        self._columns = look.campaign.columns
        self._csv: dict[str, Sheet] = {}
        self._jsonl: dict[str, Sheet] = {}
        for name in [each for each in names if not only or each in only]:
            self._csv[name] = opened.enter_context(Sheet(folder, f"{name}.csv"))
            self._csv[name].head((*look.campaign.columns, *RESULT_COLUMNS))
            if _is_jsonl(look.campaign) and name != SUCCEEDED:
                self._jsonl[name] = opened.enter_context(Sheet(folder, f"{name}.jsonl"))

    def add(self, outcome: Outcome) -> None:
        """Put an outcome into its file, if that is asked for."""
        name = file_of(outcome.state, outcome.code)
        if sheet := self._csv.get(name):
            sheet.row(result_cells(outcome, self._columns))
        if outcome.cells and (lines := self._jsonl.get(name)):
            lines.line(outcome.cells[0])

    def place(self) -> tuple[Written, ...]:
        """Put all files into their places; of an earlier, partial export nothing stays behind."""
        written = tuple(sheet.place() for sheet in (*self._csv.values(), *self._jsonl.values()))
        if self._whole:
            names = {each.name for each in written}
            for stale in (f"{name}.{kind}" for name in (*FILES, OPEN) for kind in ("csv", "jsonl")):
                if stale not in names:
                    (self._folder / stale).unlink(missing_ok=True)
        return written


def result_cells(outcome: Outcome, columns: Sequence[str]) -> Iterator[object]:
    """Return the cells of an outcome: the input's, then ours."""
    yield from map(guarded, outcome.cells or _erased(outcome, columns))
    yield outcome.line_no
    yield f"{outcome.campaign_id}:{outcome.line_no}"
    yield str(outcome.state)
    yield outcome.code
    yield message_of(outcome.code)
    yield from _times(outcome.before)
    yield from _times(_after(outcome))
    yield tzid_of(outcome.before) if outcome.before else ""
    yield outcome.fields
    yield outcome.attempts
    yield outcome.http_status or ""
    yield guarded(outcome.error_key)
    yield utc(outcome.accepted_at)
    yield utc(outcome.verified_at)
    yield from _times(outcome.target)
    yield from _times(outcome.seen)
    yield ",".join(_found_otherwise(outcome))
    yield guarded(_three_values(outcome))


def _found_otherwise(outcome: Outcome) -> tuple[str, ...]:
    """Return the fields in which a conflict found the event to be another than it had been."""
    if outcome.state is not EditState.CONFLICT or not (outcome.before and outcome.seen):
        return ()
    return differences(outcome.before, outcome.seen)


def _three_values(outcome: Outcome) -> str:
    """Return the fields in dispute as JSON, each with what it was, should be and is; "" for none.

    Those are the fields that the edit changes, and in which the event is another by now.
    """
    before, target, seen = outcome.before, outcome.target, outcome.seen
    if outcome.state is not EditState.CONFLICT or not (before and target and seen):
        return ""
    disputed = {*differences(before, target)} & {*_found_otherwise(outcome)}
    images = {"before": before, "planned": target, "seen": seen}
    values = {
        name: {which: _value(image, name) for which, image in images.items()}
        for name in FIELDS
        if name in disputed
    }
    return msgspec.json.encode(values).decode() if values else ""


def _value(image: Image, name: str) -> str:
    if name in ENDS:
        return start_and_end(image)[ENDS.index(name)]
    value: str = getattr(image, name)
    return value


def _erased(outcome: Outcome, columns: Sequence[str]) -> list[str]:
    """Return the input's cells of a line whose texts were erased: the ids, and blanks."""
    ids = {
        "account": outcome.account,
        "calendar_id": outcome.calendar_id,
        "event_uid": outcome.event_uid,
    }
    return [ids.get(name, "") for name in columns]


def message_of(code: str) -> str:
    """Return the sentence about a code; "" for none, or one that this version does not know."""
    return _MESSAGES.get(code, "")


def _after(outcome: Outcome) -> Image | None:
    """Return where the event is, or was told to be; None when nothing was sent that was taken."""
    if outcome.state is EditState.UNCHANGED:
        return outcome.before
    return outcome.target if outcome.state in _SENT else None


def _times(image: Image | None) -> tuple[str, str]:
    return start_and_end(image) if image else _NO_TIMES


def _fill(sheets: _Sheets, outcomes: Iterator[Outcome]) -> Counter[tuple[EditState, str]]:
    seen: Counter[tuple[EditState, str]] = Counter()
    for outcome in outcomes:
        sheets.add(outcome)
        seen[outcome.state, outcome.code] += 1
    return seen


def _check(look: Snapshot, seen: Counter[tuple[EditState, str]]) -> None:
    """Hold what was written against what was submitted (law 2)."""
    total, states = look.campaign.total, Counter[EditState]()
    for (state, _), count in seen.items():
        states[state] += count
    whole = adds_up(total, states) and states == look.by_state if look.has_ended else True
    if seen.total() != total or not whole:
        raise InvariantError(
            f"The outcomes do not add up: {total:,} lines submitted, {seen.total():,} with one",
            next_step="Nothing was written; please report this, with `calpatch audit verify`",
        )


def _is_jsonl(campaign: Campaign) -> bool:
    return campaign.columns == _JSONL_COLUMNS
