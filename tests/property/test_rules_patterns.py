"""Patterns over any text: refused before anything is found, or of use for whatever is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_policy, timed
from tests.drawn import fields
from worker.model import AddText, Image, Replace, TextRule
from worker.rules import check_replace, transformed
from worker.rules.images import plain, with_lf
from worker.rules.patterns import fits, replaced

#: Letters of several scripts and cases, white space, and what means something in patterns.
letters = st.sampled_from([*"abAB1 ÄäжЖß会😀\n\r", *r"\.*+?|()[]{}^$-<>gd"])
texts = st.text(letters, max_size=12) | st.text(max_size=8)
rules = st.builds(
    TextRule,
    text=texts,
    how=st.sampled_from(["literal", "glob", "regex"]),
    ignore_case=st.booleans(),
)


@given(text=texts, rule=rules)
def test_any_rule_is_refused_or_of_use(text: str, rule: TextRule) -> None:
    """Only a regex can be none, and then it says so."""
    why = ""
    try:
        assert fits(text, rule) in {True, False}
    except ValueError as refusal:
        why = str(refusal)
    assert not why or (rule.how == "regex" and why.startswith("not a pattern: "))


@given(text=texts, wanted=texts)
def test_a_literal_is_found_as_it_is_written(text: str, wanted: str) -> None:
    """No letter in it has another meaning."""
    assert fits(text, TextRule(text=wanted)) is (with_lf(wanted) in plain(text))


def like(text: str, glob: str) -> bool:
    """Tell whether a whole text fits a glob, by trying every way."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(like(text[n:], glob[1:]) for n in range(len(text) + 1))
    return bool(text) and glob[0] in {"?", text[0]} and like(text[1:], glob[1:])


short = st.text(st.sampled_from("ab.\n*?[é"), max_size=6)


@given(text=short, glob=short)
def test_a_glob_is_about_the_whole_text(text: str, glob: str) -> None:
    """Against all the ways in which it may fit."""
    assert fits(text, TextRule(text=glob, how="glob")) is like(plain(text), glob)


@given(text=texts, pattern=texts, with_text=texts, ignore_case=st.booleans())
def test_any_replacement_is_refused_or_of_use(
    text: str, pattern: str, with_text: str, ignore_case: bool
) -> None:
    """What passes the check at intake cannot fail at whatever event."""
    op = Replace(
        field="summary", pattern=pattern, with_text=with_text, how="regex", ignore_case=ignore_case
    )
    why = ""
    try:
        check_replace(op)
    except ValueError as refusal:
        why = str(refusal)
    assert why or isinstance(replaced(text, op), str)


@given(text=texts, pattern=texts.filter(bool), with_text=texts)
def test_a_literal_is_replaced_as_it_is_written(text: str, pattern: str, with_text: str) -> None:
    """Neither its letters nor those in its place mean anything but themselves."""
    op = Replace(field="summary", pattern=pattern, with_text=with_text)
    within, wanted = plain(text), with_lf(pattern)
    answer = within.replace(wanted, with_text) if wanted in within else text
    assert replaced(text, op) == answer


@given(text=texts, template=texts.filter(lambda text: "\\" not in text))
def test_a_template_without_a_backslash_is_its_own_text(text: str, template: str) -> None:
    """Letters of every script arrive as they are."""
    op = Replace(field="summary", pattern="(?s)^.*$", with_text=template, how="regex")
    assert replaced(text, op) == template


@given(
    text=texts,
    ops=st.lists(st.builds(AddText, field=fields, text=texts, before=st.booleans()), max_size=4),
)
def test_any_additions_are_made_once(text: str, ops: list[AddText]) -> None:
    """Also after a provider has taken the outer white space away, and changed the line ends."""
    image = Image(when=timed(), summary=text, description=text, location=text)
    once = transformed(image, ops, policy=a_policy())
    assert isinstance(once, Image)
    shown = Image(
        when=timed(),
        summary=plain(once.summary).replace("\n", "\r\n"),
        description=plain(once.description),
        location=once.location,
    )
    assert transformed(shown, ops, policy=a_policy()) == shown
