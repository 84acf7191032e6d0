"""The values that everything else speaks in: frozen, without behaviour beyond their own sense.

Nothing here does I/O or knows of SQL, HTTP or Celery. Values that are stored as JSON are msgspec
structs; a text field that is None means "leave as it is", an empty one means "clear".
"""

from worker.model.codes import CODE_HELP, Code
from worker.model.edits import (
    AddText,
    Elsewhere,
    InZone,
    Lasting,
    Move,
    Op,
    Patch,
    Policy,
    Replace,
    Reschedule,
    SetText,
    Shift,
    ToTime,
)
from worker.model.events import (
    UNTOLD,
    About,
    AllDay,
    Calendar,
    Event,
    EventKey,
    Image,
    Timed,
    When,
)
from worker.model.matching import Between, Match, Select, TextRule
from worker.model.running import Run, Threshold, Window
from worker.model.states import (
    ABORT_REASONS,
    CAMPAIGN_TRANSITIONS,
    DEADLINE_PASSED,
    ENDED,
    FINAL,
    PLAN_EXPIRED,
    PLAN_REJECTED,
    TRANSITIONS,
    AccountStatus,
    CampaignState,
    ChunkState,
    EditState,
)
from worker.model.value import Value

__all__ = [
    "ABORT_REASONS",
    "CAMPAIGN_TRANSITIONS",
    "CODE_HELP",
    "DEADLINE_PASSED",
    "ENDED",
    "FINAL",
    "PLAN_EXPIRED",
    "PLAN_REJECTED",
    "TRANSITIONS",
    "UNTOLD",
    "About",
    "AccountStatus",
    "AddText",
    "AllDay",
    "Between",
    "Calendar",
    "CampaignState",
    "ChunkState",
    "Code",
    "EditState",
    "Elsewhere",
    "Event",
    "EventKey",
    "Image",
    "InZone",
    "Lasting",
    "Match",
    "Move",
    "Op",
    "Patch",
    "Policy",
    "Replace",
    "Reschedule",
    "Run",
    "Select",
    "SetText",
    "Shift",
    "TextRule",
    "Threshold",
    "Timed",
    "ToTime",
    "Value",
    "When",
    "Window",
]
