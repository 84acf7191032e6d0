"""Reports: what a campaign is doing, what came of it, and the story of one event.

    look = take_snapshot(store, campaign_id, at=now, pace=Pace.of(settings))
    status_of(look)    picture(look)    write_results(store, look, folder=folder)

Everything is derived from the store's rows each time; nothing here calls the API or asks Redis.
"""

from __future__ import annotations

from worker.report.cells import guarded, restored, visible, visible_json
from worker.report.columns import FILES, RESULT_COLUMNS, asks_something, file_of
from worker.report.picture import limit_line, picture, plain_line
from worker.report.reasons import next_step, throttled, why_it_waits
from worker.report.results import InvariantError, message_of, write_results
from worker.report.sheet import Written
from worker.report.shown import local, start_and_end, utc
from worker.report.snapshot import Blocked, Pace, Snapshot, take_snapshot
from worker.report.status import LimiterUse, Status, limiter_use, status_of
from worker.report.summary import Summary
from worker.report.why import Chapter, chapter, told

__all__ = [
    "FILES",
    "RESULT_COLUMNS",
    "Blocked",
    "Chapter",
    "InvariantError",
    "LimiterUse",
    "Pace",
    "Snapshot",
    "Status",
    "Summary",
    "Written",
    "asks_something",
    "chapter",
    "file_of",
    "guarded",
    "limit_line",
    "limiter_use",
    "local",
    "message_of",
    "next_step",
    "picture",
    "plain_line",
    "restored",
    "start_and_end",
    "status_of",
    "take_snapshot",
    "throttled",
    "told",
    "utc",
    "visible",
    "visible_json",
    "why_it_waits",
    "write_results",
]
