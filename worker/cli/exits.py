"""Exit codes: a promise to scripts (features §3.7)."""

from __future__ import annotations

from enum import IntEnum

from worker.model import CampaignState
from worker.report import Snapshot


class ExitCode(IntEnum):
    """What a command's end means; `INTERRUPTED` is the shell's own word for Ctrl-C."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    FINISHED_WITH_ERRORS = 3
    HELD = 4
    STILL_RUNNING = 5
    CANCELLED = 6
    CONFIG = 7
    PLAN_HAS_CHANGES = 8
    NOTHING_TO_DO = 9
    INTERRUPTED = 130


def exit_of(look: Snapshot) -> ExitCode:
    """Return what the state of a campaign means to whoever waited for it."""
    match look.campaign.state:
        case CampaignState.CANCELLED:
            return ExitCode.CANCELLED
        case CampaignState.FAILED:
            return ExitCode.FINISHED_WITH_ERRORS
        case CampaignState.EXPIRED | CampaignState.AWAITING_APPROVAL | CampaignState.PAUSED:
            return ExitCode.HELD
        case _ if look.has_ended:
            return ExitCode.FINISHED_WITH_ERRORS if look.errors else ExitCode.OK
        case _:
            return ExitCode.STILL_RUNNING
