"""A campaign's digest names what it means: the same in other words, another for another meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.intake.campaigns import FILE, also, between, changed, doing, like, of, read

REWRITTEN = """\
# The same campaign, written by somebody else.
"transform":
- "shift": {mode: wall_clock, by: "PT60M"}

select: {between: {tzid: 'Europe/Paris', to: "2026-04-30", from: 2026-03-01}, accounts: "all"}
campaign:
    reason: >-
        The office
        moves
    id: another-name
guards: {skip: [past_event], on_conflict: skip}
run: {priority: bulk, max_failures: 5%, verify: {mode: all}}
version: 1
"""


def test_other_words_are_the_same_campaign() -> None:
    """A file that is formatted anew must not run a second time."""
    assert read(REWRITTEN).digest() == read(FILE).digest()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of("[acc_1, acc_2]"), of("[acc_2, acc_1]")),
        (of("{labels: [a, b]}"), of("{labels: [b, a]}")),
        (like("{organizer: {domain: Acme.com}}"), like("{organizer: {domain: ['@acme.com']}}")),
        (like("{summary: a}"), like("{summary: {literal: a, ignore_case: false}}")),
        (also("guards: {deny: ['@a.fr', cal_1]}"), also("guards: {deny: [cal_1, '@A.fr']}")),
        (also("notify: {webhook: 'https://a.fr'}"),
         also("notify: {webhook: 'https://a.fr', on: [finished, held, planned]}")),
    ],
)  # fmt: skip
def test_what_has_no_order_is_the_same_in_any(one: str, other: str) -> None:
    """Lists of names are sets; how a thing is written is no difference."""
    assert read(one).digest() == read(other).digest()


def test_where_accounts_are_listed_does_not_matter(tmp_path: Path) -> None:
    """A file of accounts means the accounts that it has now, and another one when they change."""
    (tmp_path / "accounts.csv").write_text("account\nacc_2\nacc_1\n")
    named = of("{file: accounts.csv}")
    before = read(named, folder=tmp_path).digest()
    assert before == read(of("[acc_1, acc_2]")).digest()
    (tmp_path / "accounts.csv").write_text("account\nacc_2\nacc_1\nacc_3\n")
    assert read(named, folder=tmp_path).digest() != before


def test_another_meaning_has_another_digest() -> None:
    """Each of these would do something else, or be carried out otherwise."""
    texts = [
        FILE,
        of("[acc_1]"),
        of("{labels: [acc_1]}"),
        between("{from: 2026-03-01, to: 2026-04-29, tzid: Europe/Paris}"),
        between("{from: 2026-03-01, to: 2026-04-30, tzid: Europe/Berlin}"),
        like("{summary: a}"),
        like("{location: a}"),
        doing("shift: PT2H"),
        doing("shift: {by: PT1H, mode: elapsed}"),
        doing("shift: {by: PT1H, dst_gap: later}"),
        doing("shift: PT1H", "duration: PT1H"),
        doing("duration: PT1H", "shift: PT1H"),
        also("guards: {past_events: true}"),
        also("guards: {max_changes: 5}"),
        also("run: {rate: {share: 5%}}"),
        also("run: {priority: interactive}"),
        also("notify: {webhook: https://a.fr}"),
        changed("The office moves", "We move"),
    ]
    assert len({read(text).digest() for text in texts}) == len(texts)


def test_the_digest_is_the_same_in_every_release() -> None:
    """It is compared with what earlier releases have stored."""
    assert read(FILE).digest() == (
        "75444c4796f38fc08b59ecc612785d827f6e7f26a28fb1f52f40fbc942e7f4c5"
    )
