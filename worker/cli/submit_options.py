"""The options of `calpatch submit`, and the order that they make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from worker.cli.options import WrongOption, chosen
from worker.cli.person import user_name
from worker.model import Policy

if TYPE_CHECKING:  # it brings Celery, which `--help` does not need
    from worker.intake.producer import Order as Placed

READINGS = ("refuse", "earlier", "later")
LANES = ("bulk", "interactive")
VERIFYING = ("all", "none")
#: characters; the database's column, and what a person still reads
LONGEST_KEY, LONGEST_REASON = 255, 1000

ReasonOption: TypeAlias = Annotated[str, typer.Option(help="Why; it is kept in the audit.")]
KeyOption: TypeAlias = Annotated[
    str, typer.Option(help="Names the campaign; the same key and file are never run twice.")
]
YesOption: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
WaitOption: TypeAlias = Annotated[
    str | None, typer.Option(metavar="TIME", help="Follow it for at most 90s, 30m, 2h.")
]
AsyncOption: TypeAlias = Annotated[
    bool, typer.Option("--async", help="Return once it is saved (the default).")
]
PastOption: TypeAlias = Annotated[
    bool, typer.Option("--past-events", help="Edit events that have ended, too.")
]
GapOption: TypeAlias = Annotated[
    str, typer.Option(help="A new time that the clocks skip: refuse, earlier or later.")
]
FoldOption: TypeAlias = Annotated[
    str, typer.Option(help="A new time that the clocks repeat: refuse, earlier or later.")
]
VerifyOption: TypeAlias = Annotated[
    str, typer.Option(help="all: read every edit back; none: believe the API.")
]
RepeatOption: TypeAlias = Annotated[
    bool, typer.Option("--allow-repeat", help="Shift again what an equal edit has shifted.")
]
LaneOption: TypeAlias = Annotated[
    str, typer.Option(help="bulk; or interactive, which goes first: for small, urgent ones.")
]
OwnerOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Who asks for it; without it, your user name.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be submitted, all options checked."""

    file: str
    format: str | None
    key: str
    reason: str
    owner: str
    policy: Policy
    lane: str
    yes: bool

    @property
    def placed(self) -> Placed:
        """What is stored of it beside the edits."""
        from worker.intake.producer import Order as Placed

        return Placed(
            key=self.key, reason=self.reason, owner=self.owner, policy=self.policy, lane=self.lane
        )

    @classmethod
    def checked(
        cls,
        *,
        file: str,
        format: str | None,  # noqa: A002 - the word users know
        key: str,
        reason: str,
        owner: str | None,
        policy: Policy,
        lane: str,
        yes: bool,
    ) -> Order:
        """Make an order. Raises WrongOption."""
        return cls(
            file=file,
            format=format,
            key=_words("--key", key, longest=LONGEST_KEY),
            reason=_words("--reason", reason, longest=LONGEST_REASON),
            owner=_words("--owner", owner or user_name(), longest=LONGEST_KEY),
            policy=policy,
            lane=chosen("--lane", lane, among=LANES),
            yes=yes,
        )


def policy_of(
    *, past_events: bool, dst_gap: str, dst_fold: str, verify: str, allow_repeat: bool
) -> Policy:
    """Make a policy. Raises WrongOption."""
    return Policy(
        past_events=past_events,
        dst_gap=chosen("--dst-gap", dst_gap, among=READINGS),
        dst_fold=chosen("--dst-fold", dst_fold, among=READINGS),
        verify=chosen("--verify", verify, among=VERIFYING),
        allow_repeat=allow_repeat,
    )


def _words(option: str, text: str, *, longest: int) -> str:
    words = text.strip()
    if not words or len(words) > longest or not words.isprintable():
        raise WrongOption(f"{option}: expected 1 to {longest} visible characters")
    return words
