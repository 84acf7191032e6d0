"""What is judged and known of a file as a whole: repeats, contradictions, digests, counts."""

from __future__ import annotations

from datetime import date
from itertools import islice

import pytest

from tests.unit.intake.samples import (
    a_csv,
    a_jsonl,
    an_input,
    checked,
    problems,
    read,
    read_one,
    told,
)
from worker.errors import InvalidInput
from worker.intake import Row, change_digest, check, rows

HOUR = {"shift": "PT1H"}


def test_a_repeated_edit_is_kept_and_names_the_first() -> None:
    """It ends as skipped, and its line has an outcome like any other."""
    content = a_csv(HOUR, {"event_uid": "e2", **HOUR}, HOUR, HOUR | {"shift": "PT60M"})
    assert [row.duplicate_of for row in read(content)] == [None, None, 2, 2]
    assert checked(content).duplicates == 2


@pytest.mark.row(32)
def test_edits_that_contradict_each_other_are_refused_by_both_lines() -> None:
    """Which of the two wins must not depend on which worker is faster."""
    content = a_csv(HOUR, {"event_uid": "e2", **HOUR}, {"shift": "PT2H"})
    (problem,) = problems(content)
    assert (problem.line, problem.column, problem.value) == (4, "event_uid", "evt_external_1")
    assert problem.message == "line 2 asks something else for the same event; keep one of the two"


@pytest.mark.parametrize("name", ["account", "calendar_id", "event_uid"])
def test_other_accounts_calendars_and_uids_are_other_events(name: str) -> None:
    """An event is known by all three together."""
    assert len(read(a_csv(HOUR, {name: "other", "shift": "PT2H"}))) == 2


def test_an_unknown_account_is_refused_with_the_likely_one() -> None:
    """Nothing can be edited for an account without tokens."""
    (problem,) = problems(a_csv(HOUR, account="acc_13", shift="P1D"), accounts={"acc_12"})
    assert problem.message == (
        'unknown account (did you mean "acc_12"?);'
        " correct it, or add it with `calpatch accounts import`"
    )


def test_a_known_account_is_accepted() -> None:
    """The check is on names alone; whether its tokens work shows later."""
    assert check(an_input(a_csv(HOUR)), accounts={"acc_1"}).accounts == {"acc_1": 1}


def test_problems_are_all_counted_and_the_first_ones_kept() -> None:
    """A wrong export of a million lines must not fill the screen or the memory."""
    content = a_csv(*[{"event_uid": f"e{n}", "shift": "x"} for n in range(7)])
    with pytest.raises(InvalidInput) as caught:
        check(an_input(content), accounts=None, max_problems=3)
    assert [problem.line for problem in caught.value.problems] == [2, 3, 4]
    assert caught.value.more == 4
    assert str(caught.value).startswith("7 problems in the input")


def test_all_problems_of_a_row_are_told() -> None:
    """A row is corrected in one go."""
    wrong = {"account": "", "date_hint": "x", "shift": "y", "tzid": "z", "ref": "r" * 256}
    columns = [problem.column for problem in problems(a_csv(**wrong))]
    assert columns == ["account", "tzid", "shift", "date_hint", "ref"]


def test_a_value_is_shown_short_and_without_controls() -> None:
    """A message on a terminal must not be able to command it."""
    (problem,) = problems(a_csv(shift="\x1b[2J" + "x" * 100))
    assert problem.value.startswith("\\x1b[2Jxxx")
    assert problem.value.endswith("x…")


@pytest.mark.parametrize("column", ["summary", "description", "location"])
def test_event_text_is_in_no_message(column: str) -> None:
    """It is personal data, and problems are logged."""
    (problem,) = problems(a_csv(**{column: "secret" * 1000}))
    assert problem.value == ""
    assert "secret" not in str(problem)


@pytest.mark.row(30)
def test_too_many_edits_are_refused() -> None:
    """A file that would take a week is a mistake more often than a wish."""
    content = a_csv(*[{"event_uid": f"e{n}", **HOUR} for n in range(3)])
    assert checked(content, max_rows=3).rows == 3
    with pytest.raises(InvalidInput) as caught:
        checked(content, max_rows=2)
    assert caught.value.problems[0].message == "more than 2 edits; split the file"


def test_counts_tell_what_reading_will_cost() -> None:
    """The plan's price depends on accounts and hints."""
    hinted = [{"event_uid": f"e{day}", "date_hint": f"2026-03-{day}"} for day in (12, 10, 14)]
    found = checked(a_csv(*(HOUR | edit for edit in hinted), HOUR | {"account": "acc_2"}))
    assert (found.rows, found.unhinted) == (4, 1)
    assert list(found.accounts.items()) == [("acc_1", 3), ("acc_2", 1)]
    assert (found.first_hint, found.last_hint) == (date(2026, 3, 10), date(2026, 3, 14))


def test_a_file_without_hints_has_no_first_one() -> None:
    """None is not a date."""
    assert (checked(a_csv(HOUR)).first_hint, checked(a_csv(HOUR)).last_hint) == (None, None)


SAME_MEANING = {
    "line ends": a_csv(HOUR).replace("\n", "\r\n"),
    "mark": "\ufeff" + a_csv(HOUR),
    "comments": "# why\n\n" + a_csv(HOUR),
    "quotes": a_csv(HOUR).replace("PT1H", '"PT1H"'),
    "other words": a_csv(shift="PT60M"),
    "own columns": a_csv(shift="PT1H", x_team="red"),
    "more columns": a_csv(shift="PT1H", summary="", date_hint="", ref=""),
}


@pytest.mark.parametrize("case", SAME_MEANING)
def test_the_digest_is_of_the_meaning(case: str) -> None:
    """The same content under the same key is the same campaign."""
    assert checked(SAME_MEANING[case]).digest == checked(a_csv(HOUR)).digest


OTHER_MEANING = {
    "shift": a_csv(shift="PT2H"),
    "account": a_csv(shift="PT1H", account="acc_2"),
    "event": a_csv(shift="PT1H", event_uid="e2"),
    "hint": a_csv(shift="PT1H", date_hint="2026-03-02"),
    "ref": a_csv(shift="PT1H", ref="1"),
    "guard": a_csv(shift="PT1H", expect_start="2026-03-02T15:00Z"),
    "zone": a_csv(shift="PT1H", tzid="Europe/Paris"),
    "once more": a_csv(HOUR, HOUR),
}


@pytest.mark.parametrize("case", OTHER_MEANING)
def test_another_meaning_is_another_digest(case: str) -> None:
    """Other content under the same key must be noticed."""
    assert checked(OTHER_MEANING[case]).digest != checked(a_csv(HOUR)).digest


def test_the_digest_keeps_neighbouring_values_apart() -> None:
    """Values are bounded in it, so none can lend a letter to the next."""
    first, second = ("ab", "c"), ("a", "bc")
    digests = {
        checked(a_csv(shift="P1D", account=a, calendar_id=c)).digest for a, c in (first, second)
    }
    assert len(digests) == 2


def test_a_change_has_the_same_digest_in_every_release() -> None:
    """Stored digests of earlier campaigns are compared with it."""
    row = read_one(a_csv(shift="PT1H", ref="1", date_hint="2026-03-02"))
    assert change_digest(row).hex() == change_digest(read_one(a_csv(HOUR))).hex() == GOLDEN


#: sha256 of 'acc_1\0cal_1\0evt_external_1\0{"move":{"kind":"shift","seconds":3600}}'
GOLDEN = "77879172ef8550c2ecfbc355420d09cf92b4ddb91e8fd32c4f231ad915b2a954"


def test_what_was_checked_is_what_is_stored() -> None:
    """A file that changes after its check is not looked at again."""
    opened = an_input(a_csv(HOUR, {"event_uid": "e2", **HOUR}))
    check(opened, accounts=None)
    opened.stream.seek(0)
    opened.stream.write(b"nonsense")
    assert [row.key.event_uid for row in rows(opened)] == ["evt_external_1", "e2"]


def test_an_input_may_be_checked_again() -> None:
    """Nothing is left of the check before."""
    opened = an_input(a_csv(HOUR, HOUR))
    assert check(opened, accounts=None) == check(opened, accounts=None)
    assert [row.duplicate_of for row in rows(opened)] == [None, 2]


@pytest.mark.row(30)
def test_rows_stream() -> None:
    """In the order of the file, from lots of many blocks."""
    edits = [{"event_uid": f"e{n}", **HOUR} for n in range(20_000)]
    opened = an_input(a_csv(*edits))
    check(opened, accounts=None)
    assert [row.key.event_uid for row in islice(rows(opened), 3)] == ["e0", "e1", "e2"]
    assert [row.line_no for row in rows(opened)] == list(range(2, 20_002))


def test_a_check_leaves_the_stream_open() -> None:
    """It belongs to whoever opened it."""
    opened = an_input(a_csv(HOUR))
    check(opened, accounts=None)
    assert not opened.stream.closed


def test_a_wrong_file_leaves_the_stream_open() -> None:
    """So that it can be shown, or copied aside."""
    opened = an_input("nonsense")
    with pytest.raises(InvalidInput):
        check(opened, accounts=None)
    assert not opened.stream.closed


def test_a_row_is_a_value() -> None:
    """Equal rows are equal, and no row can be changed."""
    row: Row = read_one(a_jsonl(**HOUR), kind="jsonl")
    with pytest.raises(AttributeError):
        row.ref = "other"  # type: ignore[misc]


@pytest.mark.row(29)
def test_a_bad_byte_hides_no_other_problem() -> None:
    """The file is corrected in one go; the spoiled line itself is not judged further."""
    content = a_csv({"shift": "x", "summary": "é"}, {"event_uid": "e2", "shift": "y"})
    found = problems(content.encode("latin-1"))
    assert [(problem.line, problem.column) for problem in found] == [(2, ""), (3, "shift")]


def test_a_bad_byte_in_a_later_line_of_a_record_is_told_by_that_line() -> None:
    """The editor's cursor goes to the byte, not to the record."""
    content = a_csv(description="one\ntwo é").encode("latin-1")
    assert told(content)[0] == 3


def test_of_many_contradictions_the_first_lines_are_told() -> None:
    """Found in no order, and among other problems, they are told as one reads the file."""
    events = [{"event_uid": f"e{n}", "shift": f"PT{hour}H"} for hour in (1, 2) for n in range(40)]
    wrong = {"event_uid": "e_wrong", "shift": "soon"}
    content = a_csv(*events[:60], wrong, *events[60:])
    with pytest.raises(InvalidInput) as caught:
        check(an_input(content), accounts=None, max_problems=25)
    lines = [problem.line for problem in caught.value.problems]
    assert lines == [*range(42, 67)]
    assert caught.value.more == 41 - 25


def test_an_expected_start_is_as_good_as_a_hint() -> None:
    """Its day is where the event must be found; of two, the hint was meant to be one."""
    expected = {"expect_start": "2026-03-02T09:00Z", **HOUR}
    opened = an_input(a_csv(expected, expected | {"event_uid": "e2", "date_hint": "2026-03-05"}))
    found = check(opened, accounts=None)
    assert [row.hint for row in rows(opened)] == [date(2026, 3, 2), date(2026, 3, 5)]
    assert (found.unhinted, found.first_hint) == (0, date(2026, 3, 2))


def test_another_id_of_the_same_kind_is_not_a_likely_one() -> None:
    """Ids begin alike; to propose a stranger's account would be worse than nothing."""
    known, wrong = "acc_5ba21743f408617de0c4e89d", "acc_5ba21743f408617d1269ea1e"
    (problem,) = problems(a_csv(account=wrong, shift="P1D"), accounts={known})
    assert "did you mean" not in problem.message
    (problem,) = problems(a_csv(account=known[:-1] + "e", shift="P1D"), accounts={known})
    assert f'did you mean "{known}"?' in problem.message


def test_likely_words_are_looked_for_a_few_times_only() -> None:
    """A hundred suggestions help nobody, and take seconds among many accounts."""
    wrong = [{"account": f"acc_{n:02}x", "shift": "P1D"} for n in range(30)]
    found = problems(a_csv(*wrong), accounts={f"acc_{n:02}" for n in range(30)})
    assert sum("did you mean" in problem.message for problem in found) == 20


def test_many_far_off_values_are_checked_without_looking_for_likely_ones() -> None:
    """Likely words are sought for problems that are kept, and among few enough words."""
    known = {f"acc_{n}" for n in range(6_000)}
    (problem,) = problems(a_csv(account="acc_x", shift="P1D"), accounts=known)
    assert problem.message.startswith("unknown account; correct it")
