"""What people write today on the official client, with care: one edit at a time, or in batches.

`python -m tests.benchmarks.script script|script_batch URL FOLDER SECONDS`. Says `go` and `done` on
stdout, and lives until its stdin closes, so that its cost can be read. The client keeps no
connection alive and knows no limit; a refused call waits for as long as the answer asks.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import pycronofy
from pycronofy.batch import BatchBuilder
from pycronofy.exceptions import PyCronofyRequestError

T = TypeVar("T")
Row = dict[str, str]

BATCH = 50
HOUR = timedelta(hours=1)


def open_client(url: str, token: str) -> pycronofy.Client:
    """Return the official client for one account, pointed at the provider."""
    client = pycronofy.Client(
        client_id="sim-client-id", client_secret="sim-client-secret", access_token=token
    )
    client.request_handler.base_url = url
    return client


def read_tokens(folder: Path) -> dict[str, str]:
    """Return access tokens by account."""
    with (folder / "accounts.csv").open(newline="") as file:
        return {row["sub"]: row["access_token"] for row in csv.DictReader(file)}


def read_rows(folder: Path) -> list[Row]:
    """Return the campaign's lines."""
    with (folder / "edits.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def retry_after_s(refused: PyCronofyRequestError) -> float | None:
    """Return for how long a refused call asks to wait; None when it was not the limit."""
    if refused.response.status_code != 429:
        return None
    return float(refused.response.headers.get("Retry-After", 1))


def patiently(call: Callable[[], T]) -> T:
    """Make a call until the limit lets it through."""
    while True:
        try:
            return call()
        except PyCronofyRequestError as refused:
            wait_s = retry_after_s(refused)
            if wait_s is None:
                raise
            Event().wait(wait_s)


def window_of(rows: list[Row]) -> tuple[date | None, date | None]:
    """Return the smallest window around the lines' dates; none of them is the whole window."""
    days = sorted(date.fromisoformat(row["date_hint"]) for row in rows if row.get("date_hint"))
    if not days:
        return None, None
    return days[0], days[-1] + timedelta(days=1)


def wanted(row: Row, event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the edit to send; None when the event already is what is asked."""
    if row["new_start"]:
        start, end = row["new_start"], row["new_end"]
    else:
        start, end = _later(event["start"]), _later(event["end"])
    if (start, end) == (event["start"], event["end"]):
        return None
    return {
        "event_uid": event["event_uid"],
        "summary": event["summary"],
        "start": start,
        "end": end,
    }


def _later(moment: str) -> str:
    return f"{datetime.fromisoformat(moment) + HOUR:%Y-%m-%dT%H:%M:%SZ}"


def edit_one(client: pycronofy.Client, row: Row) -> None:
    """Read the smallest window that holds the event, and edit it."""
    first, last = window_of([row])
    pages = client.read_events(
        calendar_ids=(row["calendar_id"],), from_date=first, to_date=last, include_managed=False
    )
    event = next(each for each in pages if each["event_uid"] == row["event_uid"])
    body = wanted(row, event)
    if body is not None:
        client.upsert_event(row["calendar_id"], body)


def edit_account(client: pycronofy.Client, rows: list[Row]) -> None:
    """Read the account's window once, and send what changes in batches."""
    first, last = window_of(rows)
    calendars = tuple(dict.fromkeys(row["calendar_id"] for row in rows))
    pages = patiently(
        lambda: client.read_events(
            calendar_ids=calendars, from_date=first, to_date=last, include_managed=False
        )
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    while True:
        found |= {(each["calendar_id"], each["event_uid"]): each for each in pages.current_page()}
        if pages.current >= pages.total:
            break
        patiently(pages.fetch_next_page)
    bodies = [
        (row["calendar_id"], wanted(row, found[row["calendar_id"], row["event_uid"]]))
        for row in rows
    ]
    changes = [(calendar_id, body) for calendar_id, body in bodies if body is not None]
    for start in range(0, len(changes), BATCH):
        builder = BatchBuilder()
        for calendar_id, body in changes[start : start + BATCH]:
            builder.upsert_event(calendar_id, body)
        patiently(lambda builder=builder: client.batch(builder))  # type: ignore[misc]


def steps(mode: str, url: str, folder: Path) -> Iterator[Callable[[], object]]:
    """Yield the work piece by piece: an edit, or an account."""
    tokens, rows = read_tokens(folder), read_rows(folder)
    for sub, lines in groupby(rows, key=lambda row: row["account"]):
        client, own = open_client(url, tokens[sub]), list(lines)
        if mode == "script_batch":
            yield lambda client=client, own=own: edit_account(client, own)  # type: ignore[misc]
            continue
        for row in own:
            yield lambda client=client, row=row: patiently(  # type: ignore[misc]
                lambda: edit_one(client, row)
            )


def main() -> None:
    """Work until it is done or the time is over."""
    mode, url, folder, seconds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), float(sys.argv[4])
    todo = steps(mode, url, folder)
    print("go", flush=True)  # noqa: T201
    ends_at = time.monotonic() + seconds
    for step in todo:
        step()
        if time.monotonic() > ends_at:
            break
    print("done", flush=True)  # noqa: T201
    sys.stdin.read()


if __name__ == "__main__":
    main()
