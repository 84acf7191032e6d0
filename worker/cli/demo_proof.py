"""The demo's proof: the results files held against the simulator's own calendars.

What each edit should have done is worked out here once more, from the file and the event as it was,
without any of the engine's rules: a wrong belief must not prove itself.
"""

from __future__ import annotations

import csv
import re
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from worker.report import FILES, restored

#: an event in the simulator: what it was, what it is, by calendar and uid
Events = Mapping[tuple[str, str], Mapping[str, Any]]
Row = Mapping[str, str]

CLEARED = "#N/A"
_SHIFT = re.compile(r"([+-]?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_SPANS = {"1s": "second", "60s": "minute"}
_TEXTS = ("summary", "description", "transparency")


class Check(NamedTuple):
    """One line of the proof."""

    claim: str
    expected: str
    found: str
    #: the largest number that would do as well, for claims of "at most"
    most: int | None = None

    @property
    def holds(self) -> bool:
        """Tell whether what was found is what it should be."""
        if self.most is not None:
            return int(self.found) <= self.most
        return self.expected == self.found


def prove(
    results: Path, *, submitted: int, simulator_url: str, limits: Mapping[str, int]
) -> list[Check]:
    """Return the proof, claim by claim; `limits` are requests by window, such as "60s"."""
    rows = [*_results(results)]
    events = {
        (each["calendar_id"], each["event_uid"]): each for each in _lines(simulator_url, "events")
    }
    stats = next(_lines(simulator_url, "stats"))
    writes = [*_lines(simulator_url, "writes")]
    return [
        Check("input lines with exactly one outcome", f"{submitted:,}", _lines_once(rows)),
        *_edits_checks(rows, events),
        *_untouched_checks(rows, events),
        *_traffic_checks(stats, writes, limits),
    ]


def _results(folder: Path) -> Iterator[Row]:
    for name in FILES:
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield {column: restored(cell) for column, cell in row.items()}


def _lines(url: str, name: str) -> Iterator[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_sim/{name}", timeout=30) as answer:  # noqa: S310 - loopback
        for line in answer:
            yield msgspec.json.decode(line, type=dict[str, Any])


def _lines_once(rows: list[Row]) -> str:
    numbers = {row["line_no"] for row in rows}
    return f"{len(rows):,}" if len(numbers) == len(rows) else f"{len(rows):,}, some twice"


def _edits_checks(rows: list[Row], events: Events) -> Iterator[Check]:
    changed = [row for row in rows if row["status"] in ("verified", "unverified")]
    right = sum(_is_as_asked(row, events) for row in changed)
    yield Check("edits that took: the calendar shows what was asked", _n(changed), f"{right:,}")
    same = [row for row in rows if row["status"] == "unchanged"]
    if same:
        right = sum(_is_as_asked(row, events) and _is_untouched(row, events) for row in same)
        yield Check("edits with nothing to do: it showed that before", _n(same), f"{right:,}")
    took = ("verified", "unverified", "unchanged")
    rest = [row for row in rows if row["status"] not in took]
    left = sum(_is_untouched(row, events) for row in rest)
    yield Check("edits skipped or refused: their events are as before", _n(rest), f"{left:,}")


def _is_as_asked(row: Row, events: Events) -> bool:
    found = events.get((row["calendar_id"], row["event_uid"]))
    return found is not None and seen(found["event"]) == wanted(row, found["initial"])


def _is_untouched(row: Row, events: Events) -> bool:
    found = events.get((row["calendar_id"], row["event_uid"]))
    return found is None or found["event"] == found["initial"]


def _untouched_checks(rows: list[Row], events: Events) -> Iterator[Check]:
    """Count, kind by kind, what no campaign may ever touch, and everything that nobody named."""
    named = {(row["calendar_id"], row["event_uid"]) for row in rows}
    kinds: dict[str, Callable[[Mapping[str, Any]], bool]] = {
        "recurring events untouched": lambda event: event["recurring"],
        "locked events untouched": lambda event: not event["options"]["update"],
        "events of the application untouched": lambda event: event.get("event_id") is not None,
        "deleted events untouched": lambda event: event["deleted"],
    }
    for claim, is_kind in kinds.items():
        yield _untouched(claim, [each for each in events.values() if is_kind(each["initial"])])
    rest = [each for key, each in events.items() if key not in named]
    if rest:
        yield _untouched("events that nobody named untouched", rest)


def _untouched(claim: str, kind: list[Mapping[str, Any]]) -> Check:
    same = sum(each["event"] == each["initial"] for each in kind)
    return Check(claim, _n(kind), f"{same:,}")


def _traffic_checks(
    stats: Mapping[str, Any], writes: list[dict[str, Any]], limits: Mapping[str, int]
) -> Iterator[Check]:
    for window, limit in limits.items():
        most = stats["busiest_with_refused"].get(window, 0)
        claim = f"requests in the busiest {_SPANS.get(window, window)}"
        yield Check(claim, f"at most {limit}", str(most), most=limit)
    yield Check("requests refused by the limit", "0", str(stats["refused"]))
    with_id = sum("event_id" in each["body"] for each in writes)
    yield Check(f"writes with an event_id, of {len(writes):,}", "0", str(with_id))
    bodies: dict[tuple[str, str], set[bytes]] = {}
    for each in writes:
        key = (each["calendar_id"], each["event_uid"])
        bodies.setdefault(key, set()).add(msgspec.json.encode(each["body"], order="sorted"))
    twice = sum(len(sent) > 1 for sent in bodies.values())
    yield Check("events that were sent two different bodies", "0", str(twice))


def _n(things: Iterable[object]) -> str:
    return f"{sum(1 for _ in things):,}"


# ---------------------------------------------------------------- what an edit should have done


def wanted(row: Row, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event should show after an edit, from the input's cells alone."""
    shown = seen(before)
    start, end = shown["start"], shown["end"]
    if row["shift"]:
        shift = _shift(row["shift"])
        shown["start"] = _moved(start, shift, row["tzid"] or before["start_tzid"])
        shown["end"] = _moved(end, shift, row["tzid"] or before["end_tzid"])
    if row["new_start"]:
        shown["start"] = placed(row["new_start"], row["tzid"] or before["start_tzid"])
        shown["end"] = shown["start"] + (end - start)
    if row["new_end"]:
        shown["end"] = placed(row["new_end"], row["tzid"] or before["end_tzid"])
    for name in (*_TEXTS, "location"):
        if row[name]:
            shown[name] = "" if row[name] == CLEARED else row[name]
    return shown


def seen(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that an edit may change, in a form that can be compared."""
    place = event.get("location") or {}
    shown: dict[str, Any] = {name: event[name] for name in _TEXTS}
    shown["location"] = place.get("description", "")
    for name in ("start", "end"):
        shown[name] = moment(event[name])
    return shown


def moment(text: str) -> date | datetime:
    """Return a date or a UTC time as the simulator shows it."""
    if "T" not in text:
        return date.fromisoformat(text)
    return datetime.fromisoformat(text).astimezone(UTC)


def _shift(text: str) -> timedelta:
    found = _SHIFT.fullmatch(text)
    if found is None:
        raise ValueError("a shift of the demo cannot be read")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()[1:])
    size = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -size if found[1] == "-" else size


def _moved(moment: date | datetime, shift: timedelta, tzid: str) -> date | datetime:
    """Move by the wall clock of a zone."""
    if not isinstance(moment, datetime):
        return moment + shift
    local = moment.astimezone(ZoneInfo(tzid)).replace(tzinfo=None) + shift
    return local.replace(tzinfo=ZoneInfo(tzid)).astimezone(UTC)


def placed(text: str, tzid: str) -> date | datetime:
    """Return a date or time of an input; one without an offset is of the zone."""
    if "T" not in text:
        return date.fromisoformat(text)
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(tzid))).astimezone(UTC)
