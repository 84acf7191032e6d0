"""What holds for every campaign file: it is a campaign or problems with places, never an error."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import example as with_example
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import InvalidInput, Problem
from worker.intake import Input
from worker.intake.campaign import CampaignFile, described, example, read_campaign
from worker.intake.campaign.text import read_text
from worker.intake.campaign.tree import tree
from worker.intake.problems import Problems


def an_input(text: str | bytes) -> Input:
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return Input(name="campaign", format="yaml", stream=io.BytesIO(content))


def outcome(text: str | bytes) -> CampaignFile | list[Problem]:
    """The campaign, which can be told in words, or its problems, which can be shown."""
    opened = an_input(text)
    try:
        campaign = read_campaign(opened)
    except InvalidInput as error:
        check_problems(error.problems, content=opened.stream.getvalue())  # type: ignore[attr-defined]
        return error.problems
    assert all(described(campaign))
    assert len(campaign.digest()) == 64
    return campaign


def check_problems(problems: list[Problem], *, content: bytes) -> None:
    """There are some, each with words and a place within the file."""
    assert problems
    lines = content.count(b"\n") + content.count(b"\r") + 1
    for problem in problems:
        assert problem.message
        assert str(problem).isprintable()
        assert 0 <= problem.line <= lines
        assert problem.line or not problem.position


def plain_example() -> dict[str, Any]:
    """The example as plain values, and more of what may stand in a file."""
    found = Problems(1)
    text = read_text(an_input(example()).stream, found=found)
    plain: dict[str, Any] = tree(text, found=found).plain()
    plain["transform"] += [
        {"set": {"summary": "New", "transparency": "opaque"}},
        {"move": {"to_weekday": "tuesday", "to_time": "09:30", "tzid": "UTC"}},
        {"duration": "PT45M"},
        {"zone": {"tzid": "Europe/Paris", "keep": "wall_clock", "dst_gap": "later"}},
        {"append": {"field": "description", "text": " (moved)"}},
    ]
    plain["select"]["match"] |= {
        "location": {"literal": "room 4", "ignore_case": True},
        "attendees": {"only_domains": ["acme.com"], "any": ["a@b.fr"], "at_most": 20},
        "private": False,
        "created_before": "2026-02-20",
        "duration": {"at_least": "PT15M", "at_most": "PT2H"},
    }
    plain["guards"] |= {"deny": ["cal_1", "@a.fr"], "past_events": False}
    plain["run"]["schedule"] |= {"at": "2026-02-25T20:00Z", "quiet_hours": ["12:00-13:00@UTC"]}
    plain["run"] |= {"max_failures": {"percent": 5, "count": 9, "same_code_in_a_row": "none"}}
    plain["notify"] = {"webhook": "https://a.fr/x", "on": ["held", "planned"]}
    return plain


FULL = plain_example()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to everything in a value, but to the value itself."""
    if not isinstance(value, dict | list):
        return
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, step)
        yield from places(inner, (*path, step))


PLACES = sorted(places(FULL), key=str)
ODD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**14, 1e90, "", " ", "all", "none", "self", "5%", "PT0S", "-PT1H"),
    *("P1D", "2026-02-30", "2026-03-29T02:30", "Europe/Paris", "/(/", "/a*/i", "*", "\\1", "a\n"),
    *("09:30", "20:00-06:00@UTC", "https://a.fr", "http://[", "#N/A", "\u202e", "\x00", "é"),
    *([], {}, [[]], [None], ["a", "a"], {"a": {}}, {"": ""}, {"by": 1}, {"file": "x"}, "9" * 40),
]  # fmt: skip
VALUES = st.sampled_from(ODD) | st.text(max_size=12) | st.integers() | st.floats(allow_nan=False)


def changed(path: tuple[str | int, ...], how: str, value: Any) -> dict[str, Any]:
    """The full file with one node dropped, renamed or given another value."""
    plain = deepcopy(FULL)
    owner: Any = plain
    for step in path[:-1]:
        owner = owner[step]
    match how:
        case "drop":
            del owner[path[-1]]
        case "rename" if isinstance(owner, dict):
            owner[f"{path[-1]}s"] = owner.pop(path[-1])
        case _:
            owner[path[-1]] = value
    return plain


CHANGES = st.tuples(st.sampled_from(PLACES), st.sampled_from(["drop", "rename", "retype"]), VALUES)


def test_the_full_file_is_a_campaign() -> None:
    """Or its changes would show nothing."""
    assert isinstance(outcome(json.dumps(FULL)), CampaignFile)


@given(change=CHANGES)
def test_any_change_of_a_campaign_is_one_or_has_problems(change: Any) -> None:
    """Nobody meets an error of ours by changing a key or a value."""
    outcome(json.dumps(changed(*change)))
    outcome(json.dumps(changed(*change), indent=2, ensure_ascii=False))


def test_every_key_left_out_or_misspelt_is_met() -> None:
    """The same for every place there is, with one value that fits nowhere."""
    for path in PLACES:
        outcome(json.dumps(changed(path, "drop", None)))
        outcome(json.dumps(changed(path, "retype", None)))
        found = outcome(json.dumps(changed(path, "retype", [[{"x": [None]}]])))
        assert isinstance(found, list), path
        if isinstance(path[-1], str):
            found = outcome(json.dumps(changed(path, "rename", None)))
            assert isinstance(found, list), path


@given(content=st.binary(max_size=200))
@with_example(content=b"\x00")
@with_example(content=b"\xff\xfe")
@with_example(content=b"a: \xed\xa0\x80")
def test_any_bytes_are_a_campaign_or_problems(content: bytes) -> None:
    """Whatever is submitted, the answer is not a stack trace."""
    outcome(content)
    outcome(b"version: 1\nselect: " + content)


PIECES = st.sampled_from(
    [
        *("version: 1", "select:", "accounts: all", "transform:", "- shift: PT1H", "between:"),
        *("\n", "\n  ", "\n    ", "\r\n", "\t", " ", ": ", ":", "- ", "? ", ", ", "#", " # "),
        *("{", "}", "[", "]", '"', "'", "|", ">-", "&a", "*a", "<<", "!!str", "!x", "%", "@"),
        *("...\n", "\ufeff", "é", "\U0001f600", "~", "null", "yes", "2026-03-01", "20:00", "\\x"),
        *("---\n", "on:", "`", "\\", "="),
    ]
)  # fmt: skip


@given(pieces=st.lists(PIECES, max_size=40))
def test_any_marks_of_yaml_are_a_campaign_or_problems(pieces: list[str]) -> None:
    """Brackets, quotes, dashes and line ends go together in every way."""
    outcome("".join(pieces))


@given(
    at=st.integers(0, len(example()) - 1),
    length=st.integers(0, 30),
    piece=PIECES | st.text(max_size=3),
)
def test_the_example_with_a_slip_of_the_hand_is_a_campaign_or_problems(
    at: int, length: int, piece: str
) -> None:
    """A few characters typed over, left out or put in."""
    outcome(example()[:at] + piece + example()[at + length :])


@given(order=st.permutations(range(len(FULL))), indent=st.sampled_from([None, 1, 4]))
def test_the_digest_does_not_depend_on_how_a_file_is_written(
    order: list[int], indent: int | None
) -> None:
    """Order of keys, brackets and indentation are not what a campaign means."""
    keys = list(FULL)
    again = {keys[place]: FULL[keys[place]] for place in order}
    first, second = outcome(json.dumps(FULL)), outcome(json.dumps(again, indent=indent))
    assert isinstance(first, CampaignFile)
    assert isinstance(second, CampaignFile)
    assert first.digest() == second.digest()
