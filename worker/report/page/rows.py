"""The rows of a page: one edit each, with what differs marked."""

from __future__ import annotations

from collections.abc import Iterator

from worker.model import EditState
from worker.report.cautions import CAUTION_HELP
from worker.report.contrast import Text, contrast, shortened
from worker.report.headline import guests_of
from worker.report.lines import FieldChange, PlanLine, short_times
from worker.report.page.markup import Child, Html, event_characters, event_text, tag
from worker.report.results import message_of


def change_row(line: PlanLine, *, who: str) -> Html:
    """Return an edit that changes something: which event, each change, whom it concerns."""
    marks = [name for name, is_so in (("warned", line.warnings), ("told", line.people)) if is_so]
    return tag(
        "tr",
        tag("th", _event(line, who=who), scope="row", data_label="Event"),
        tag("td", _changes(line), _ending(line), _warnings(line), data_label="Change"),
        tag("td", guests_of(line) or "–", class_="guests", data_label="Guests"),
        class_=" ".join(marks) or None,
    )


def reason_row(line: PlanLine, *, who: str) -> Html:
    """Return an edit that changes nothing: which event, and why."""
    why = message_of(line.code) or line.status.replace("_", " ")
    return tag(
        "tr",
        tag("th", _event(line, who=who), scope="row", data_label="Event"),
        tag("td", line.when or "–", data_label="When"),
        tag("td", why, " ", tag("span", line.code, class_="code"), data_label="Why"),
    )


def _event(line: PlanLine, *, who: str) -> Iterator[Child]:
    if line.is_known:
        title = event_text(shortened(line.title)) if line.title.strip() else "without a title"
        yield tag("span", title, class_="title")
    else:
        yield tag("span", "not shown", class_="title untold")
    yield tag("span", event_text(shortened(who)), class_="who")
    yield tag("span", f"line {line.line_no}, ", event_text(line.event_uid), class_="uid")


def _changes(line: PlanLine) -> Iterator[Html]:
    if not line.changes and line.when:
        yield _change("time", line.when)
    for change in line.changes:
        shown = _time(change) if change.field == "time" else _text(change)
        yield _change(change.field, shown)


def _change(name: str, shown: Child) -> Html:
    return tag("div", tag("span", name, class_="field"), tag("div", shown), class_="change")


def _time(change: FieldChange) -> Iterator[Child]:
    before, after = short_times(change)
    yield from _both(tag("del", before), tag("ins", after))
    if change.by:
        yield tag("span", change.by, class_="by")
    if change.now is not None and change.now != change.before:
        yield tag("div", "now: ", change.now, class_="now")


def _text(change: FieldChange) -> Iterator[Child]:
    old, new = contrast(change.before, change.after)
    yield from _both(_marked("del", old), _marked("ins", new))
    if change.now is not None and change.now != change.before:
        now = event_text(shortened(change.now)) if change.now else "nothing"
        yield tag("div", "now: ", now, class_="now")


def _both(before: Html, after: Html) -> Iterator[Child]:
    yield from (before, tag("span", " → ", class_="arrow"), after, " ")


def _marked(name: str, text: Text) -> Html:
    if not text.whole:
        return tag(name, tag("span", "nothing", class_="nothing"))
    lead, changed, trail = map(event_characters, text)
    marked = tag("mark", changed) if changed else None
    return tag(name, tag("bdi", lead, marked, trail))


def _ending(line: PlanLine) -> Html | None:
    """Return how an edit has ended, once it has."""
    if line.status in {"change", "waiting"}:
        return None
    # The table of outcomes says once what the usual end means.
    said = message_of(line.code) if line.status != EditState.VERIFIED else ""
    badge = tag("span", line.status.replace("_", " "), class_=f"badge is-{line.status}")
    return tag("div", badge, f" {said}" if said else None, class_="ending")


def _warnings(line: PlanLine) -> Iterator[Html]:
    for name in line.warnings:
        yield tag("div", CAUTION_HELP[name], class_="warning")
