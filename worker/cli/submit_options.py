"""The options of `calpatch submit`, of which `plan` has some as well."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from worker.intake.terms import Terms, notify_in
from worker.intake.terms import policy_of as policy_in
from worker.model import Policy
from worker.settings import Settings

ReasonOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Why; it is kept in the audit. A campaign file has its own.")
]
KeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Names the campaign; the same key and file are never run twice. Without it, JOB-DATE,"
        " or a campaign file's id."
    ),
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
LaneOrNoneOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--lane", help="bulk; or interactive, which goes first: for small, urgent ones."),
]
OwnerOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Who asks for it; without it, your user name.")
]

_JOB = "As a job"
_CAPS = "Planned first (reads twice), begun by itself within its caps"
_NEWS = "Telling others"

JobOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="It is one run of this job; runs never overlap.", rich_help_panel=_JOB
    ),
]
DayOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--for", metavar="DATE", help="The day that this run is for: 2026-11-23.",
        rich_help_panel=_JOB,
    ),
]  # fmt: skip
CatchUpOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--catch-up", help="Though a later day has been run already.", rich_help_panel=_JOB
    ),
]
PreviousOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Wait for the job's open run, at most so long.", rich_help_panel=_JOB
    ),
]
NoopOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--error-on-noop", help="Exit code 9 where nothing was changed.", rich_help_panel=_JOB
    ),
]
ChangesOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="N|3x-median", help="Hold it where more would change; may be given twice.",
        rich_help_panel=_CAPS,
    ),
]  # fmt: skip
PeopleOption: TypeAlias = Annotated[
    int | None,
    typer.Option(help="Hold it where more people may get mail.", rich_help_panel=_CAPS),
]
CanaryOption: TypeAlias = Annotated[
    int | None,
    typer.Option(help="So many first; the rest when they are proven.", rich_help_panel=_CAPS),
]
FailuresOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Hold it at so many failures: 5%, 25 or none.", rich_help_panel=_CAPS),
]
ShareOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Of calpatch's own limit: 50%.", rich_help_panel=_CAPS)
]
RateOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Calls a second at most, on average.", rich_help_panel=_CAPS),
]
WindowOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Hours in which to send: 20:00-06:00@Europe/Paris.", rich_help_panel=_CAPS),
]
QuietOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="Hours in which nobody gets mail, in the same form.", rich_help_panel=_CAPS),
]
DeadlineOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Not after: 2026-11-24T06:00+01:00.", rich_help_panel=_CAPS),
]
WebhookOption: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Who is told of it, signed.", rich_help_panel=_NEWS),
]
NotifyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Of what: planned,held,finished; without it, all.", rich_help_panel=_NEWS),
]


def policy_of(
    *, past_events: bool, dst_gap: str, dst_fold: str, verify: str, allow_repeat: bool
) -> Policy:
    """Make a policy. Raises WrongOption."""
    return policy_in(
        Terms(
            past_events=past_events, dst_gap=dst_gap, dst_fold=dst_fold, verify=verify,
            allow_repeat=allow_repeat,
        )
    )  # fmt: skip


def told_to(settings: Settings, webhook: str | None, notify: str | None) -> str:
    """Return who is told of what, as JSON; "" for nobody. Raises WrongOption and SettingsError."""
    terms = Terms(webhook=webhook, notify=words_in(notify))
    said = notify_in(terms, hosts=settings.allowed_hosts)
    if said:
        settings.need("webhook_secret")
    return said


def words_in(text: str | None) -> tuple[str, ...]:
    """Return the words of a list with commas."""
    return tuple(each.strip() for each in (text or "").split(",") if each.strip())
