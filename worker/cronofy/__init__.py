"""The client of the Cronofy API: typed calls, one limiter, no secrets in sight."""

from __future__ import annotations

from worker.cronofy.breakers import Breakers, Herald
from worker.cronofy.client import CALENDARS, Cronofy
from worker.cronofy.departure import Departure, bring_home
from worker.cronofy.edits import Write, build_edit
from worker.cronofy.hosts import DATA_CENTERS, base_url
from worker.cronofy.replies import LONG_REPLY, SHORT_REPLY, UNREADABLE, Hopeless
from worker.cronofy.transport import USERINFO, open_session
from worker.cronofy.values import (
    Access,
    AccountInfo,
    CallCount,
    ClientLimits,
    Pace,
    Profile,
    TokenSet,
)

__all__ = [
    "CALENDARS",
    "DATA_CENTERS",
    "LONG_REPLY",
    "SHORT_REPLY",
    "UNREADABLE",
    "USERINFO",
    "Access",
    "AccountInfo",
    "Breakers",
    "CallCount",
    "ClientLimits",
    "Cronofy",
    "Departure",
    "Herald",
    "Hopeless",
    "Pace",
    "Profile",
    "TokenSet",
    "Write",
    "base_url",
    "bring_home",
    "build_edit",
    "open_session",
]
