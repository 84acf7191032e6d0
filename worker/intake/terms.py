"""What is asked of a submission beside its edits, in texts: options of a command or of a task.

Both ways have the same names, the same checks and the same sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any, Final, TypeVar

from msgspec import Struct, field, structs

from worker.errors import WrongOption
from worker.intake.news import notify_of
from worker.intake.order import Order
from worker.model import Policy, Window
from worker.rules import parse_cap, parse_moment, parse_threshold, parse_window
from worker.settings import share

T = TypeVar("T")

READINGS: Final = ("refuse", "earlier", "later")
LANES: Final = ("bulk", "interactive")
VERIFYING: Final = ("all", "none")
#: characters; the database's column, and what a person still reads
LONGEST_KEY: Final = 255
LONGEST_REASON: Final = 1000
#: so that a day fits behind it in a key
LONGEST_JOB: Final = 200
#: calls a second
LEAST_RPS, MOST_RPS = 0.1, 10_000.0


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `calpatch submit`, by their names; what is left out is as there."""

    key: str | None = None
    reason: str | None = None
    owner: str | None = None
    lane: str | None = None
    past_events: bool = False
    dst_gap: str | None = None
    dst_fold: str | None = None
    verify: str | None = None
    allow_repeat: bool = False
    max_changes: tuple[str | int, ...] = ()
    max_people: int | None = None
    canary: int | None = None
    max_failures: str | int | None = None
    share: str | float | None = None
    rate: str | float | None = None
    window: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    deadline: str | None = None
    job: str | None = None
    day: str | None = field(default=None, name="for")
    catch_up: bool = False
    webhook: str | None = None
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Terms that make sense, before anything is known of the file."""

    key: str | None
    reason: str | None
    owner: str
    lane: str | None
    policy: Policy
    #: how it is carried out, where something is said of it
    run: dict[str, Any]
    job: str
    day: date | None
    catch_up: bool
    median: Fraction | None
    notify: str

    @property
    def is_planned(self) -> bool:
        """Tell whether it is read first: something was said that is judged by a whole plan."""
        return bool(self.run) or self.median is not None

    def order(self) -> Order:
        """Return the order of a file of edits. Raises WrongOption."""
        if self.reason is None:
            raise WrongOption("--reason is missing", next_step='Such as --reason "Nightly sync"')
        plain = Order(key="", reason=self.reason, owner=self.owner, policy=self.policy)
        order = self._over(replace(plain, lane=self.lane or LANES[0]))
        if not order.key:
            raise WrongOption(
                "--key is missing", next_step="Give --key NAME, or --job NAME with --for DATE"
            )
        if not self.is_planned:
            return order
        return replace(
            order,
            is_planned=True,
            kind="planned",
            run=structs.replace(order.run, is_automatic=True),
        )

    def over(self, campaign: Order) -> Order:
        """Return a campaign file's order with what is said beside it; it begins by itself.

        Raises WrongOption for what the file alone says.
        """
        said: dict[str, object] = {"reason": self.reason, "lane": self.lane}
        usual = Policy()
        for name in ("past_events", "dst_gap", "dst_fold", "verify", "allow_repeat"):
            value = getattr(self.policy, name)
            said[name] = None if value == getattr(usual, name) else value
        if told := [f"--{name.replace('_', '-')}" for name, value in said.items() if value]:
            raise WrongOption(
                f"A campaign file says this itself: {', '.join(told)}",
                next_step="Leave it out, and change the file instead",
            )
        run = structs.replace(campaign.run, is_automatic=True)
        return self._over(replace(campaign, run=run))

    def _over(self, order: Order) -> Order:
        job = self.job or order.job
        if self.median is not None and not job:
            raise WrongOption(
                "--max-changes: a median needs a job, whose runs it is of",
                next_step="Name it: --job nightly",
            )
        if self.day is not None and not job:
            raise WrongOption(
                "--for: a day needs a job, whose run of that day it is",
                next_step="Name it: --job nightly",
            )
        return replace(
            order,
            key=self.key or (f"{job}-{self.day}" if self.day else order.key),
            run=structs.replace(order.run, **self.run),
            job=job,
            job_date=self.day,
            catch_up=self.catch_up,
            max_changes_median=self.median,
            notify=self.notify or order.notify,
        )


def wanted_of(terms: Terms, *, user: str, hosts: Collection[str]) -> Wanted:
    """Return terms that make sense; `user` owns it unless they name somebody.

    Messages may be posted to `hosts` even where these are private. Raises WrongOption.
    """
    run, median = _run(terms)
    return Wanted(
        key=_words("--key", terms.key, longest=LONGEST_KEY),
        reason=_words("--reason", terms.reason, longest=LONGEST_REASON),
        owner=_words("--owner", terms.owner, longest=LONGEST_KEY) or user,
        lane=_chosen("--lane", terms.lane, among=LANES),
        policy=policy_of(terms),
        run=run,
        job=_words("--job", terms.job, longest=LONGEST_JOB) or "",
        day=read_term("--for", terms.day, _day),
        catch_up=terms.catch_up,
        median=median,
        notify=notify_in(terms, hosts=hosts),
    )


def notify_in(terms: Terms, *, hosts: Collection[str]) -> str:
    """Return who is told of what as an `Order` has it. Raises WrongOption."""
    if terms.webhook is not None:
        return notify_of(terms.webhook, terms.notify, hosts=hosts)
    if terms.notify:
        raise WrongOption("--notify needs an address to tell", next_step="Add --webhook URL")
    return ""


def policy_of(terms: Terms) -> Policy:
    """Return what edits are allowed. Raises WrongOption."""
    return Policy(
        past_events=terms.past_events,
        dst_gap=_chosen("--dst-gap", terms.dst_gap, among=READINGS) or READINGS[0],
        dst_fold=_chosen("--dst-fold", terms.dst_fold, among=READINGS) or READINGS[0],
        verify=_chosen("--verify", terms.verify, among=VERIFYING) or VERIFYING[0],
        allow_repeat=terms.allow_repeat,
    )


def _run(terms: Terms) -> tuple[dict[str, Any], Fraction | None]:
    """Return what is said of how it is carried out, and the median that caps it."""
    caps = [read_term("--max-changes", str(each), parse_cap) for each in terms.max_changes]
    counts = [each for each in caps if isinstance(each, int)]
    medians = [each for each in caps if isinstance(each, Fraction)]
    said = {
        "max_changes": min(counts, default=None),
        "max_people": _count("--max-people", terms.max_people, least=0),
        "canary": _count("--canary", terms.canary, least=1),
        "max_failures": read_term("--max-failures", terms.max_failures, parse_threshold),
        "share": read_term("--share", terms.share, share),
        "max_rps": read_term("--rate", terms.rate, calls_a_second),
        "windows": hours_in("--window", terms.window),
        "quiet": hours_in("--quiet", terms.quiet),
        "deadline": read_term("--deadline", terms.deadline, moment),
    }
    run = {name: value for name, value in said.items() if value is not None}
    return run, min(medians, default=None)


def moment(text: str) -> datetime:
    """Return a moment in UTC. Raises ValueError for one without an offset."""
    found = parse_moment(text)
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise ValueError("expected a time with its offset: 2026-02-25T20:00+01:00")
    return found.astimezone(UTC)


def _day(text: str) -> date:
    found = parse_moment(text)
    if isinstance(found, datetime):
        raise ValueError("expected a day: 2026-02-25")  # noqa: TRY004 - a text, not a type
    return found


def calls_a_second(text: str) -> float:
    """Return a rate. Raises ValueError, whose message says what is expected."""
    try:
        calls = float(text)
    except ValueError:
        calls = 0.0
    if not LEAST_RPS <= calls <= MOST_RPS:
        raise ValueError(f"expected calls a second, {LEAST_RPS:g} to {MOST_RPS:,.0f}")
    return calls


def hours_in(option: str, texts: Sequence[str]) -> tuple[Window, ...] | None:
    """Return hours of the day; None where there are none. Raises WrongOption."""
    return tuple(_needed(option, each, parse_window) for each in texts) or None


def read_term(option: str, value: object, read: Callable[[str], T]) -> T | None:
    """Return what an option's value means; None for none. Raises WrongOption."""
    return None if value is None else _needed(option, value, read)


def _needed(option: str, value: object, read: Callable[[str], T]) -> T:
    try:
        return read(str(value))
    except ValueError as wrong:
        raise WrongOption(f"{option} {str(value)[:60]!r}: {wrong}") from wrong


def _count(option: str, value: int | None, *, least: int) -> int | None:
    if value is not None and value < least:
        raise WrongOption(f"{option} '{value}': expected {least} or more")
    return value


def _chosen(option: str, text: str | None, *, among: tuple[str, ...]) -> str | None:
    if text is not None and text not in among:
        words = f"{', '.join(among[:-1])} or {among[-1]}"
        raise WrongOption(f"{option} {text[:60]!r}: expected {words}")
    return text


def _words(option: str, text: str | None, *, longest: int) -> str | None:
    if text is None:
        return None
    words = text.strip()
    if not words or len(words) > longest or not words.isprintable():
        raise WrongOption(f"{option}: expected 1 to {longest} visible characters")
    return words
