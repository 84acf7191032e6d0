"""What is wrong with JSONL is said by line and key, with the next step to take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.intake.samples import IDS, a_jsonl, problems, told

ONE_EACH = "give one object per line"
CORRECT = "correct the line"
FIELDS = "start, end, summary, description, location, transparency"
NULL = 'null is not taken; leave the key out to keep what is there, or give "" to clear a text'
NOT_CLEARED = "this cannot be cleared; only description and location can"
UNKNOWN = "correct or remove it"
TEXT = "not a text; write it in quotes"
WHOLE = "not a whole JSON object; write each edit in one line of its own"

LINES: dict[str, tuple[str | bytes, str, str]] = {
    "no JSON": ("hello\n", "", f"not valid JSON at byte 1: Expecting value; {CORRECT}"),
    "comment": ("# later\n", "", f"not valid JSON at byte 1: Expecting value; {CORRECT}"),
    "missing comma": (
        '{"ref":"é" "op":"edit"}\n',
        "",
        f"not valid JSON at byte 13: Expecting ',' delimiter; {CORRECT}",
    ),
    "two objects": (
        a_jsonl(shift="PT1H").strip() * 2,
        "",
        f"not valid JSON at byte 93: Extra data; {CORRECT}",
    ),
    "over several lines": ("{\n", "", WHOLE),
    "array of edits": ("[\n", "", WHOLE),
    "array": ("[]\n", "", f"not a JSON object; {ONE_EACH}"),
    "text": ('"edit"\n', "", f"not a JSON object; {ONE_EACH}"),
    "number of many digits": ("9" * 5_000, "", "not an edit; give one object of texts"),
    "nested without end": ("[" * 30_000, "", "not an edit; give one object of texts"),
    "half a character": (
        '{"account":"acc_1","calendar_id":"c","event_uid":"e","set":{"summary":"\\ud800"}}',
        "",
        f"not valid JSON; {CORRECT}",
    ),
    "key given twice": (
        '{"account":"a","account":"b","calendar_id":"c","event_uid":"e","shift":"PT1H"}',
        "account",
        "key given twice; remove one",
    ),
    "key given twice below": (
        '{"account":"a","calendar_id":"c","event_uid":"e","set":{"end":"2026-03-02","end":"x"}}',
        "set.end",
        "key given twice; remove one",
    ),
    "not UTF-8": (
        b'{"ref":"\xe9"}\n',
        "",
        "not UTF-8: byte 0xE9 at byte 9 of the line; save the file as UTF-8",
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_that_is_no_edit_is_refused_with_the_next_step(case: str) -> None:
    """A pipeline's log shows which line to look at, and where in it."""
    content, column, message = LINES[case]
    assert told(content, kind="jsonl") == (1, column, message)


KEYS: dict[str, tuple[dict[str, Any], str, str]] = {
    "misspelt key": (
        {"shift": "PT1H", "date_hnt": "2026-03-02"},
        "date_hnt",
        f'unknown key (did you mean "date_hint"?); {UNKNOWN}',
    ),
    "misspelt key below": (
        {"set": {"sumary": "New"}},
        "set.sumary",
        f'unknown key (did you mean "summary"?); {UNKNOWN}',
    ),
    "key of CSV": (
        {"new_start": "2026-03-02"},
        "new_start",
        f'unknown key (did you mean "set.start"?); {UNKNOWN}',
    ),
    "key outside of set": (
        {"summary": "New"},
        "summary",
        f'unknown key (did you mean "set.summary"?); {UNKNOWN}',
    ),
    "shift inside of set": ({"set": {"shift": "PT1H"}}, "set.shift", f"unknown key; {UNKNOWN}"),
    "key with an escape": ({"a\x1b[2J": "1"}, "a\\x1b[2J", f"unknown key; {UNKNOWN}"),
    "number for a text": ({"shift": "PT1H", "ref": 7}, "ref", TEXT),
    "null for a text": ({"set": {"description": None}}, "set.description", NULL),
    "null for an object": ({"shift": "PT1H", "expect": None}, "expect", NULL),
    "text for an object": (
        {"set": "2026-03-02"},
        "set",
        "not an object; write it in braces",
    ),
    "text for a list": (
        {"shift": "PT1H", "fields": "start"},
        "fields",
        "not a list of texts; write it in brackets",
    ),
    "numbers in a list": (
        {"shift": "PT1H", "fields": [1]},
        "fields",
        "not a list of texts; write it in brackets",
    ),
    "id missing": (
        {"account": "", "shift": "PT1H"},
        "account",
        "missing; every edit needs it",
    ),
    "nothing asked": ({"set": {}}, "", "nothing to change; say what the edit shall change"),
    "deletion": (
        {"op": "delete"},
        "op",
        "the only operation is edit; nothing is deleted or made here",
    ),
    "misspelt mode": (
        {"shift": "PT1H", "mode": "wallclock"},
        "mode",
        'no such mode (did you mean "wall_clock"?); give wall_clock or elapsed',
    ),
    "mode without shift": (
        {"set": {"summary": "New"}, "mode": "elapsed"},
        "mode",
        "a mode without a shift; remove it, or give a shift",
    ),
    "unlisted field": (
        {"fields": ["start"], "set": {"start": "2026-03-02", "location": ""}},
        "set.location",
        "not listed in fields; list it, or do not set it",
    ),
    "unlisted shift": (
        {"fields": ["start"], "shift": "PT1H"},
        "shift",
        "fields does not list start and end; list both, or do not shift",
    ),
    "misspelt field": (
        {"fields": ["summary", "titel"], "set": {"summary": "New"}},
        "fields",
        f"no such field; list some of {FIELDS}",
    ),
    "title cleared": (
        {"set": {"summary": ""}},
        "set.summary",
        "a title cannot be cleared; leave it out to keep it",
    ),
    "start cleared": ({"set": {"start": ""}}, "set.start", NOT_CLEARED),
    "cleared as in CSV": (
        {"set": {"description": "#N/A"}},
        "set.description",
        '#N/A clears in CSV only; give "" to clear a text',
    ),
    "naive time": (
        {"set": {"start": "2026-03-02T15:00"}},
        "set.start",
        "a time without an offset; add one (+01:00 or Z), or give tzid",
    ),
    "end before start": (
        {"set": {"start": "2026-03-02T15:00Z", "end": "2026-03-02T14:00Z"}},
        "set.end",
        "the end is not after the start; give a later end",
    ),
    "shift and start": (
        {"shift": "PT1H", "set": {"start": "2026-03-02"}},
        "shift",
        "a shift excludes set.start; give one of them",
    ),
    "naive expectation": (
        {"shift": "PT1H", "expect": {"start": "2026-03-02T15:00"}},
        "expect.start",
        "a time without an offset; add one (+01:00 or Z), or give tzid",
    ),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_wrong_key_is_refused_with_the_next_step(case: str) -> None:
    """JSON's own names are used, since those are what the pipeline's author knows."""
    keys, column, message = KEYS[case]
    if case == "deletion":
        keys = keys | {"shift": "PT1H"}
    assert told(a_jsonl(**keys), kind="jsonl") == (1, column, message)


def test_all_faults_of_a_line_are_told_at_once() -> None:
    """A pipeline is corrected in one go."""
    line = a_jsonl(shift=1, sets={}, expect={"end": "x"}, fields=["start"])
    assert [problem.column for problem in problems(line, kind="jsonl")] == [
        "shift",
        "sets",
        "expect.end",
    ]


def test_an_escaped_key_that_is_given_twice_is_found() -> None:
    """Escapes hide quotes from counting, so such lines are read again key by key."""
    ids = ",".join(f'"{name}":"{value}"' for name, value in IDS.items())
    line = "{" + ids + ',"shift":"PT1H","sh\\u0069ft":"PT2H"}'
    assert told(line, kind="jsonl") == (1, "shift", "key given twice; remove one")
