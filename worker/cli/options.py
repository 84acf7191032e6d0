"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from worker.errors import WrongOption as WrongOption  # noqa: PLC0414 - commands raise it
from worker.settings import seconds

#: characters that a person still reads
LONGEST_REASON = 1000

CampaignArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="CAMPAIGN", help="A campaign's id or key; without it, the latest."),
]
LatestOption: TypeAlias = Annotated[
    bool, typer.Option("--latest", help="The campaign submitted last (also the default).")
]
JsonOption: TypeAlias = Annotated[
    bool, typer.Option("--json", help="One JSON object on stdout, for machines.")
]
SinceOption: TypeAlias = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Not older than this: 90m, 24h, 7d.")
]
FileArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="FILE", help='A CSV, JSONL or YAML file; "-" reads standard input.')
]
FormatOption: TypeAlias = Annotated[
    str | None, typer.Option("--format", help="csv, jsonl or yaml, where the name does not tell.")
]


def wait_seconds(text: str | None, *, option: str = "--wait") -> float | None:
    """Read a duration such as 30m. Raises WrongOption."""
    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError as wrong:
        raise wrong_option(option, text, str(wrong)) from wrong


def seconds_ago(text: str | None) -> float | None:
    """Read how far back to look, such as 7d. Raises WrongOption."""
    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError:
        raise wrong_option("--since", text, "expected a duration such as 90m, 24h or 7d") from None


def reason_words(text: str) -> str:
    """Return a reason as it is kept. Raises WrongOption for one that says nothing."""
    words = text.strip()
    if not words or len(words) > LONGEST_REASON or not words.isprintable():
        raise WrongOption(f"--reason: expected 1 to {LONGEST_REASON} visible characters")
    return words


def chosen(option: str, text: str, *, among: tuple[str, ...]) -> str:
    """Return the text if it is one of a few words. Raises WrongOption."""
    if text not in among:
        words = f"{', '.join(among[:-1])} or {among[-1]}"
        raise wrong_option(option, text, f"expected {words}")
    return text


def wrong_option(option: str, value: str, message: str) -> WrongOption:
    """Make the error for an option whose value makes no sense."""
    return WrongOption(f"{option} {value[:60]!r}: {message}")
