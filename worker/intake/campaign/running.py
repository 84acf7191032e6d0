"""How a campaign is carried out: `run`, the caps among `guards`, and `notify`."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Final, Literal
from urllib.parse import urlsplit

from worker import settings
from worker.intake.campaign import checks, hours
from worker.intake.campaign.part import Part
from worker.intake.campaign.value import NEWS, Notify
from worker.intake.problems import CellError
from worker.model import Run, Threshold, Window

_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%", re.ASCII)
_WHOLE: Final = 100.0
_NONE: Final = "none"
_NO_THRESHOLD: Final = Threshold(percent=None, same_code_in_a_row=None)
#: hosts of this machine, to which plain HTTP goes through no network
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def read_run(run: Part, *, guards: Part) -> Run:
    """Reads schedule, limits and gates."""
    schedule, rate = run["schedule"], run["rate"]
    at, deadline = _times(schedule)
    windows, quiet = _hours(schedule)
    return Run(
        at=at,
        deadline=deadline,
        windows=windows,
        quiet=quiet,
        share=rate["share"].read(_share, otherwise=None),
        max_rps=rate["max_rps"].read(float, otherwise=None),
        batch_size=run["batch"]["size"].read(int, otherwise=None),
        canary=run["canary"]["items"].read(int, otherwise=0),
        max_failures=_threshold(run["max_failures"]),
        max_changes=guards["max_changes"].read(int, otherwise=None),
        max_people=guards["max_people_notified"].read(int, otherwise=None),
        second_person_above=run["approval"]["second_person_above"].read(int, otherwise=None),
    )


def read_lane(run: Part) -> Literal["bulk", "interactive"]:
    """Reads the lane in which edits wait for their turn."""
    return "interactive" if run["priority"].value == "interactive" else "bulk"


def read_notify(part: Part) -> Notify | None:
    """Reads who is told of what; None when nobody is."""
    if not part:
        return None
    on = tuple(news for news in NEWS if news in part["on"].each(str))
    return Notify(webhook=part["webhook"].read(_webhook, otherwise=""), on=on or NEWS)


def _times(schedule: Part) -> tuple[datetime | None, datetime | None]:
    tzid = schedule["tzid"].read(checks.zone, otherwise="")
    moment = partial(checks.moment, tzid=tzid)
    at = schedule["at"].read(moment, otherwise=None)
    deadline = schedule["deadline"].read(moment, otherwise=None)
    if at is not None and deadline is not None and deadline <= at:
        error = CellError("the deadline is not after the begin", step="give a later one")
        schedule["deadline"].refuse(error)
    return at, deadline


def _hours(schedule: Part) -> tuple[tuple[Window, ...], tuple[Window, ...]]:
    windows = schedule["windows"].each(hours.window)
    quiet = schedule["quiet_hours"].each(hours.window)
    if quiet and not hours.leaves_time(windows, quiet):
        error = CellError("no time is left in which edits are sent", step="leave some hours open")
        schedule["quiet_hours"].refuse(error)
    return windows, quiet


def _share(value: str | float) -> float:
    try:
        return settings.share(value)
    except ValueError:
        raise CellError(
            "not a share", step="write one above 0% and up to 100%, as in 70%"
        ) from None


def _threshold(part: Part) -> Threshold:
    """Reads when failures hold the campaign; a measure that is not named stays as it is."""
    if part.value is not None:
        return part.read(_short_threshold, otherwise=Threshold())
    usual = Threshold()
    percent = part["percent"].read(_measure, otherwise=usual.percent)
    in_a_row = part["same_code_in_a_row"].read(_measure, otherwise=usual.same_code_in_a_row)
    return Threshold(
        percent=percent,
        min_attempted=part["min_attempted"].read(int, otherwise=usual.min_attempted),
        same_code_in_a_row=None if in_a_row is None else int(in_a_row),
        count=part["count"].read(int, otherwise=None),
    )


def _short_threshold(value: str | int) -> Threshold:
    """Reads a share, none, or a number, which takes the share's place."""
    if isinstance(value, str):
        return _NO_THRESHOLD if value == _NONE else Threshold(percent=_percent(value))
    return Threshold(percent=None, count=int(value))


def _percent(text: str) -> float:
    found = _PERCENT.fullmatch(text.strip())
    if found is None or not 0 < float(found[1]) <= _WHOLE:
        raise CellError("not a share of failures", step="write it as in 5%, or none for no limit")
    return float(found[1])


def _measure(value: str | float) -> float | None:
    return None if isinstance(value, str) else float(value)


def _webhook(text: str) -> str:
    """Checks an address that is posted to; it may hold a secret, and is part of no message."""
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError:
        found, port = urlsplit(""), 0
    is_open = found.scheme == "https" or (found.scheme == "http" and found.hostname in _HERE)
    if not (is_open and found.hostname and port != 0 and text.isprintable() and " " not in text):
        raise CellError(
            "no address that may be posted to",
            step="write one as in https://hooks.acme.com/calpatch",
        )
    if found.username is not None or found.fragment:
        raise CellError(
            "an address with a user or a fragment",
            step="leave what belongs to neither host nor path out",
        )
    return text
