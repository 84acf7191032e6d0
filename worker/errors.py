"""Every error that calpatch raises on purpose, split by what the caller does next.

    WorkerError
    ├── SettingsError          fix the environment, start again               exit 7
    ├── InvalidInput           fix the file or the arguments, submit again    exit 2
    ├── WrongOption            options make no sense, alone or together       exit 2
    ├── KeyConflict            the key belongs to another campaign            exit 2
    ├── NotFound               no such campaign, account, event               exit 2
    ├── StillOpen              wait until the account's edits have ended      exit 4
    ├── Held                   a safety rule: a cap, an approval, a freeze    exit 4
    ├── StoreUnavailable       the database does not answer or is unmigrated  exit 7
    ├── LimiterUnavailable     no limiter, no call: leave the chunk to SQL    exit 7
    ├── CircuitOpen            the API does not answer: not sent, wait        exit 7
    ├── BrokerUnavailable      saved, but not dispatched: the relay will      exit 7
    ├── LeaseLost              somebody else holds the chunk: stop quietly
    ├── WrongTransition        a bug, or a race that the store refused
    ├── VaultError             key missing or wrong, row tampered with        exit 7
    ├── TokenLost              the account cannot be used until re-authorized
    └── ApiError               an answer that is not the one asked for
        ├── RateLimited        wait, uses up no attempt
        ├── Unavailable        5xx, timeout, reset, garbage: in doubt
        ├── Unauthorized       refresh once, then park
        ├── NotPermitted       403, 402: retrying will not help
        ├── CredentialsLocked  423: park the account
        ├── Gone               404, 410
        └── Rejected           422, 400: the request itself is wrong

No message holds a token, event text or a request body (law 9).
"""

from __future__ import annotations

from dataclasses import dataclass


class WorkerError(Exception):
    """Base of all; `next_step` tells a person what to do."""

    exit_code = 1

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        if not self.next_step:
            return self.message
        end = "" if self.message.endswith((".", "?", "!")) else "."
        return f"{self.message}{end} {self.next_step}"


class SettingsError(WorkerError):
    """Raised when a setting is missing, malformed or contradicts another."""

    exit_code = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with an input file; `line` counts from 1, and 0 is the file as a whole.

    `column` is the name of a cell, or the path of keys to a value. `position` counts characters
    from the line's start, from 1, and is 0 where lines have named cells.
    """

    line: int
    column: str
    value: str
    message: str
    position: int = 0

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "file"
        if self.position:
            where = f"{where}, column {self.position}"
        column = f", {self.column}" if self.column else ""
        value = f" {self.value!r}" if self.value else ""
        return f"{where}{column}{value}: {self.message}"


class InvalidInput(WorkerError):
    """Raised when input is refused as a whole; nothing was stored and nothing was sent."""

    exit_code = 2

    def __init__(self, problems: list[Problem], *, more: int = 0) -> None:
        self.problems = problems
        #: how many further problems were found but not kept
        self.more = more
        count = len(problems) + more
        super().__init__(
            f"{count} problem{'s' if count != 1 else ''} in the input",
            next_step="Nothing was stored or sent; correct the file and try again",
        )


class WrongOption(WorkerError):
    """Raised when options make no sense, alone or together."""

    exit_code = 2


class KeyConflict(WorkerError):
    """Raised when a campaign key is used again with other content."""

    exit_code = 2


class NotFound(WorkerError):
    """Raised when what was asked for does not exist."""

    exit_code = 2


class StillOpen(WorkerError):
    """Raised when an account cannot be erased yet: some of its edits are open."""

    exit_code = 4


class Held(WorkerError):
    """Raised when a safety rule holds a campaign back; nothing has been sent."""

    exit_code = 4


class StoreUnavailable(WorkerError):
    """Raised when the database cannot be used: no answer, no rights, or another schema."""

    exit_code = 7


class LimiterUnavailable(WorkerError):
    """Raised when the shared limiter cannot be asked: nothing is sent unlimited."""

    exit_code = 7


class CircuitOpen(WorkerError):
    """Raised when a data center does not answer: nothing was sent; ask again after `wait_s`."""

    exit_code = 7

    def __init__(self, message: str, *, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class BrokerUnavailable(WorkerError):
    """Raised when a message could not be published; SQL still knows the work."""

    exit_code = 7


class LeaseLost(WorkerError):
    """Raised when a write about a chunk carries a stale epoch."""


class WrongTransition(WorkerError):
    """Raised when a state would change along an arrow that TRANSITIONS does not have."""


class VaultError(WorkerError):
    """Raised when a sealed token cannot be opened."""

    exit_code = 7


class TokenLost(WorkerError):
    """Raised when an account's tokens are of no use any more; `reason` is one of `model.Code`."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class ApiError(WorkerError):
    """Base of answers that are not the one asked for; `status` is 0 when there was no answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class RateLimited(ApiError):
    """429: everybody waits; `retry_after_s` is None when the answer does not say how long."""

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(message, status=429)
        self.retry_after_s = retry_after_s


class Unavailable(ApiError):
    """5xx, timeout, reset, or an answer that cannot be read: the effect is in doubt."""


class Unauthorized(ApiError):
    """401: the access token is not accepted."""


class NotPermitted(ApiError):
    """402 or 403: the plan, the scope or the permission is missing."""


class CredentialsLocked(ApiError):
    """423: Cronofy has no live credentials at the provider."""


class Gone(ApiError):
    """404 or 410: no such calendar, page or event."""


class Rejected(ApiError):
    """400 or 422: the request is refused; `keys` are the API's error keys, never its texts."""

    def __init__(self, message: str, *, status: int, keys: tuple[str, ...] = ()) -> None:
        super().__init__(message, status=status)
        self.keys = keys
