"""Writes CSVs about a simulated world: its accounts, and a campaign over its events."""

import csv
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from worker.simulator.moments import zone
from worker.simulator.simulator import Simulator
from worker.simulator.values import Event

ACCOUNT_COLUMNS = (
    "sub", "access_token", "refresh_token", "expires_at", "data_center", "label",
)  # fmt: skip
EDIT_COLUMNS = (
    "account", "calendar_id", "event_uid", "date_hint", "shift", "new_start", "new_end", "tzid",
    "summary", "description", "location", "transparency", "expect_start", "ref",
)  # fmt: skip
#: One row in this many names an event that nobody knows.
UNKNOWN_EVERY = 200
#: Kinds of changes and their share in percent; all-day events are shifted by a day instead.
CHANGES = {
    "shift": 78, "summary": 5, "location": 5, "description": 4, "clear": 2, "absolute": 4,
    "transparency": 2,
}  # fmt: skip
_GUARDED = 0.1


def write_accounts_csv(sim: Simulator, path: Path) -> None:
    """Writes the accounts with the tokens that the simulator accepts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(ACCOUNT_COLUMNS)
        for account in sim.accounts.values():
            ends = datetime.fromtimestamp(int(account.access_expires_at), UTC)
            tokens = (account.access_token, account.refresh_token)
            rows.writerow((account.sub, *tokens, f"{ends:%Y-%m-%dT%H:%M:%SZ}", "us", account.label))


def write_edits_csv(
    sim: Simulator, path: Path, *, limit: int | None = None, share_hinted: float = 1.0
) -> None:
    """Writes a campaign over every event (or the first `limit` rows), account by account.

    Rows for recurring, locked, managed, deleted and unknown events are among them: they must be
    skipped.
    `share_hinted` of the rows carry a date_hint.
    """
    rng = random.Random(sim.behaviour.seed)  # noqa: S311  # reproducible, not secret
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, EDIT_COLUMNS, restval="")
        rows.writeheader()
        for number, row in enumerate(islice(_rows(sim, rng, share_hinted), limit), 1):
            rows.writerow(row | {"ref": f"row-{number}"})


def _rows(sim: Simulator, rng: random.Random, share_hinted: float) -> Iterator[dict[str, str]]:
    sim.settle()
    number = 0
    for account in sim.accounts.values():
        for calendar_id in account.calendar_ids:
            for uid in sim.diaries[calendar_id].uids:
                row = _row(account.sub, sim.events[calendar_id, uid], rng, share_hinted)
                yield row
                number += 1
                # From the second row on, so that small campaigns have one too.
                if number % UNKNOWN_EVERY == 2:  # noqa: PLR2004
                    yield row | {"event_uid": f"evt_external_{rng.getrandbits(96):024x}"}


def _row(sub: str, event: Event, rng: random.Random, share_hinted: float) -> dict[str, str]:
    row = {"account": sub, "calendar_id": event.calendar_id, "event_uid": event.event_uid}
    if rng.random() < share_hinted:
        row["date_hint"] = _local(event)[:10]
    if rng.random() < _GUARDED:
        row["expect_start"] = _local(event)
    return row | _change(event, rng)


def _change(event: Event, rng: random.Random) -> dict[str, str]:
    kind = rng.choices(list(CHANGES), list(CHANGES.values()))[0]
    if kind in ("shift", "absolute") and event.is_all_day:
        return {"shift": "P1D"}
    if kind == "absolute":
        return _absolute(event)
    changes = {
        "summary": {"summary": f"Moved: {rng.randint(100, 999)}"},
        "location": {"location": f"Building C, Room {rng.randint(1, 40)}"},
        "description": {"description": "New agenda:\n1. Welcome\n2. Questions"},
        "clear": {"description": "#N/A"},
        "transparency": {"transparency": "transparent"},
    }
    return changes.get(kind, {"shift": "PT1H"})


def _absolute(event: Event) -> dict[str, str]:
    """The same event at eleven on the next day, by the wall clock of its zone."""
    day = datetime.fromisoformat(_local(event)[:10]) + timedelta(days=1, hours=11)
    end = day + timedelta(minutes=30)
    form = "%Y-%m-%dT%H:%M"
    return {"new_start": f"{day:{form}}", "new_end": f"{end:{form}}", "tzid": event.start_tzid}


def _local(event: Event) -> str:
    """An event's start in its own zone, with the offset where it is timed."""
    if not isinstance(event.start, datetime):
        return event.start.isoformat()
    return event.start.astimezone(zone(event.start_tzid) or UTC).isoformat(timespec="minutes")
