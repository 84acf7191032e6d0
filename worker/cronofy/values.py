"""What goes into and comes out of the client, besides the model's own values.

Whatever holds a token keeps it out of its `repr`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, Protocol

from worker.rules import PLAIN_TURN, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a call on behalf of one account needs; made by tokens, late, and kept short."""

    sub: str
    base_url: str
    token: str = field(repr=False)
    #: which of the account's tokens it is, to tell a late refusal of an older one
    version: int = 0
    #: whose calls take turns at the limit
    turn: Turn = PLAIN_TURN


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSet:
    """What a refresh gave. `expires_in_s` is the API's own word, never a constant (§1.3)."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One calendar provider behind an account; `connected` False is what a 423 is about."""

    profile_id: str
    provider_name: str
    connected: bool
    calendar_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountInfo:
    """An account as the API sees it now.

    `addresses` are its own, in lower case: by them an event's organizer is known for oneself.
    """

    sub: str
    profiles: tuple[Profile, ...]
    addresses: tuple[str, ...] = field(default=(), repr=False)

    @property
    def connected(self) -> bool:
        """Tell whether every profile is connected; False as well when there is none."""
        return bool(self.profiles) and all(profile.connected for profile in self.profiles)


def addresses_in(*texts: str | None) -> tuple[str, ...]:
    """Return the addresses among these; a profile's name is one with most providers."""
    return tuple(sorted({text.strip().lower() for text in texts if text and "@" in text}))


class CallCount:
    """Counts calls by (route, status), for the record of one chunk; status 0 means no answer.

    A call that was granted a slot counts, whatever came of it. Not for use by several threads.
    """

    __slots__ = ("calls", "unreadable")

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, int]] = Counter()
        #: events that were left out of a page because they could not be understood
        self.unreadable = 0

    @property
    def total(self) -> int:
        return self.calls.total()

    def add(self, route: str, status: int) -> None:
        self.calls[route, status] += 1

    def __repr__(self) -> str:
        return f"CallCount({dict(self.calls)}, unreadable={self.unreadable})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """How long, how much and how often: nothing that the API sends is without a bound."""

    #: seconds for one call from getting a connection to the answer's last byte
    total_s: float = 30.0
    connect_s: float = 5.0
    #: seconds of silence within an answer
    sock_read_s: float = 20.0
    #: for a probe of a data center that does not answer: to be granted, and to be answered
    probe_s: float = 10.0
    #: a page of events; 300 of them with long descriptions are about 2 MB
    page_bytes: int = 10_000_000
    body_bytes: int = 2_000_000
    max_pages: int = 200
    #: tries of a read that the API fails to answer; writes have exactly one
    tries: int = 3
    #: how often a read starts again when its page tokens have died (§3.2)
    restarts: int = 2
    #: seconds that a read bears being refused with 429 before it gives up
    patience_s: float = 120.0
    #: seconds to wait for the limiter; None waits for as long as it takes
    queue_s: float | None = None
    #: what a batch weighs at the limit: each entry, or one (unknown at the API, §6)
    batch_counts_as: Literal["each", "one"] = "each"


class Pace(Protocol):
    """What the client needs of a limiter; `worker.limits` has them."""

    @property
    def max_weight(self) -> int: ...

    async def acquire(
        self, weight: int = 1, *, timeout_s: float | None = None, turn: Turn = PLAIN_TURN
    ) -> float: ...

    async def pause(self, seconds: float, *, age_s: float | None = None) -> None: ...
