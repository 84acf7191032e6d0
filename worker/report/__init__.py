"""Reports: what a campaign is doing, what came of it, and the story of one event.

    look = take_snapshot(store, campaign_id, at=now, pace=Pace.of(settings))
    status_of(look)    picture(look)    write_results(store, look, folder=folder)

Everything is derived from the store's rows each time; nothing here calls the API or asks Redis.
"""

from __future__ import annotations

from worker.report.around import Deed, Hold, hold_of, look_around
from worker.report.cells import guarded, restored, visible, visible_json
from worker.report.columns import FILES, RESULT_COLUMNS, asks_something, file_of
from worker.report.outline import changed, outline
from worker.report.pace import Pace
from worker.report.picture import limit_line, picture, plain_line
from worker.report.reasons import canary_line, next_step, throttled, why_it_waits
from worker.report.results import InvariantError, message_of, write_results
from worker.report.sheet import Written
from worker.report.shown import local, start_and_end, utc
from worker.report.snapshot import MOVING, Blocked, Snapshot, take_snapshot
from worker.report.status import LimiterUse, Status, limiter_use, status_of
from worker.report.story import told
from worker.report.summary import Summary
from worker.report.telling import status_lines
from worker.report.terms import TUNING_HELP, failures_that_hold, tuning_of
from worker.report.waits import told_hold, told_reason
from worker.report.why import Chapter, Entry, chapter, entry_of, linked
from worker.report.words import known_actions, words_of

__all__ = [
    "FILES",
    "MOVING",
    "RESULT_COLUMNS",
    "TUNING_HELP",
    "Blocked",
    "Chapter",
    "Deed",
    "Entry",
    "Hold",
    "InvariantError",
    "LimiterUse",
    "Pace",
    "Snapshot",
    "Status",
    "Summary",
    "Written",
    "asks_something",
    "canary_line",
    "changed",
    "chapter",
    "entry_of",
    "failures_that_hold",
    "file_of",
    "guarded",
    "hold_of",
    "known_actions",
    "limit_line",
    "limiter_use",
    "linked",
    "local",
    "look_around",
    "message_of",
    "next_step",
    "outline",
    "picture",
    "plain_line",
    "restored",
    "start_and_end",
    "status_lines",
    "status_of",
    "take_snapshot",
    "throttled",
    "told",
    "told_hold",
    "told_reason",
    "tuning_of",
    "utc",
    "visible",
    "visible_json",
    "why_it_waits",
    "words_of",
    "write_results",
]
