"""The parts of a page above its tables: where it stands, how much, when, whom it concerns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from worker.model import ENDED, CampaignState
from worker.report.cautions import CAUTION_HELP
from worker.report.headline import cost_of, mail_of, notes_of, title_of
from worker.report.page.charts import bar, chart_over_time, stack
from worker.report.page.markup import Child, Html, event_text, tag
from worker.report.plan import BEFORE, PlanView
from worker.report.results import message_of
from worker.report.standing import minute, next_step, standing
from worker.report.tally import OTHERS, Totals
from worker.rules import format_seconds

#: organizers that have a bar of their own
MOST_ORGANIZERS: Final = 10


def opening(view: PlanView, *, now: datetime) -> Html:
    """Return what it is, why, and where it stands."""
    step = next_step(view, now=now)
    said, _, command = step.partition(": ")
    return tag(
        "header",
        tag("p", title_of(view), class_="kicker"),
        tag("h1", view.key),
        tag("p", view.reason, class_="reason"),
        tag("p", _sentence(standing(view, now=now)), class_="standing"),
        [tag("p", _sentence(note), class_="note") for note in notes_of(view)],
        tag("p", f"{said}: ", tag("code", command), class_="next") if command else None,
    )


def _sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def figures(view: PlanView) -> Html:
    """Return the few numbers that matter most."""
    return tag(
        "section", [_figure(number, said) for number, said in _figures(view)], class_="figures"
    )


def _figure(number: str, said: str) -> Html:
    return tag("div", tag("b", number), tag("span", said))


def _figures(view: PlanView) -> Iterator[tuple[str, str]]:
    yield f"{view.total:,}", "event in all" if view.total == 1 else "events in all"
    by_status = view.by_status
    if view.state in BEFORE:
        yield f"{view.changes:,}", "would change"
        yield f"{by_status.get('skipped', 0) + by_status.get('unchanged', 0):,}", "left alone"
    else:
        yield f"{by_status.get('verified', 0):,}", "changed and read back"
        bad = sum(
            by_status.get(name, 0) for name in ("conflict", "failed", "mismatch", "unverified")
        )
        yield f"{bad:,}", "that need attention" if bad else "need attention"
    tense = "may have been notified" if CampaignState(view.state) in ENDED else "may be notified"
    yield f"{view.people:,}", f"{'person' if view.people == 1 else 'people'} {tense}"
    cost = view.cost
    if view.state in BEFORE and cost.calls and cost.per_minute:
        lasts = format_seconds(60 * cost.calls / cost.per_minute)
        yield lasts, f"to do it, at {cost.per_minute:,.0f} calls a minute"
    else:
        yield f"{cost.made:,}", "API calls made"


def outcomes(view: PlanView, totals: Totals) -> Iterator[Html]:
    """Yield what becomes of the events, by status and reason; the counts add up to the total."""
    reasons = dict(totals.reasons) or {(name, ""): n for name, n in view.by_status.items()}
    place = {name: number for number, name in enumerate(view.by_status)}
    ranked = sorted(reasons.items(), key=lambda each: (place[each[0][0]], -each[1], each[0][1]))
    most = max(reasons.values(), default=0)
    rows = [_outcome(status, code, count, most=most) for (status, code), count in ranked]
    total = tag(
        "tr", tag("th", "all", scope="row"), tag("td"), tag("td", f"{view.total:,}"), tag("td")
    )
    yield tag(
        "section",
        tag("h2", "Outcomes"),
        stack(view.by_status),
        tag(
            "table",
            tag("caption", "Every event is in exactly one line."),
            _header("Outcome", "", "Events", "Meaning"),
            tag("tbody", rows),
            tag("tfoot", total),
            class_="outcomes",
        ),
        class_="outcomes",
    )


def _header(*names: str) -> Html:
    return tag("thead", tag("tr", [tag("th", name, scope="col") for name in names]))


_MEANINGS: Final = {
    "change": "The event would be changed as shown below.",
    "waiting": "Nobody has looked at the event yet.",
    "sending": "The edit is on its way.",
    "accepted": "The API has taken the edit; it is still to be read back.",
}


def _outcome(status: str, code: str, count: int, *, most: int) -> Html:
    name = tag("span", status.replace("_", " "), class_=f"badge is-{status}")
    named = tag("span", code, class_="code") if code and code != status else None
    return tag(
        "tr",
        tag("th", name, " ", named, scope="row"),
        tag("td", bar(count, most=most), class_=f"track is-{status}"),
        tag("td", f"{count:,}"),
        tag("td", message_of(code) or _MEANINGS.get(status)),
    )


def over_time(totals: Totals) -> Iterator[Html]:
    """Yield on which days the events are, before they are moved."""
    named = [each for each in totals.days.by_name() if each[0] != OTHERS]
    chart = chart_over_time(named)
    if chart is not None:
        yield tag("section", tag("h2", "By day"), chart)


def people(view: PlanView, totals: Totals) -> Iterator[Html]:
    """Yield whose events they are, who hears of it, and what is to be looked at twice."""
    ranked = totals.organizers.by_count(most=MOST_ORGANIZERS)
    if ranked:
        most = max((count for name, count in ranked if name != OTHERS), default=0)
        rows = [_organizer(name, count, most=most) for name, count in ranked]
        yield tag(
            "section",
            tag("h2", "By organizer"),
            tag("table", _header("Organizer", "", "Events"), tag("tbody", rows), class_="bars"),
        )
    if view.people:
        yield tag("section", tag("h2", "Who may hear of it"), tag("p", _sentence(mail_of(view))))
    if view.warnings:
        rows = [
            tag("tr", tag("td", f"{count:,}"), tag("td", CAUTION_HELP[name]))
            for name, count in view.warnings.items()
        ]
        table = tag("table", _header("Events", "Why"), tag("tbody", rows), class_="warnings")
        yield tag("section", tag("h2", "To be looked at twice"), table)


def _organizer(name: str, count: int, *, most: int) -> Html:
    return tag(
        "tr",
        tag("th", event_text(name), scope="row"),
        tag("td", bar(count, most=most) if name != OTHERS else None, class_="track"),
        tag("td", f"{count:,}"),
    )


def asked_for(asked: Sequence[str]) -> Html | None:
    """Return what a campaign asks, in words; None where that is not known."""
    if not asked:
        return None
    items = [
        tag("li", line.strip(), class_="detail" if line.startswith(" ") else None) for line in asked
    ]
    return tag("section", tag("h2", "What is asked"), tag("ul", items, class_="asked"))


def particulars(view: PlanView) -> Html:
    """Return what names and binds a plan."""
    listed = [[tag("dt", name), tag("dd", said)] for name, said in _facts(view) if said]
    return tag(
        "section", tag("h2", "This plan" if view.plan else "This campaign"), tag("dl", listed)
    )


def _facts(view: PlanView) -> Iterator[tuple[str, Child]]:
    yield "campaign", tag("code", view.campaign)
    yield "made from", event_text(view.source)
    yield "by", event_text(view.owner) if view.owner else None
    yield "submitted", minute(view.submitted_at)
    yield "planned", minute(view.planned_at) if view.planned_at else None
    yield "to be approved until", minute(view.expires_at) if view.expires_at else None
    approvals = [f"{each.actor}, {minute(each.at)}: {each.reason}" for each in view.approvals]
    yield "approved by", [tag("div", event_text(each)) for each in approvals]
    yield "begun", minute(view.started_at) if view.started_at else None
    yield "ended", minute(view.finished_at) if view.finished_at else None
    yield "calls", cost_of(view)
    yield "plan's hash", tag("code", view.plan, class_="hash") if view.plan else None
