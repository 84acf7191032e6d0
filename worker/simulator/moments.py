"""Times as the API writes and reads them: dates, UTC times, both with zones [§3.3, §4.1]."""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from worker.simulator.values import Moment

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
#: "T" or a space between [sdk c#]; "UTC" and "+00:00" are what pycronofy's own check lets through
#: [sdk].
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|UTC|\+00:00)\Z")
_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?[+-]\d\d:?\d\d\Z")


class BadTime(ValueError):
    """A written time that the API refuses; `key` and the text go into the 422."""

    def __init__(self, key: str, description: str) -> None:
        super().__init__(description)
        self.key = key


@lru_cache(maxsize=1024)
def zone(tzid: str) -> ZoneInfo | None:
    """The zone of an IANA name, or None where there is none."""
    try:
        return ZoneInfo(tzid)
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=4096)
def read_written(text: str) -> Moment:
    """Reads a time of a write: offsets and milliseconds are refused there."""
    try:
        if _DATE.match(text):
            return date.fromisoformat(text)
        found = _TIME.match(text)
        if found:
            return _whole_second(found)
    except ValueError as error:
        raise BadTime("errors.invalid_time", f"{text} is not a valid time") from error
    if _OFFSET.match(text):
        raise BadTime("errors.invalid_time", "time must be in UTC, offsets are not accepted")
    raise BadTime("errors.invalid_time", "must be a Date or a Time in UTC")


def read_asked(text: str) -> Moment:
    """Reads a time of a query, more tolerant than a write: any offset is converted."""
    try:
        if _DATE.match(text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text.replace("UTC", "Z"))
    except ValueError as error:
        raise BadTime("errors.invalid_time", "must be a Date or a Time in UTC") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def midnight(day: date, tz: ZoneInfo) -> datetime:
    """The instant at which a day begins in a zone."""
    return datetime.combine(day, time(), tz).astimezone(UTC)


def epoch(moment: Moment) -> float:
    """Seconds since the epoch, for ordering; an all-day date counts from its UTC midnight."""
    if isinstance(moment, datetime):
        return moment.timestamp()
    return datetime.combine(moment, time(), UTC).timestamp()


def localized(moment: Moment, tzid: str) -> dict[str, object]:
    """`{time, tzid}` with the zone's offset in the time, as read with localized_times [§3.3]."""
    if not isinstance(moment, datetime):
        return {"time": moment, "tzid": tzid}
    return {"time": moment.astimezone(zone(tzid) or UTC), "tzid": tzid}


def moment_of(value: object) -> Moment:
    """A moment from a value or text that a person or a control call gives; naive times are UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
    if isinstance(value, date):
        return value
    return read_asked(str(value))


def shifted(moment: Moment, by: timedelta) -> Moment:
    """A moment moved by a span."""
    return moment + by


def _whole_second(found: re.Match[str]) -> datetime:
    day, clock, fraction, _ = found.groups()
    if fraction and fraction.strip(".0"):
        raise BadTime("errors.invalid_time", "times must not have milliseconds")
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
