"""Who is told of a campaign, and of what: the address is checked here, and again when it is used.

The address often holds a secret: it is part of no message.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

import msgspec

from worker.errors import WrongOption
from worker.intake.problems import CellError
from worker.model import Value
from worker.rules import is_private

News: TypeAlias = Literal["planned", "held", "finished"]
#: all that somebody can be told of
NEWS: Final[tuple[News, ...]] = get_args(News)


class Notify(Value, frozen=True, kw_only=True):
    """Where a signed object is posted when the campaign is planned, held or finished."""

    webhook: str
    on: tuple[News, ...] = NEWS

    def __repr__(self) -> str:
        # An address often holds a secret, and a value is printed before one thinks.
        return f"Notify(on={self.on!r})"


def notify_of(webhook: str, on: Sequence[str] = (), *, hosts: Collection[str] = ()) -> str:
    """Return who is told of what as an `Order` has it; of everything when `on` names nothing.

    `hosts` may be plain and private. Raises WrongOption.
    """
    if wrong := [each for each in on if each not in NEWS]:
        raise WrongOption(f"--notify {wrong[0][:60]!r}: expected {', '.join(NEWS)}")
    try:
        address = checked_address(webhook, hosts=hosts)
    except CellError as error:
        raise WrongOption(
            f"--webhook: {error.wrong}", next_step=error.step[:1].upper() + error.step[1:]
        ) from error
    named = cast("tuple[News, ...]", tuple(each for each in NEWS if each in on))
    return msgspec.json.encode(Notify(webhook=address, on=named or NEWS)).decode()


def checked_address(text: str, *, hosts: Collection[str]) -> str:
    """Return an address that may be posted to. Raises CellError."""
    try:
        found = urlsplit(text)
        host, port = found.hostname or "", found.port
        is_host = all(host.encode("idna").split(b"."))
    except ValueError:
        found, host, port, is_host = urlsplit(""), "", None, False
    if found.scheme not in {"http", "https"} or not is_host or port == 0 or not _is_plain(text):
        raise CellError(
            "no address that may be posted to", step="write one as in https://hooks.acme.com/x"
        )
    if host not in hosts and (found.scheme == "http" or is_private(host)):
        raise CellError(
            "neither https nor a host that the operator allows",
            step="write https and a public host, or have it in CALPATCH_WEBHOOK_HOSTS",
        )
    if found.username is not None or found.fragment:
        raise CellError("an address with a user or a fragment", step="leave that part out")
    return text


def _is_plain(text: str) -> bool:
    return text.isprintable() and " " not in text
