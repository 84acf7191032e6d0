"""Which events a campaign is about: `select`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from worker.intake.campaign import checks
from worker.intake.campaign.accounts import Whose, read_accounts
from worker.intake.campaign.match import read_match
from worker.intake.campaign.part import Part
from worker.intake.problems import CellError
from worker.intake.source import Known
from worker.model import Between, Select

#: days on which no event is: what stands for a date that is wrong or missing
_NEVER: Final = date.min


def read_select(
    part: Part, *, folder: Path | None, known: Known | None, now: datetime
) -> tuple[Select, Whose]:
    """Reads the selection, and how the accounts were named; days are told from now on if asked."""
    whose = read_accounts(part["accounts"], folder=folder, known=known)
    between = _between(part["between"], now=now)
    calendars = part["calendars"]
    only = calendars["only"].each(checks.name)
    exclude = calendars["exclude"].each(checks.name)
    _judge_calendars(calendars, both={*only} & {*exclude})
    select = Select(
        between=between,
        subs=whose.subs,
        labels=whose.labels,
        primary=calendars["primary"].read(bool, otherwise=None),
        calendars=only,
        exclude=exclude,
        match=read_match(part["match"], tzid=between.tzid),
    )
    return select, whose


def _between(part: Part, *, now: datetime) -> Between:
    tzid = part["tzid"].read(checks.zone, otherwise="Etc/UTC")
    day = partial(checks.day, today=now.astimezone(ZoneInfo(tzid)).date())
    first = part["from"].read(day, otherwise=_NEVER)
    last = part["to"].read(day, otherwise=_NEVER)
    if _NEVER not in {first, last} and last < first:
        error = CellError("the last day is before the first", step="give a later one, or swap them")
        part["to"].refuse(error)
    return Between(first=first, after=last + timedelta(days=1), tzid=tzid)


def _judge_calendars(part: Part, *, both: set[str]) -> None:
    if part["primary"] and part["only"]:
        error = CellError("primary and only exclude each other", step="give one of them")
        part["only"].refuse(error)
    for entry in part["exclude"]:
        if entry.value in both:
            error = CellError("only takes this calendar", step="leave it out of one of the two")
            entry.refuse(error)
