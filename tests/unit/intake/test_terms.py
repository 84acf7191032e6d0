"""What is asked beside the edits: the same words from a command line and from a message."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import msgspec
import pytest

from worker.errors import WrongOption
from worker.intake.order import Order
from worker.intake.terms import Terms, Wanted, wanted_of
from worker.model import Policy, Run, Threshold, Window

NIGHT = Window(since=1200, until=360, tzid="Etc/UTC")
FIVE = datetime(2026, 11, 24, 5, tzinfo=UTC)


def wanted(*, reason: str | None = "Nightly sync", **said: object) -> Wanted:
    """Read terms as a message has them."""
    given = {name: value for name, value in {"reason": reason, **said}.items() if value is not None}
    return wanted_of(msgspec.convert(given, Terms), user="ann", hosts={"hooks.internal"})


def test_edits_without_a_cap_go_straight_to_the_workers() -> None:
    """As ever: nothing is read twice that nobody asked to have judged."""
    order = wanted(key="k", past_events=True, lane="interactive", dst_gap="later").order()
    assert order == Order(
        key="k", reason="Nightly sync", owner="ann", lane="interactive",
        policy=Policy(past_events=True, dst_gap="later"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "run"),
    [
        ({"max_changes": [500]}, Run(max_changes=500)),
        ({"max_changes": ["5,000", 400]}, Run(max_changes=400)),
        ({"max_people": 0}, Run(max_people=0)),
        ({"canary": 20}, Run(canary=20)),
        ({"max_failures": "25"}, Run(max_failures=Threshold(percent=None, count=25))),
        ({"share": "50%"}, Run(share=0.5)),
        ({"rate": 2.5}, Run(max_rps=2.5)),
        ({"window": ["20:00-06:00@Etc/UTC"]}, Run(windows=(NIGHT,))),
        ({"quiet": ["20:00-06:00@Etc/UTC"]}, Run(quiet=(NIGHT,))),
        ({"deadline": "2026-11-24T06:00+01:00"}, Run(deadline=FIVE)),
    ],
)  # fmt: skip
def test_each_cap_has_it_planned_and_begun_by_itself(said: dict[str, object], run: Run) -> None:
    """Nobody is there to look at the plan: its caps do."""
    order = wanted(key="k", **said).order()
    assert (order.is_planned, order.kind) == (True, "planned")
    assert order.run == msgspec.structs.replace(run, is_automatic=True)


def test_the_smallest_median_counts_beside_a_number() -> None:
    """The number holds until the job has enough runs."""
    order = wanted(key="k", job="j", max_changes=["3x-median", "2x-median", 900]).order()
    assert (order.max_changes_median, order.run.max_changes) == (Fraction(2), 900)
    assert order.is_planned


def test_a_run_of_a_job_is_named_by_its_day() -> None:
    """So that the same night is the same campaign, whoever starts it again."""
    order = wanted(job="nightly", catch_up=True, **{"for": "2026-11-23"}).order()
    assert (order.key, order.job, order.job_date) == (
        "nightly-2026-11-23",
        "nightly",
        date(2026, 11, 23),
    )
    assert order.catch_up
    assert not order.is_planned
    assert wanted(key="own", job="nightly", **{"for": "2026-11-23"}).order().key == "own"


def test_a_campaign_file_begins_by_itself_with_what_is_said_beside_it() -> None:
    """Its own caps stay where nothing else is said."""
    file = Order(
        key="rooms", reason="its own", owner="ops", job="rooms", is_planned=True, kind="planned",
        run=Run(max_changes=9, share=0.5), notify="{}",
    )  # fmt: skip
    order = wanted(reason=None, max_changes=[7], **{"for": "2026-11-23"}).over(file)
    assert order.run == Run(max_changes=7, share=0.5, is_automatic=True)
    assert (order.key, order.reason, order.notify) == ("rooms-2026-11-23", "its own", "{}")
    assert wanted(reason=None).over(file).key == "rooms"


@pytest.mark.parametrize(
    "said", [{"reason": "r"}, {"lane": "bulk"}, {"past_events": True}, {"verify": "none"}]
)
def test_what_a_campaign_file_says_is_said_there_alone(said: dict[str, object]) -> None:
    """An option that is quietly not heeded is worse than none."""
    file = Order(key="rooms", reason="its own", owner="ops")
    [name] = said
    with pytest.raises(WrongOption, match=f"says this itself: --{name.replace('_', '-')}\\."):
        wanted(**{"reason": None} | said).over(file)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"max_changes": ["x3"]}, "--max-changes 'x3': expected a number of changes such as 500"),
        ({"max_people": -1}, "--max-people '-1': expected 0 or more"),
        ({"canary": 0}, "--canary '0': expected 1 or more"),
        ({"max_failures": "many"}, "--max-failures 'many': "),
        ({"share": "120%"}, "--share '120%': expected a share above 0%"),
        ({"rate": "fast"}, "--rate 'fast': expected calls a second, 0.1 to 10,000"),
        ({"rate": 0.01}, "--rate '0.01': expected calls a second"),
        ({"window": ["20-06"]}, "--window '20-06': not hours of the day"),
        ({"quiet": ["night"]}, "--quiet 'night': not hours of the day"),
        ({"deadline": "2026-11-24T06:00"}, "--deadline '2026-11-24T06:00': expected a time"),
        ({"deadline": "2026-11-24"}, "--deadline '2026-11-24': expected a time with its offset"),
        ({"for": "2026-11-24T06:00"}, "--for '2026-11-24T06:00': expected a day: 2026-02-25"),
        ({"for": "tomorrow"}, "--for 'tomorrow': neither a date nor a time"),
        ({"job": " "}, "--job: expected 1 to 200 visible characters"),
        ({"key": "k" * 256}, "--key: expected 1 to 255 visible characters"),
        ({"reason": "a\x1b[2J"}, "--reason: expected 1 to 1000 visible characters"),
        ({"dst_gap": "maybe"}, "--dst-gap 'maybe': expected refuse, earlier or later"),
        ({"notify": ["held"]}, "--notify needs an address to tell. Add --webhook URL"),
        ({"webhook": "https://a.com/", "notify": ["hold"]}, "--notify 'hold': expected planned"),
        ({"webhook": "https://10.0.0.1/"}, "or have it in CALPATCH_WEBHOOK_HOSTS"),
        ({"webhook": "https://[::ffff:127.0.0.1]/"}, "--webhook: neither https nor a host"),
        ({"webhook": "http://a.com/"}, "--webhook: neither https nor a host"),
        ({"webhook": "ftp://hooks.internal/"}, "--webhook: no address that may be posted to"),
        ({"webhook": "https://u:pass@a.com/"}, "--webhook: an address with a user or a fragment"),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_told_by_name(said: dict[str, object], message: str) -> None:
    """Before any file is opened."""
    with pytest.raises(WrongOption) as refused:
        wanted(**said)
    assert message in str(refused.value)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"key": "k", "reason": None}, "--reason is missing"),
        ({}, "--key is missing. Give --key NAME, or --job NAME with --for DATE"),
        ({"job": "nightly"}, "--key is missing"),
        ({"key": "k", "for": "2026-11-23"}, "--for: a day needs a job"),
        ({"key": "k", "max_changes": ["3x-median"]}, "--max-changes: a median needs a job"),
    ],
)
def test_what_edits_need_is_told_when_it_is_missing(said: dict[str, object], message: str) -> None:
    """With what to give."""
    with pytest.raises(WrongOption) as refused:
        wanted(**said).order()
    assert message in str(refused.value)


def test_a_webhook_of_the_operators_own_network_may_be_named() -> None:
    """Of everything, unless somebody says of what; in one order whatever was said."""
    told = wanted(key="k", webhook="http://hooks.internal:8080/x").notify
    assert msgspec.json.decode(told) == {
        "webhook": "http://hooks.internal:8080/x", "on": ["planned", "held", "finished"],
    }  # fmt: skip
    some = wanted(key="k", webhook="https://a.com/x", notify=["finished", "held"]).notify
    assert msgspec.json.decode(some)["on"] == ["held", "finished"]
