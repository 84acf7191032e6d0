"""The story of one event in lines for a person.

Everything is escaped, since a title may hold what a terminal obeys (C19).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.model import FINAL
from worker.report.cells import visible
from worker.report.shown import utc
from worker.report.why import Chapter

#: characters of a text that one line shows
SHOWN = 60


def told(found: Chapter) -> Iterator[str]:
    """Tell a chapter in lines for a person, everything escaped."""
    for line in _told(found):
        yield visible(line)


def _told(found: Chapter) -> Iterator[str]:
    yield f"campaign {found.campaign}  {found.key}  ({found.reason})"
    by = f", by {found.owner}" if found.owner else ""
    # A campaign file has no line for an event: there the number counts what it selects.
    which = f"event {found.line_no} that" if found.rule else f"line {found.line_no} of"
    selects = " selects" if found.rule else ""
    yield f"  asked      {which} {found.source}{selects}{by}, {utc(found.submitted_at)}"
    for name, value in found.asked.items():
        yield f"               {name} = {_short(value)}"
    if found.is_erased:
        yield "               (the person was erased, and with them what was asked and stored)"
    yield from _listed("rule", found.rule)
    yield from _agreed(found)
    yield from _listed(
        "change", [f"{name}: {_short(old)} → {_short(new)}" for name, old, new in found.changes]
    )
    if found.is_pruned and not found.is_erased:
        yield "             (what was stored of the event has been pruned)"
    yield from _calls(found)
    how = f" ({found.code})" if found.code and found.code != found.status else ""
    yield f"  outcome    {found.status}{how} {found.meaning}".rstrip()
    yield from _listed("found", map(_three, found.found))
    yield from _links(found)
    steps = (f"{utc(each.at)}  {each.said}  ({each.actor})" for each in found.entries)
    yield from _listed("audit", steps)


def _listed(label: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines, the first one with its label."""
    for number, line in enumerate(lines):
        yield f"  {'' if number else label:<9}  {line}"


def _agreed(found: Chapter) -> Iterator[str]:
    """Tell of the plan, and who agreed to it."""
    if found.plan:
        yield f"  planned    {utc(found.planned_at)}, {found.plan[:23]}…"
    for each in found.approvals:
        yield f"  approved   {utc(each.at)}, by {each.by}: {each.reason}"


def _three(values: tuple[str, str, str, str]) -> str:
    name, before, target, seen = values
    wanted = f", should become {_short(target)}" if target != before else ""
    return f"{name}: was {_short(before)}{wanted}, and was found as {_short(seen)}"


def _links(found: Chapter) -> Iterator[str]:
    if found.takes_back:
        campaign, _, line_no = found.takes_back.rpartition(":")
        yield f"  link       takes back line {line_no} of {campaign}"
    if found.tries_again:
        yield f"  link       tries again what was left of {found.tries_again}"
    for each in found.undone_by:
        yield f"  link       taken back by line {each.line_no} of {each.campaign}: {each.status}"
    for each in found.tried_again_by:
        yield f"  link       tried again by line {each.line_no} of {each.campaign}: {each.status}"


def _calls(found: Chapter) -> Iterator[str]:
    if found.sent_at:
        answer = f", answered {found.http_status}" if found.http_status else ""
        key = f" ({found.error_key})" if found.error_key else ""
        tries = f"{found.attempts} attempt{'s' if found.attempts != 1 else ''}"
        yield f"  sent       {utc(found.sent_at)}, {tries}{answer}{key}"
    elif found.status in FINAL:
        yield "  sent       never; the API was not asked to change anything"
    if found.accepted_at:
        yield f"  accepted   {utc(found.accepted_at)} (a promise, not a proof)"
    if found.verified_at:
        yield f"  read back  {utc(found.verified_at)}: the event is as asked"


def _short(text: str) -> str:
    cut = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return cut or '""'
