"""Charts as inline SVG: without a script, without colours that mean anything alone.

Each has its figures in words beside it or within it; lengths are shares, so that a page of any
width shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, NamedTuple

from worker.report.page.markup import Html, tag
from worker.report.spans import counted

#: columns of a chart over time; more days are put together to weeks, months or years
MOST_COLUMNS: Final = 70
_HEIGHT: Final = 100


def bar(count: int, *, most: int) -> Html:
    """Return a bar as long as its share of the largest count; the figure stands beside it."""
    width = max(0.6, 100 * count / most) if count and most else 0
    drawn = tag("rect", width=f"{width:.2f}", height=1)
    return tag(
        "svg", drawn, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none",
        aria_hidden="true",
    )  # fmt: skip


def stack(counts: Mapping[str, int]) -> Html:
    """Return one bar of all counts side by side, as their shares of the whole."""
    total = sum(counts.values())
    said = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())
    parts, at = [], 0.0
    for name, count in counts.items():
        width = 100 * count / total if total else 0
        drawn = tag(
            "rect", tag("title", f"{name.replace('_', ' ')}: {count:,}"), class_=f"is-{name}",
            x=f"{at:.3f}", width=f"{width:.3f}", height=1,
        )  # fmt: skip
        parts.append(drawn)
        at += width
    return tag(
        "svg", tag("title", f"Of {total:,}: {said}"), parts, class_="stack", role="img",
        viewBox="0 0 100 1", preserveAspectRatio="none",
    )  # fmt: skip


class Column(NamedTuple):
    """A stretch of time: what it is called, and how many events begin in it."""

    name: str
    events: int


def columns_over_time(days: Sequence[tuple[str, int]]) -> tuple[str, list[Column]]:
    """Return the unit and the columns for counts by ISO day, which may have gaps.

    The unit is the smallest that leaves no more than `MOST_COLUMNS`.
    """
    known = {date.fromisoformat(name): count for name, count in days}
    if not known:
        return "day", []
    first, last = min(known), max(known)
    if (last - first).days < MOST_COLUMNS:
        whole = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        return "day", [Column(f"{day:%a} {day}", known.get(day, 0)) for day in whole]
    if (last - first).days < 7 * MOST_COLUMNS:
        return "week", _weeks(known, first, last)
    return _months_or_years(known)


def _weeks(known: Mapping[date, int], first: date, last: date) -> list[Column]:
    monday = first - timedelta(days=first.weekday())
    weeks = [monday + timedelta(weeks=number) for number in range((last - monday).days // 7 + 1)]
    counts = dict.fromkeys(weeks, 0)
    for day, count in known.items():
        counts[day - timedelta(days=day.weekday())] += count
    return [Column(f"week of {week}", count) for week, count in counts.items()]


def _months_or_years(known: Mapping[date, int]) -> tuple[str, list[Column]]:
    months, years = (_by_beginning(known, length) for length in (len("2026-03"), len("2026")))
    return ("month", months) if len(months) <= MOST_COLUMNS else ("year", years)


def _by_beginning(known: Mapping[date, int], length: int) -> list[Column]:
    counts: Counter[str] = Counter()
    for day in sorted(known):
        counts[day.isoformat()[:length]] += known[day]
    return [Column(name, count) for name, count in counts.items()]


def chart_over_time(days: Sequence[tuple[str, int]]) -> Html | None:
    """Return a chart of counts by ISO day; None where there is nothing to draw."""
    unit, columns = columns_over_time(days)
    if not columns:
        return None
    most = max(columns, key=lambda each: each.events)
    total = counted(sum(each.events for each in columns), "event")
    said = f"{total} by {unit}, from {columns[0].name} to {columns[-1].name}"
    peak = f"most on {most.name}" if unit == "day" else f"most in {most.name}"
    drawn = tag(
        "svg", tag("title", f"{said}; {peak}: {most.events:,}"), list(_drawn(columns, most.events)),
        class_="columns", role="img", viewBox=f"0 0 {len(columns)} {_HEIGHT}",
        preserveAspectRatio="none",
    )  # fmt: skip
    axis = tag("div", tag("span", columns[0].name), tag("span", columns[-1].name), class_="axis")
    caption = tag("figcaption", f"{said}; {peak}: {most.events:,}.")
    return tag("figure", drawn, axis, caption)


def _drawn(columns: Sequence[Column], most: int) -> Iterator[Html]:
    for place, column in enumerate(columns):
        if column.events:
            height = max(1.5, _HEIGHT * column.events / most)
            yield tag(
                "rect", tag("title", f"{column.name}: {counted(column.events, 'event')}"),
                x=f"{place + 0.1:.2f}", y=f"{_HEIGHT - height:.2f}", width="0.80",
                height=f"{height:.2f}",
            )  # fmt: skip
