"""`calpatch submit`."""

from __future__ import annotations

import typer

from worker.cli.options import FileArgument, FormatOption, JsonOption, WrongOption, wait_seconds
from worker.cli.placing import Asked, place
from worker.cli.submit_options import (
    AsyncOption,
    CanaryOption,
    CatchUpOption,
    ChangesOption,
    DayOption,
    DeadlineOption,
    FailuresOption,
    FoldOption,
    GapOption,
    JobOption,
    KeyOption,
    LaneOrNoneOption,
    NoopOption,
    NotifyOption,
    OwnerOption,
    PastOption,
    PeopleOption,
    PreviousOption,
    QuietOption,
    RateOption,
    ReasonOption,
    RepeatOption,
    ShareOption,
    VerifyOption,
    WaitOption,
    WebhookOption,
    WindowOption,
    YesOption,
    words_in,
)
from worker.intake.terms import Terms


def register(app: typer.Typer) -> None:
    """Add the command."""
    example = (
        'Example: calpatch submit edits.csv --key move-2026-03 --reason "New office hours" '
        "--yes --wait 30m"
    )
    app.command("submit", epilog=example)(submit)


def submit(  # noqa: PLR0917 - a command line's options are its arguments
    file: FileArgument,
    reason: ReasonOption = None,
    key: KeyOption = None,
    yes: YesOption = False,
    wait: WaitOption = None,
    in_background: AsyncOption = False,
    past_events: PastOption = False,
    dst_gap: GapOption = "refuse",
    dst_fold: FoldOption = "refuse",
    verify: VerifyOption = "all",
    allow_repeat: RepeatOption = False,
    lane: LaneOrNoneOption = None,
    owner: OwnerOption = None,
    job: JobOption = None,
    day: DayOption = None,
    catch_up: CatchUpOption = False,
    wait_for_previous: PreviousOption = None,
    error_on_noop: NoopOption = False,
    max_changes: ChangesOption = None,
    max_people: PeopleOption = None,
    canary: CanaryOption = None,
    max_failures: FailuresOption = None,
    share: ShareOption = None,
    rate: RateOption = None,
    window: WindowOption = None,
    quiet: QuietOption = None,
    deadline: DeadlineOption = None,
    webhook: WebhookOption = None,
    notify: NotifyOption = None,
    format_: FormatOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit a file as one campaign: checked whole, saved at once, then carried out.

    Nothing is saved when the file has any problem. Without --yes it shows what would happen and
    asks; without a terminal to ask on, it refuses (exit code 4). A campaign in YAML, and edits
    with a cap, are planned first: what keeps within its caps begins by itself, the rest is held.
    """
    if wait is not None and in_background:
        raise WrongOption("--wait and --async exclude each other", next_step="Give one of them")
    terms = Terms(
        key=key, reason=reason, owner=owner, lane=lane, past_events=past_events, dst_gap=dst_gap,
        dst_fold=dst_fold, verify=verify, allow_repeat=allow_repeat, job=job, day=day,
        catch_up=catch_up, max_changes=tuple(max_changes or ()), max_people=max_people,
        canary=canary, max_failures=max_failures, share=share, rate=rate,
        window=tuple(window or ()), quiet=tuple(quiet or ()), deadline=deadline, webhook=webhook,
        notify=words_in(notify),
    )  # fmt: skip
    asked = Asked(
        file=file, format=format_, terms=terms, yes=yes, wait_s=wait_seconds(wait),
        previous_s=wait_seconds(wait_for_previous, option="--wait-for-previous") or 0.0,
        error_on_noop=error_on_noop, as_json=as_json,
    )  # fmt: skip
    raise typer.Exit(place(asked))
