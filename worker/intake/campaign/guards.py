"""What a campaign leaves alone: `guards`, and with it all that makes its policy."""

from __future__ import annotations

from typing import Final

from worker.intake.campaign import checks
from worker.intake.campaign.part import Part
from worker.intake.campaign.transform import read_readings
from worker.intake.problems import CellError
from worker.model import Policy

#: is skipped without being asked for
_PAST: Final = "past_event"
_EXTERNAL: Final = "external_attendees"


def read_policy(guards: Part, *, transform: Part, verify: Part) -> Policy:
    """Reads what the campaign allows, from the three sections that tell."""
    gap, fold = read_readings(transform)
    internal = guards["internal_domains"].each(checks.domain)
    past_events = guards["past_events"].read(bool, otherwise=False)
    _judge_skips(guards, past_events=past_events)
    return Policy(
        past_events=past_events,
        dst_gap=gap,
        dst_fold=fold,
        verify=verify["mode"].read(str, otherwise="all"),
        allow_repeat=guards["allow_repeat"].read(bool, otherwise=False),
        on_conflict=guards["on_conflict"].read(str, otherwise="skip"),
        skip=tuple(code for code in guards["skip"].each(str) if code != _PAST),
        internal_domains=internal,
        deny=guards["deny"].each(checks.denied),
        not_within_s=guards["not_within"].read(checks.seconds, otherwise=0),
    )


def _judge_skips(guards: Part, *, past_events: bool) -> None:
    for entry in guards["skip"]:
        if entry.value == _PAST and past_events:
            error = CellError("past_events: true says the opposite", step="remove one of the two")
            entry.refuse(error)
        if entry.value == _EXTERNAL and "internal_domains" not in guards.keys:
            error = CellError(
                "nobody can tell who is external",
                step="give guards.internal_domains, such as [acme.com]",
            )
            entry.refuse(error)
