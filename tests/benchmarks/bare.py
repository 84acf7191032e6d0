"""The physical limit: the requests of the floor with bare aiohttp, and nothing else.

`python -m tests.benchmarks.bare verified|unverified URL FOLDER SCENARIO SECONDS`. No SQL, no audit,
no rules, no limiter that others share: one process that paces itself exactly. Says `go` and `done`
on stdout, and lives until its stdin closes.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.benchmarks.floor import BATCH_SIZE
from tests.benchmarks.scenarios import Scenario
from tests.benchmarks.script import Row, read_rows, read_tokens, wanted, window_of
from worker.simulator import read_rate

#: What calpatch adds to every window as well (worker/limits).
MARGIN_S = 0.1
#: Accounts at a time: enough to fill 50 a second at 0.2 s each, few enough that calls mix.
IN_FLIGHT = 16
#: As `verify_delay`.
SWEEP_AFTER_S = 3.0
TOO_MANY = 429


class Pacer:
    """Sliding windows, exact, for one process; first come, first served."""

    def __init__(self, rate: str) -> None:
        self._windows = [(count, span + MARGIN_S) for count, span in read_rate(rate)]
        #: one entry for each unit of weight
        self._sent: deque[float] = deque(maxlen=max((n for n, _ in self._windows), default=1))
        self._turn = asyncio.Lock()

    async def pace(self, weight: int) -> None:
        """Wait until so much may be sent."""
        async with self._turn:
            now = time.monotonic()
            at = max((self._opens(*window, weight) for window in self._windows), default=now)
            await asyncio.sleep(max(0.0, at - now))
            self._sent.extend([time.monotonic()] * weight)

    def _opens(self, count: int, span: float, weight: int) -> float:
        """Return when a window has room."""
        leaves = len(self._sent) + weight - count
        if leaves <= 0:
            return 0.0
        # The deque holds the largest window; a smaller one looks at its newest `count` only.
        return self._sent[leaves - 1] + span


class Bare:
    """One run."""

    def __init__(self, session: aiohttp.ClientSession, url: str, scenario: Scenario) -> None:
        self._session = session
        self._url = url
        self._scenario = scenario
        self._pacer = Pacer(scenario.rate)
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    async def account(self, token: str, rows: list[Row], *, verifies: bool) -> None:
        """Read, write, sweep."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._slots:
            first, last = window_of(rows)
            window = {"from": str(first), "to": str(last)} if first else {}
            events = await self._read(headers, window)
            since = datetime.now(UTC) - timedelta(seconds=2)
            writes = (self._write(headers, entries) for entries in _batches(rows, events))
            await asyncio.gather(*writes)
        if verifies:
            await asyncio.sleep(SWEEP_AFTER_S)
            changed = {"last_modified": f"{since:%Y-%m-%dT%H:%M:%SZ}", "include_deleted": "true"}
            await self._read(headers, changed)

    async def _read(self, headers: dict[str, str], query: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        url, params = f"{self._url}/v1/events", {"tzid": "Etc/UTC"} | query
        while url:
            body = await self._send("GET", url, weight=1, params=params, headers=headers)
            page = msgspec.json.decode(body)
            found += page["events"]
            url, params = page["pages"].get("next_page", ""), {}
        return found

    async def _write(self, headers: dict[str, str], entries: list[dict[str, Any]]) -> None:
        weight = len(entries) if self._scenario.batch_counts_as == "each" else 1
        body = msgspec.json.encode({"batch": entries})
        kind = {"Content-Type": "application/json"}
        url = f"{self._url}/v1/batch"
        await self._send("POST", url, weight=weight, data=body, headers=headers | kind)

    async def _send(self, method: str, url: str, *, weight: int, **more: Any) -> bytes:
        """Send when the limit allows; a machine that stalls may be late, and is refused then."""
        while True:
            await self._pacer.pace(weight)
            async with self._session.request(method, url, **more) as reply:
                body = await reply.read()
            if reply.status != TOO_MANY:
                reply.raise_for_status()
                return body
            await asyncio.sleep(float(reply.headers.get("Retry-After", 1)))


def _batches(rows: list[Row], events: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    found = {(each["calendar_id"], each["event_uid"]): each for each in events}
    entries = [
        {"method": "POST", "relative_url": f"/v1/calendars/{row['calendar_id']}/events", "data": it}
        for row in rows
        if (it := wanted(row, found[row["calendar_id"], row["event_uid"]])) is not None
    ]
    for start in range(0, len(entries), BATCH_SIZE):
        yield entries[start : start + BATCH_SIZE]


async def run(mode: str, url: str, folder: Path, scenario: Scenario, seconds: float) -> None:
    """Work until it is done or the time is over."""
    tokens, rows = read_tokens(folder), read_rows(folder)
    accounts = [(sub, list(lines)) for sub, lines in groupby(rows, key=lambda row: row["account"])]
    print("go", flush=True)  # noqa: T201
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        bare = Bare(session, url, scenario)
        work = (
            bare.account(tokens[sub], lines, verifies=mode == "verified") for sub, lines in accounts
        )
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*work)
        except TimeoutError:
            pass
    print("done", flush=True)  # noqa: T201


def main() -> None:
    """Read the command line and run."""
    mode, url, folder, scenario, seconds = sys.argv[1:]
    known = msgspec.json.decode(scenario, type=Scenario)
    asyncio.run(run(mode, url, Path(folder), known, float(seconds)))
    sys.stdin.read()


if __name__ == "__main__":
    main()
