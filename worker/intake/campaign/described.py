"""A campaign in words, for `calpatch validate` and for whoever is to agree to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from worker.intake.campaign.value import CampaignFile
from worker.intake.campaign.wording import changed, clock, listed, number, selected, span
from worker.model import Policy, Run, Threshold, Window
from worker.rules import format_hours

_CONFLICT: Final = {
    "skip": "what somebody changes in the meantime is left to them",
    "rebase": "what somebody changes in the meantime is planned anew where that means the same",
    "force": "what somebody changes in the meantime is overwritten",
}


def described(campaign: CampaignFile) -> list[str]:
    """Returns what a campaign does, in lines; those that go into detail begin with blanks."""
    owner = f", for {campaign.owner}" if campaign.owner else ""
    lines = [f"campaign {campaign.name}{owner}: {campaign.reason}", *selected(campaign.select)]
    lines.append("changes each, in this order:")
    lines += [f"  {place}. {changed(op)}" for place, op in enumerate(campaign.ops, 1)]
    lines.append(f"leaves alone {', '.join(_spared(campaign.policy))}")
    lines.append(_CONFLICT[campaign.policy.on_conflict])
    lines += carried_out(campaign.run)
    if campaign.policy.verify == "none":
        lines.append("believes the API: no edit is read back")
    if campaign.lane == "interactive":
        lines.append("goes before bulk campaigns")
    if campaign.notify is not None:
        lines.append(f"tells a webhook when it is {listed(campaign.notify.on, last='or')}")
    return lines


def _spared(policy: Policy) -> Iterator[str]:
    yield "recurring, locked and deleted events and those the application made"
    if not policy.past_events:
        yield "events that have ended"
    if "private_event" in policy.skip:
        yield "private events"
    if "external_attendees" in policy.skip:
        yield f"events with anybody outside of {listed(policy.internal_domains)}"
    if policy.deny:
        yield f"events with {listed(policy.deny, last='or')}"
    if policy.not_within_s:
        yield f"events that start within {span(policy.not_within_s)}"


def carried_out(run: Run) -> Iterator[str]:
    """Gives how a campaign is carried out: hours, speed, gates and caps."""
    yield from _timing(run)
    if run.canary:
        yield f"sends {number(run.canary, 'edit')} first, the others once those are verified"
    held = [*_measures(run.max_failures)]
    yield f"is held {listed(held, last='or')}" if held else "is not held for any failures"
    if run.max_changes is not None:
        yield f"is refused if it would change more than {number(run.max_changes, 'event')}"
    if run.max_people is not None:
        yield f"is refused if more than {number(run.max_people, 'person')} may get mail"
    if run.plan_holds_s != Run().plan_holds_s:
        yield f"must be approved within {span(run.plan_holds_s)}"
    if run.second_person_above is not None:
        yield f"needs a second person above {number(run.second_person_above, 'change')}"


def _timing(run: Run) -> Iterator[str]:
    if run.at is not None:
        yield f"begins {clock(run.at)}"
    if run.deadline is not None:
        yield f"ends {clock(run.deadline)} at the latest"
    if run.windows:
        yield f"sends edits {listed([_hours(each) for each in run.windows])}"
    if run.quiet:
        yield f"sends nothing {listed([_hours(each) for each in run.quiet])}"
    if run.share is not None:
        yield f"uses up to {run.share:.0%} of calpatch's limit"
    if run.max_rps is not None:
        yield f"makes up to {run.max_rps:g} calls a second"
    if run.batch_size is not None:
        yield f"sends up to {number(run.batch_size, 'edit')} in a request"


def _measures(threshold: Threshold) -> Iterator[str]:
    if threshold.percent is not None:
        yield f"when more than {threshold.percent:g}% of {threshold.min_attempted:,} or more fail"
    if threshold.same_code_in_a_row is not None:
        yield f"after {threshold.same_code_in_a_row:,} failures in a row with the same code"
    if threshold.count is not None:
        yield f"after {number(threshold.count, 'failure')}"


def _hours(window: Window) -> str:
    """Returns hours of the day as a file has them."""
    return f"{format_hours(window)} in {window.tzid}"
