"""What is told of a rehearsal: what was copied, the plan, what came of it, and what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import Any

import msgspec

from worker.cli.rehearsal_run import ENV, Act, Done
from worker.cli.show import HANG
from worker.cli.talk import give_folded, give_json, plural, tell
from worker.errors import SettingsError
from worker.planning import described
from worker.rehearsal import Source
from worker.report import message_of, status_of, visible, why_it_waits, write_results
from worker.report.headline import headline, told_line
from worker.report.lines import PlanLine, line_of, needs_attention
from worker.report.plan import planned_at

#: edits to look at that are shown of each kind, and accounts that are named
MOST_SHOWN, MOST_NAMED = 5, 10
#: in the folder of --out: every change, as `calpatch show --diff` shows it
DIFF = "changes.txt"


# ---------------------------------------------------------------- before


def tell_copied(act: Act) -> None:
    """Say what the private world begins with."""
    copied = act.copied
    for source in act.sources:
        for line in _taken(source):
            tell(visible(line))
    if not act.sources:
        tell(
            f"Copied {plural(copied.events, 'event')} of {plural(copied.accounts, 'account')} "
            f"by {plural(copied.calls, 'API call')}; nothing was written"
        )
    for sub, (status, reason) in sorted(copied.unread.items())[:MOST_NAMED]:
        tell(visible(f"  {sub}: not read, it is {status} ({reason or 'nobody knows why'})"))
    if len(copied.unread) > MOST_NAMED:
        tell(f"  and {len(copied.unread) - MOST_NAMED:,} more accounts that could not be read")
    if copied.unusable:
        tell(f"  {plural(copied.unusable, 'event')} left out, without a uid or a time")


def _taken(source: Source) -> Iterator[str]:
    """Give what a file was taken for, in lines."""
    days = f", {source.first} to {source.last}" if source.first else ""
    events = plural(source.events, "event")
    yield f"{source.name} stands for account {source.account}: {events}{days}"
    for each in source.calendars[:MOST_NAMED]:
        yield f"  calendar {each}"
    for made_up in source.made_up:
        yield f"  {made_up}"
    if source.hidden:
        yield (
            f"  {plural(source.hidden, 'event')} left out: Cronofy shows 42 days back and 201 ahead"
        )


# ---------------------------------------------------------------- after


def give_done(done: Done, *, out: Path | None, as_json: bool) -> None:
    """Give the plan, what came of it, and what a real run does besides."""
    if done.planned.selected is not None:
        tell(described(done.planned.selected))
    if as_json:
        give_json(_object(done))
    else:
        for line in _lines(done):
            give_folded(visible(line), hang=HANG)
        for line in _besides(done):
            give_folded(visible(line), hang=4)
    if out is not None:
        tell(f"Every line with its outcome: {out}/*.csv; every change: {out / DIFF}")


def _lines(done: Done) -> Iterator[str]:
    yield from _plan(done)
    yield ""
    yield from _came_of_it(done)
    yield from _worst(done)


def _besides(done: Done) -> Iterator[str]:
    """Give what the real run does, and the rehearsal does not or not visibly."""
    yield ""
    yield "In earnest it"
    yield from (f"  {text}" for text in done.in_earnest)


def _worst(done: Done) -> Iterator[str]:
    """Give the first edits of each kind that did not come out as asked."""
    seen: Counter[str] = Counter()
    for line in _to_look_at(done):
        if not seen:
            yield ""
            yield "Look at"
        seen[line.code] += 1
        if seen[line.code] <= MOST_SHOWN:
            yield from (f"  {text}" for text in told_line(line))
    for code, count in seen.items():
        if count > MOST_SHOWN:
            more = f"{count - MOST_SHOWN:,} more with {code}"
            yield f"  … and {more}: --out DIR writes them to failed.csv"


def _came_of_it(done: Done) -> Iterator[str]:
    look = done.look
    if done.held:
        yield "Rehearsed: held, nothing was sent"
        yield f"  why      {done.held}"
        yield "  next     Raise the cap, under guards in the file, or select less"
        return
    if not done.plan.changes:
        yield "Rehearsed: nothing to change, nothing was sent"
        return
    yield f"Rehearsed: {str(look.campaign.state).replace('_', ' ')}"
    if not look.has_ended and (why := look.campaign.state_reason or why_it_waits(look)):
        yield f"  why      {why}"
    for (state, code), count in sorted(look.counts.items(), key=lambda each: -each[1]):
        name = str(state) if code in ("", str(state)) else f"{state}: {code}"
        yield f"  {count:>9,}  {name}  {message_of(code)}".rstrip()


def _plan(done: Done) -> Iterator[str]:
    """Give the plan but for where it stands: for an approval that nobody gives here."""
    for line in headline(done.plan, now=datetime.now(UTC)):
        if not line.startswith("  state "):
            yield line


def _edits(done: Done) -> Iterator[PlanLine]:
    campaign = done.look.campaign
    at = planned_at(campaign)
    for outcome in done.store.reading.outcomes(campaign.id):
        yield line_of(outcome, policy=campaign.policy, at=at)


def _to_look_at(done: Done) -> Iterator[PlanLine]:
    """Give the edits that did not come out as asked."""
    return (each for each in _edits(done) if needs_attention(each.status, each.code))


def _object(done: Done) -> dict[str, Any]:
    copied = done.act.copied
    return {
        "rehearsal": True,
        "copied": {
            "accounts": copied.accounts,
            "calendars": copied.calendars,
            "events": copied.events,
            "unusable": copied.unusable,
            "calls": copied.calls,
            "unread": {sub: standing._asdict() for sub, standing in copied.unread.items()},
        },
        "sources": [msgspec.to_builtins(each) for each in done.act.sources],
        "plan": done.plan,
        "held": done.held,
        "result": status_of(done.look),
        "look_at": [*_to_look_at(done)],
        "in_earnest": done.in_earnest,
        "exit_code": int(done.code),
    }


def write_done(done: Done, folder: Path) -> None:
    """Write the results, and every change. Raises SettingsError for a folder that cannot be."""
    write_results(done.store, done.look, folder=folder)
    try:
        path = folder / DIFF
        path.touch(mode=0o600)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{visible(line)}\n" for line in _plan(done))
            for edit in _edits(done):
                if edit.changes:
                    file.writelines(f"{visible(text)}\n" for text in told_line(edit))
    except OSError as error:
        raise SettingsError(
            f"The changes cannot be written to {folder} ({error.strerror})",
            next_step="Give another folder with --out",
        ) from error


def tell_kept(folder: Path) -> None:
    """Say how to look into what was kept, and to remove it."""
    if not (folder / ENV).exists():
        tell(f"It came to nothing that can be looked into: rm -r {quote(str(folder))}")
        return
    env = quote(str(folder / ENV))
    tell(f"The copy is kept in {folder}. To look into it:")
    for command in ("show --diff", "why EVENT_UID", "results --out DIR"):
        tell(f"  ( set -a; . {env}; calpatch {command} )")
    tell(f"It holds people's events: remove it afterwards, rm -r {quote(str(folder))}")
