"""Patterns: what they find, what they put in its place, and what is none."""

from __future__ import annotations

import pytest

from worker.model import Replace, TextRule
from worker.rules import check_replace, compiled
from worker.rules.patterns import LONGEST_TEXT, fits, replaced


def a_replace(pattern: str, with_text: str = "-", **more: object) -> Replace:
    """Return a replacement in a title, by a regex unless told."""
    fields: dict[str, object] = {"field": "summary", "how": "regex"}
    return Replace(pattern=pattern, with_text=with_text, **fields | more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- finding


@pytest.mark.parametrize(
    ("text", "rule", "is_found"),
    [
        ("Weekly standup", TextRule(text="standup"), True),
        ("Weekly Standup", TextRule(text="standup"), False),
        ("Weekly Standup", TextRule(text="standup", ignore_case=True), True),
        ("Weekly", TextRule(text=" "), False),
        ("preview", TextRule(text=" review"), False),
        ("a.b", TextRule(text="a.b"), True),
        ("axb", TextRule(text="a.b"), False),
        ("", TextRule(text=""), True),
        ("BÜRO", TextRule(text="büro", ignore_case=True), True),
        ("СОВЕЩАНИЕ", TextRule(text="совещание", ignore_case=True), True),
        ("ΟΔΟΣ", TextRule(text="οδος", ignore_case=True), True),
        ("会議", TextRule(text="会議"), True),
        ("Straße", TextRule(text="STRASSE", ignore_case=True), False),
        ("a\r\nb", TextRule(text="a\nb"), True),
        ("a\nb", TextRule(text="a\r\nb"), True),
        # a glob is about the whole text
        ("Room 4", TextRule(text="Room *", how="glob"), True),
        ("Room", TextRule(text="Room *", how="glob"), False),
        ("Room ", TextRule(text="Room", how="glob"), True),
        ("The Room 4", TextRule(text="Room *", how="glob"), False),
        ("Room 4", TextRule(text="Room ?", how="glob"), True),
        ("Room 会", TextRule(text="Room ?", how="glob"), True),
        ("Room 😀", TextRule(text="Room ?", how="glob"), True),
        ("Room 44", TextRule(text="Room ?", how="glob"), False),
        ("a\nb", TextRule(text="a*b", how="glob"), True),
        ("a\r\nb", TextRule(text="a?b", how="glob"), True),
        ("Room [4]", TextRule(text="Room [4]", how="glob"), True),
        ("Room 4", TextRule(text="Room [4]", how="glob"), False),
        (r"a\b", TextRule(text=r"a\b", how="glob"), True),
        ("", TextRule(text="", how="glob"), True),
        ("x", TextRule(text="", how="glob"), False),
        ("ROOM 4", TextRule(text="room *", how="glob", ignore_case=True), True),
        # a regex is looked for anywhere
        ("Sprint review", TextRule(text="standup|review", how="regex"), True),
        ("Room 4", TextRule(text=r"^Room \d+$", how="regex"), True),
        ("Room 4\r\n", TextRule(text=r"^Room \d+$", how="regex"), True),
        ("a\nRoom 4", TextRule(text=r"^Room \d+$", how="regex"), False),
        ("a\nRoom 4", TextRule(text=r"(?m)^Room \d+$", how="regex"), True),
        ("Room ٤", TextRule(text=r"Room \d", how="regex"), False),
        ("Room ٤", TextRule(text=r"Room \pN", how="regex"), True),
        ("É", TextRule(text="(?i)é", how="regex"), True),
    ],
)
def test_a_text_fits_a_rule(text: str, rule: TextRule, is_found: bool) -> None:
    """Line ends and outer white space are the provider's affair; all else is as it is written."""
    assert fits(text, rule) is is_found


# ---------------------------------------------------------------- replacing


@pytest.mark.parametrize(
    ("text", "op", "becomes"),
    [
        ("Room 4", a_replace(r"^Room (\d+)$", r"Building B, Room \1"), "Building B, Room 4"),
        ("Room 4", a_replace(r"^Room (?P<n>\d+)$", r"R\g<n>"), "R4"),
        ("a-b", a_replace(r"(\w)-(\w)", r"\2-\1"), "b-a"),
        ("a", a_replace("a", r"\\1"), r"\1"),
        ("ab", a_replace("(a)|(b)", r"<\1>"), "<a><>"),
        ("10", a_replace("(1)(0)", r"\20"), None),
        ("aaa", a_replace("a", "é☃"), "é☃é☃é☃"),
        ("aaa", a_replace("a", "a"), "aaa"),
        ("会議室", a_replace("議", ""), "会室"),
        ("a\r\nb", a_replace("a\nb", "c"), "c"),
        ("x", a_replace("^", "- "), "- x"),
        ("x.y", a_replace(".", "-", how="literal"), "x-y"),
        (r"a\1", a_replace(r"\1", r"\g<2>", how="literal"), r"a\g<2>"),
        ("Büro BÜRO", a_replace("büro", "Amt", how="literal", ignore_case=True), "Amt Amt"),
        ("Büro BÜRO", a_replace("büro", "Amt", how="literal"), "Büro BÜRO"),
        ("K \N{KELVIN SIGN}", a_replace("k", "k", ignore_case=True), "k k"),
        ("a\r\nb", a_replace("a\r\nb", "c", how="literal"), "c"),
        ("", a_replace("x", "y"), ""),
    ],
)
def test_each_occurrence_is_replaced(text: str, op: Replace, becomes: str | None) -> None:
    """By groups as the pattern has them, and by letters of every script."""
    if becomes is None:
        with pytest.raises(ValueError, match="names no group"):
            replaced(text, op)
    else:
        assert replaced(text, op) == becomes


def test_a_text_without_an_occurrence_stays_the_very_same() -> None:
    """Its line ends and its white space as well."""
    assert replaced(" a\r\n", a_replace("x")) == " a\r\n"
    assert replaced("y" * (LONGEST_TEXT + 1), a_replace("x")) == "y" * (LONGEST_TEXT + 1)


def test_a_replacement_does_not_grow_without_end() -> None:
    """Ten of them, each with a long text for each letter, would take all memory there is."""
    assert replaced("a" * 200, a_replace("a", "b" * 200)) is None
    assert replaced("a" * (LONGEST_TEXT + 1), a_replace("a", "")) is None
    assert replaced("a" * LONGEST_TEXT, a_replace("a", "b")) == "b" * LONGEST_TEXT


# ---------------------------------------------------------------- what is none


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", r"missing \)"),
        ("a**", "bad repetition operator"),
        ("(?=a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        ("a{1001}", "invalid repetition size"),
        ("((a{30}){30}){30}", "repetition size|too large"),
        ("\ud800", "half a character"),
    ],
)
def test_what_is_no_pattern_is_refused_with_its_reason(pattern: str, why: str) -> None:
    """In RE2's words, which its own pages explain."""
    with pytest.raises(ValueError, match=f"not a pattern: .*({why})"):
        compiled(pattern)


@pytest.mark.parametrize(
    ("op", "why"),
    [
        (a_replace("("), "not a pattern"),
        (a_replace(""), "the pattern is empty"),
        (a_replace("", how="literal"), "the pattern is empty"),
        (a_replace("a", r"\1"), "the pattern has no group 1"),
        (a_replace("(a)", r"\2"), "the pattern has no group 2"),
        (a_replace("(a)", r"\g<b>"), "the pattern has no group b"),
        (a_replace("(a)", r"\g<0>"), "the pattern has no group 0"),
        (a_replace("(a)", r"\12"), r"write \\1 to \\9"),
        (a_replace("(a)", r"\0"), r"write \\1 to \\9"),
        (a_replace("(a)", r"\n"), r"write \\1 to \\9"),
        (a_replace("(a)", "a\\"), r"write \\1 to \\9"),
        (a_replace("(a)", r"\g<"), r"write \\1 to \\9"),
    ],
)
def test_what_cannot_be_replaced_by_is_refused_before_anything_is_found(
    op: Replace, why: str
) -> None:
    """At intake, rather than at the first event whose title has the pattern."""
    with pytest.raises(ValueError, match=why):
        check_replace(op)
    with pytest.raises(ValueError, match=why):
        replaced("nothing of it", op)


@pytest.mark.parametrize("with_text", ["", r"\1", r"\g<one>", r"\g<1>", r"\\", r"\\1", "é\n"])
def test_what_can_be_replaced_by_is_let_pass(with_text: str) -> None:
    """Groups by number and by name, and a backslash for itself."""
    check_replace(a_replace("(?P<one>a)", with_text))


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "pattern", ["(x+x+)+y", "(.*)(.*)(.*)(.*)Z", "(a|aa|aaa|.)*?Z", r"\pL{1,100}Z"]
)
def test_no_pattern_holds_a_worker_up(pattern: str) -> None:
    """Each would take a lifetime with a matcher that tries one way after the other."""
    text = "x" * LONGEST_TEXT
    assert replaced(text, a_replace(pattern)) == text
    assert not fits(text, TextRule(text=pattern, how="regex"))


@pytest.mark.timeout(20)
def test_finding_all_has_a_bound_as_well() -> None:
    """Each letter is found, and each time the rest is looked through in vain."""
    assert replaced("x" * LONGEST_TEXT, a_replace("(x)*?y|x", "")) == ""


def test_the_longest_texts_that_a_field_takes_can_be_patterns() -> None:
    """Whatever their letters, and in any case of them."""
    for letter in "kж😀":
        long = letter * 4096
        assert replaced(long, a_replace(long, "-", how="literal", ignore_case=True)) == "-"
