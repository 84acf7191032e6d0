"""Outcomes as the store gives them, for what is shown of them: a test names what matters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.builders import an_image, timed
from worker.model import EditState, Image, Policy
from worker.report.lines import PlanLine, line_of
from worker.store import Outcome

#: when plans of tests were made: before all of their events
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARIS = "Europe/Paris"


def an_outcome(before: Image | None = None, target: Image | None = None, **fields: Any) -> Outcome:
    """Return a planned edit; without images, one that nobody has read."""
    ordinary: dict[str, Any] = {
        "campaign_id": "c_1", "line_no": 2, "account": "acc_1", "calendar_id": "cal_1",
        "event_uid": "evt_external_1", "ref": "", "cells": (), "state": EditState.PENDING,
        "code": "", "attempts": 0, "before": before, "target": target, "fields": "",
        "http_status": None, "error_key": "", "sent_at": None, "accepted_at": None,
        "verified_at": None, "finished_at": None,
    }  # fmt: skip
    return Outcome(**ordinary | fields)


def a_line(before: Image | None = None, target: Image | None = None, **fields: Any) -> PlanLine:
    """Return an edit as it is shown."""
    policy = fields.pop("policy", Policy())
    return line_of(an_outcome(before, target, **fields), policy=policy, at=AT)


def at(start: str, *, minutes: float = 60, tzid: str = PARIS, **fields: Any) -> Image:
    """Return an ordinary meeting at a time in UTC, shown in a zone."""
    return an_image(timed(start, minutes=minutes, tzid=tzid), **fields)
