"""Reads how long an answer asks to wait, in both forms of RFC 9110 §10.2.3."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: bounds in seconds: no answer makes us hurry, and none stops everybody for hours
SHORTEST_S = 1.0
LONGEST_S = 300.0


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return the seconds to wait, clamped to 1..300; None when absent or nonsense.

    A date is taken relative to the answer's own Date, since our clock may be off.
    """
    text = headers.get("Retry-After")
    if text is None:
        return None
    seconds = _number(text)
    if seconds is None:
        seconds = _seconds_until(text, headers, now=now)
    return None if seconds is None else min(max(seconds, SHORTEST_S), LONGEST_S)


def _number(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _seconds_until(text: str, headers: Mapping[str, str], *, now: datetime) -> float | None:
    until = _date(text)
    if until is None:
        return None
    return (until - (_date(headers.get("Date", "")) or now)).total_seconds()


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
