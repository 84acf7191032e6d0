"""How a campaign is carried out: `run`, the caps among `guards`, and `notify`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Literal

from worker import settings
from worker.intake.campaign import checks, hours
from worker.intake.campaign.part import Part
from worker.intake.news import NEWS, Notify, checked_address
from worker.intake.problems import CellError
from worker.model import Run, Threshold, Window
from worker.rules import parse_threshold


def read_run(run: Part, *, guards: Part) -> Run:
    """Reads schedule, limits and gates."""
    schedule, rate, approval = run["schedule"], run["rate"], run["approval"]
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
        second_person_above=approval["second_person_above"].read(int, otherwise=None),
        plan_holds_s=approval["within"].read(checks.seconds, otherwise=Run().plan_holds_s),
    )


def read_lane(run: Part) -> Literal["bulk", "interactive"]:
    """Reads the lane in which edits wait for their turn."""
    return "interactive" if run["priority"].value == "interactive" else "bulk"


def read_notify(part: Part, *, hosts: Collection[str]) -> Notify | None:
    """Reads who is told of what; None when nobody is. `hosts` may be plain and private."""
    if not part:
        return None
    on = tuple(news for news in NEWS if news in part["on"].each(str))
    webhook = part["webhook"].read(partial(checked_address, hosts=hosts), otherwise="")
    return Notify(webhook=webhook, on=on or NEWS)


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
        return part.read(_short, otherwise=Threshold())
    usual = Threshold()
    percent = part["percent"].read(_measure, otherwise=usual.percent)
    in_a_row = part["same_code_in_a_row"].read(_measure, otherwise=usual.same_code_in_a_row)
    return Threshold(
        percent=percent,
        min_attempted=part["min_attempted"].read(int, otherwise=usual.min_attempted),
        same_code_in_a_row=None if in_a_row is None else int(in_a_row),
        count=part["count"].read(int, otherwise=None),
    )


def _short(value: str | float) -> Threshold:
    return parse_threshold(value if isinstance(value, str) else f"{value:.0f}")


def _measure(value: str | float) -> float | None:
    return None if isinstance(value, str) else float(value)
