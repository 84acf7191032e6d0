"""What an event must be like to be selected: `select.match`."""

from __future__ import annotations

import re
from functools import partial
from typing import Any, Final, Literal, cast

from worker.intake.campaign import checks
from worker.intake.campaign.part import Part
from worker.intake.problems import CellError
from worker.model import Match, TextRule

#: a regex between slashes, with i for capital and small letters alike
_SLASHED = re.compile(r"/(?P<regex>.+)/(?P<flags>\w*)", re.DOTALL)
_HOW: Final[tuple[Literal["literal", "glob", "regex"], ...]] = ("literal", "glob", "regex")


def read_match(part: Part, *, tzid: str) -> Match:
    """Reads the conditions; times without an offset are in `tzid`."""
    organizer, attendees = part["organizer"], part["attendees"]
    moment = partial(checks.moment, tzid=tzid)
    least, most = _limits(attendees, check=int)
    shortest, longest = _limits(part["duration"], check=checks.seconds)
    return Match(
        organizer=organizer.read(_side, otherwise=None),
        organizer_domains=_domains(organizer["domain"]),
        summary=_text_rule(part["summary"]),
        location=_text_rule(part["location"]),
        attendees_any_domain=attendees["any_domain"].each(checks.domain),
        attendees_only_domains=attendees["only_domains"].each(checks.domain),
        attendees_any=attendees["any"].each(checks.address),
        least_attendees=least,
        most_attendees=most,
        private=part["private"].read(bool, otherwise=None),
        all_day=part["all_day"].read(bool, otherwise=None),
        created_before=part["created_before"].read(moment, otherwise=None),
        updated_before=part["updated_before"].read(moment, otherwise=None),
        shortest_s=shortest,
        longest_s=longest,
    )


def _side(text: str) -> Literal["self", "other"]:
    return "self" if text == "self" else "other"


def _domains(part: Part) -> tuple[str, ...]:
    one = part.read(checks.domain, otherwise=None)
    return (one,) if one is not None else part.each(checks.domain)


def _limits(part: Part, *, check: Any) -> tuple[int | None, int | None]:
    """Reads at_least and at_most, which must leave something between them."""
    least = cast("int | None", part["at_least"].read(check, otherwise=None))
    most = cast("int | None", part["at_most"].read(check, otherwise=None))
    if least is not None and most is not None and least > most:
        part["at_most"].refuse(CellError("less than at_least", step="give more, or swap the two"))
    return least, most


def _text_rule(part: Part) -> TextRule | None:
    if part.value is not None:
        return part.read(_plain_rule, otherwise=None)
    ignore_case = part["ignore_case"].read(bool, otherwise=False)
    for how in _HOW:
        check = checks.pattern if how == "regex" else checks.sought
        text = part[how].read(check, otherwise=None)
        if text is not None:
            return TextRule(text=text, how=how, ignore_case=ignore_case)
    return None


def _plain_rule(text: str) -> TextRule:
    """Reads a rule that is written as one text, if it can mean only one thing."""
    slashed = _SLASHED.fullmatch(text)
    if slashed is not None and slashed["flags"] in {"", "i"}:
        regex = checks.pattern(slashed["regex"])
        return TextRule(text=regex, how="regex", ignore_case=bool(slashed["flags"]))
    if text.startswith("/"):
        raise CellError(
            "neither a regex nor plainly a text",
            step="write a regex as /standup/ or /standup/i, and a text as {literal: ...}",
        )
    if "*" in text:
        raise CellError(
            "a * may be any text or stand for itself",
            step="write {glob: ...} for the one, {literal: ...} for the other",
        )
    return TextRule(text=checks.sought(text))
