"""What has the right form but makes no sense is told in the same way."""

from __future__ import annotations

import pytest

from tests.unit.intake.campaigns import about, also, between, changed, doing, like, of, told

FILES: dict[str, tuple[str | bytes, *tuple[str, ...]]] = {
    "a reason of blanks": (
        about("'  '"),
        "line 4, column 11, campaign.reason '  ': nothing but white space; write some words",
    ),
    "a reason of two lines": (
        about("|\n    The office\n    moves"),
        (
            "line 4, column 11, campaign.reason 'The office\\\\nmoves\\\\n': more than a line; "
            "write it in one; >- folds several lines"
        ),
    ),
    "an account with a blank": (
        of("[acc_1, acc 2]"),
        (
            "line 4, column 21, select.accounts[1] 'acc 2': an id holds no white space or "
            "control characters; remove them"
        ),
    ),
    "two accounts in one": (
        of("['acc_1,acc_2']"),
        (
            "line 4, column 14, select.accounts[0] 'acc_1,acc_2': an id holds no comma; give "
            "each id its own entry"
        ),
    ),
    "a file of accounts where there is no folder": (
        of("{file: accounts.csv}"),
        (
            "line 4, column 20, select.accounts.file 'accounts.csv': no file can be named "
            "here; list the accounts themselves"
        ),
    ),
    "a day that there is not": (
        between("{from: 2026-03-01, to: 2026-04-31, tzid: Europe/Paris}"),
        (
            "line 5, column 35, select.between.to '2026-04-31': no such day or time in the "
            "calendar; correct the date"
        ),
    ),
    "a day of another century": (
        between("{from: 1026-03-01, to: 2026-04-30, tzid: Europe/Paris}"),
        (
            "line 5, column 19, select.between.from '1026-03-01': the year 1026 is out of "
            "reach; give one of 1970 to 2200"
        ),
    ),
    "days in the wrong order": (
        between("{from: 2026-04-30, to: 2026-03-01, tzid: Europe/Paris}"),
        (
            "line 5, column 35, select.between.to '2026-03-01': the last day is before the "
            "first; give a later one, or swap them"
        ),
    ),
    "a zone misspelt": (
        between("{from: 2026-03-01, to: 2026-04-30, tzid: Europe/Pari}"),
        (
            "line 5, column 53, select.between.tzid 'Europe/Pari': no such time zone (did you"
            ' mean "Europe/Paris"?); give an IANA name such as Europe/Paris'
        ),
    ),
    "an offset for a zone": (
        between("{from: 2026-03-01, to: 2026-04-30, tzid: +01:00}"),
        (
            "line 5, column 53, select.between.tzid '+01:00': no such time zone; give an IANA"
            " name such as Europe/Paris"
        ),
    ),
    "primary calendars and others": (
        changed("transform:", "  calendars: {primary: true, only: [cal_1]}\ntransform:"),
        (
            "line 6, column 30, select.calendars.only: primary and only exclude each other; "
            "give one of them"
        ),
    ),
    "a calendar that is taken and left out": (
        changed("transform:", "  calendars: {only: [cal_1], exclude: [cal_2, cal_1]}\ntransform:"),
        (
            "line 6, column 47, select.calendars.exclude[1] 'cal_1': only takes this "
            "calendar; leave it out of one of the two"
        ),
    ),
    "a regex that is none": (
        like("{summary: /(/i}"),
        (
            "line 6, column 20, select.match.summary '/(/i': not a pattern: missing ): (; "
            "correct it; see github.com/google/re2/wiki/Syntax"
        ),
    ),
    "a regex that looks round": (
        like("{summary: {regex: '(?=standup)'}}"),
        (
            "line 6, column 28, select.match.summary.regex '(?=standup)': not a pattern: "
            "invalid perl operator: (?=; RE2 has no look-around and no references back; see "
            "github.com/google/re2/wiki/Syntax"
        ),
    ),
    "a regex that is not closed": (
        like("{summary: /standup}"),
        (
            "line 6, column 20, select.match.summary '/standup': neither a regex nor plainly "
            "a text; write a regex as /standup/ or /standup/i, and a text as {literal: ...}"
        ),
    ),
    "a regex with an unknown letter": (
        like("{location: /room/x}"),
        (
            "line 6, column 21, select.match.location '/room/x': neither a regex nor plainly "
            "a text; write a regex as /standup/ or /standup/i, and a text as {literal: ...}"
        ),
    ),
    "a star": (
        like("{summary: Standup*}"),
        (
            "line 6, column 20, select.match.summary 'Standup*': a * may be any text or stand"
            " for itself; write {glob: ...} for the one, {literal: ...} for the other"
        ),
    ),
    "a blank to look for": (
        like("{summary: ' '}"),
        "line 6, column 20, select.match.summary ' ': nothing but white space; write some words",
    ),
    "more people than at most": (
        like("{attendees: {at_least: 5, at_most: 2}}"),
        (
            "line 6, column 45, select.match.attendees.at_most '2': less than at_least; give "
            "more, or swap the two"
        ),
    ),
    "longer than at most": (
        like("{duration: {at_least: PT2H, at_most: PT1H}}"),
        (
            "line 6, column 47, select.match.duration.at_most 'PT1H': less than at_least; "
            "give more, or swap the two"
        ),
    ),
    "a length in words": (
        like("{duration: {at_least: 2h}}"),
        (
            "line 6, column 32, select.match.duration.at_least '2h': not an ISO 8601 "
            "duration; write PT30M, P1D or P1DT2H"
        ),
    ),
    "a length of nothing": (
        like("{duration: {at_least: PT0S}}"),
        (
            "line 6, column 32, select.match.duration.at_least 'PT0S': no time at all; write "
            "PT30M, P1D or P1DT2H"
        ),
    ),
    "a moment in words": (
        like("{created_before: yesterday}"),
        (
            "line 6, column 27, select.match.created_before 'yesterday': neither a date nor a"
            " time; write 2026-03-02 or 2026-03-02T15:00+01:00"
        ),
    ),
    "a moment that the clocks skip": (
        like("{updated_before: 2026-03-29T02:30}"),
        (
            "line 6, column 27, select.match.updated_before '2026-03-29T02:30': this time "
            "does not exist on that day in Europe/Paris; give 2026-03-29T01:30:00+01:00 or "
            "2026-03-29T03:30:00+02:00"
        ),
    ),
    "a shift in words": (
        doing("shift: an hour"),
        (
            "line 7, column 12, transform[0].shift 'an hour': not an ISO 8601 duration; write"
            " -P1D, P1W, PT30M or P1DT2H"
        ),
    ),
    "a shift by nothing": (
        doing("shift: {by: PT0S}"),
        (
            "line 7, column 17, transform[0].shift.by 'PT0S': a shift by nothing changes "
            "nothing; write how far it moves, such as PT1H or -P1D"
        ),
    ),
    "a shift by months": (
        doing("shift: P1M"),
        "line 7, column 12, transform[0].shift 'P1M': years and months differ in length; give days",
    ),
    "a shift by years of days": (
        doing("shift: P1000D"),
        (
            "line 7, column 12, transform[0].shift 'P1000D': longer than 400 days; write how "
            "far it moves, such as PT1H or -P1D"
        ),
    ),
    "shifts that take each other back": (
        doing("shift: PT1H", "shift: -PT1H"),
        (
            "line 8, column 12, transform[1].shift '-PT1H': with the shifts before it, it "
            "moves by nothing; correct them"
        ),
    ),
    "two readings of the clocks": (
        doing(
            "shift: {by: PT1H, dst_gap: later}",
            "zone: {tzid: Asia/Tokyo, keep: wall_clock, dst_gap: earlier}",
        ),
        (
            "line 8, column 57, transform[1].zone.dst_gap 'earlier': line 7 says later; one "
            "reading holds for the whole campaign; give the same, or give it once"
        ),
    ),
    "a reading where no clock matters": (
        doing("shift: {by: PT1H, mode: elapsed, dst_fold: later}"),
        (
            "line 7, column 48, transform[0].shift.dst_fold 'later': time that passes meets "
            "no change of the clocks; remove it"
        ),
    ),
    "a reading where the instant is kept": (
        doing("zone: {tzid: Asia/Tokyo, dst_gap: later}"),
        (
            "line 7, column 39, transform[0].zone.dst_gap 'later': an instant that is kept "
            "meets no change of the clocks; remove it"
        ),
    ),
    "a title that is cleared": (
        doing("set: {summary: ''}"),
        (
            "line 7, column 11, transform[0].set.summary: this cannot be cleared; leave it "
            "out to keep it"
        ),
    ),
    "a title of blanks": (
        doing("set: {summary: '  '}"),
        (
            "line 7, column 20, transform[0].set.summary: nothing but white space; leave it "
            "out to keep what is there"
        ),
    ),
    "a title that is too long": (
        doing("set: {summary: " + "x" * 1025 + "}"),
        (
            "line 7, column 20, transform[0].set.summary: 1,025 characters; at most 1,024 are"
            " taken; shorten it"
        ),
    ),
    "a title that ends with a line end": (
        doing("set:\n      summary: |\n        New title"),
        (
            "line 8, column 16, transform[0].set.summary: it ends with a line end; write |- "
            "or >- instead of | or >"
        ),
    ),
    "what clears in a CSV": (
        doing("set: {description: '#N/A'}"),
        (
            "line 7, column 24, transform[0].set.description: #N/A clears in CSV only; write "
            '"" to clear a text'
        ),
    ),
    "a title that is set twice": (
        doing("set: {summary: One}", "set: {summary: Two}"),
        "line 7, column 5, transform[0].set: line 8 overwrites it; remove one of the two",
    ),
    "a text that is overwritten": (
        doing("append: {field: location, text: ' (new)'}", "set: {location: Room 5}"),
        "line 7, column 5, transform[0].append: line 8 overwrites it; remove one of the two",
    ),
    "a length that is overwritten": (
        doing("duration: PT1H", "shift: PT1H", "duration: PT2H"),
        (
            "line 7, column 15, transform[0].duration 'PT1H': line 9 overwrites it; remove "
            "one of the two"
        ),
    ),
    "a pattern that is none": (
        doing("replace: {field: location, pattern: '(Room', with: x}"),
        (
            "line 7, column 41, transform[0].replace.pattern '(Room': not a pattern: missing "
            "): (Room; correct it; see github.com/google/re2/wiki/Syntax"
        ),
    ),
    "a pattern that fits nothing": (
        doing("replace: {field: location, pattern: 'R*', with: x}"),
        (
            "line 7, column 41, transform[0].replace.pattern 'R*': it fits an empty text, "
            "which is everywhere; use append or prepend, or make it ask for a character"
        ),
    ),
    "a pattern between slashes": (
        doing("replace: {field: location, pattern: /room/i, with: x}"),
        (
            "line 7, column 41, transform[0].replace.pattern '/room/i': the slashes would be "
            "part of this pattern; leave them out and write ignore_case: true for the i, or "
            "write [/] for a slash"
        ),
    ),
    "a group that there is not": (
        doing("replace: {field: location, pattern: 'Room', with: 'Building \\1'}"),
        (
            "line 7, column 55, transform[0].replace.with: the pattern has no group 1; put "
            "the part that is meant in round brackets"
        ),
    ),
    "a name of a group that there is not": (
        doing("replace: {field: location, pattern: '(?P<n>.)', with: '\\g<m>'}"),
        (
            "line 7, column 59, transform[0].replace.with: the pattern has no group m; put "
            "the part that is meant in round brackets"
        ),
    ),
    "a backslash that names no group": (
        doing("replace: {field: location, pattern: 'Room', with: 'C:\\d'}"),
        (
            "line 7, column 55, transform[0].replace.with: a \\ that names no group; write \\1 "
            "to \\9, \\g<name>, or \\\\ for itself"
        ),
    ),
    "a group of two digits": (
        doing("replace: {field: location, pattern: '(.)', with: '\\10'}"),
        (
            "line 7, column 54, transform[0].replace.with: a \\ that names no group; write \\1 "
            "to \\9, \\g<name>, or \\\\ for itself"
        ),
    ),
    "a replacement by the same": (
        doing("replace: {field: location, literal: Room 4, with: Room 4}"),
        (
            "line 7, column 55, transform[0].replace.with: this is what is replaced; write "
            "another text"
        ),
    ),
    "a replacement that is too long": (
        doing("replace: {field: location, literal: Room 4, with: " + "x" * 1025 + "}"),
        (
            "line 7, column 55, transform[0].replace.with: 1,025 characters; at most 1,024 "
            "are taken; shorten it"
        ),
    ),
    "a blank to append": (
        doing("append: {field: summary, text: ' '}"),
        "line 7, column 36, transform[0].append.text: nothing but white space; write some words",
    ),
    "a zone that there is not": (
        doing("move: {to_time: 09:30, tzid: Mars/Base}"),
        (
            "line 7, column 34, transform[0].move.tzid 'Mars/Base': no such time zone; give "
            "an IANA name such as Europe/Paris"
        ),
    ),
    "an end before the beginning": (
        doing("duration: -PT1H"),
        (
            "line 7, column 15, transform[0].duration '-PT1H': nothing lasts less than no "
            "time; leave the minus out"
        ),
    ),
    "externals whom nobody can tell": (
        also("guards: {skip: [external_attendees]}"),
        (
            "line 8, column 17, guards.skip[0] 'external_attendees': nobody can tell who is "
            "external; give guards.internal_domains, such as [acme.com]"
        ),
    ),
    "past events that are skipped and edited": (
        also("guards: {past_events: true, skip: [private_event, past_event]}"),
        (
            "line 8, column 51, guards.skip[1] 'past_event': past_events: true says the "
            "opposite; remove one of the two"
        ),
    ),
    "a domain without its sign": (
        also("guards: {deny: [acme.com]}"),
        (
            "line 8, column 17, guards.deny[0] 'acme.com': no id of a calendar; write "
            '"@acme.com" for a domain'
        ),
    ),
    "sooner than a word": (
        also("guards: {not_within: 20h}"),
        (
            "line 8, column 22, guards.not_within '20h': not an ISO 8601 duration; write "
            "PT30M, P1D or P1DT2H"
        ),
    ),
    "a begin without a zone": (
        also("run: {schedule: {at: 2026-02-25T20:00}}"),
        (
            "line 8, column 22, run.schedule.at '2026-02-25T20:00': a time without an offset;"
            " add one (+01:00 or Z), or give tzid"
        ),
    ),
    "a day without a zone": (
        also("run: {schedule: {deadline: 2026-02-25}}"),
        (
            "line 8, column 28, run.schedule.deadline '2026-02-25': a date without a zone; "
            "give a time with an offset, or give tzid"
        ),
    ),
    "a deadline before the begin": (
        also("run: {schedule: {at: 2026-02-25T20:00Z, deadline: 2026-02-25T20:00+01:00}}"),
        (
            "line 8, column 51, run.schedule.deadline '2026-02-25T20:00+01:00': the deadline "
            "is not after the begin; give a later one"
        ),
    ),
    "hours without a zone": (
        also("run: {schedule: {windows: [20:00-06:00]}}"),
        (
            "line 8, column 28, run.schedule.windows[0] '20:00-06:00': not hours of the day; "
            "write 20:00-06:00@Europe/Paris"
        ),
    ),
    "hours that there are not": (
        also("run: {schedule: {windows: [20:00-24:30@Europe/Paris]}}"),
        (
            "line 8, column 28, run.schedule.windows[0] '20:00-24:30@Europe/Paris': no such "
            "time of day; the last is 23:59, or 24:00 for an end"
        ),
    ),
    "hours without length": (
        also("run: {schedule: {quiet_hours: [20:00-20:00@Europe/Paris]}}"),
        (
            "line 8, column 32, run.schedule.quiet_hours[0] '20:00-20:00@Europe/Paris': it "
            "ends when it begins; write 00:00-24:00 for the whole day"
        ),
    ),
    "hours of a zone misspelt": (
        also("run: {schedule: {windows: [20:00-06:00@Europe/Pari]}}"),
        (
            "line 8, column 28, run.schedule.windows[0] '20:00-06:00@Europe/Pari': no such "
            'time zone (did you mean "Europe/Paris"?); give an IANA name such as Europe/Paris'
        ),
    ),
    "hours that are all quiet": (
        also("run: {schedule: {windows: [20:00-06:00@UTC], quiet_hours: [19:00-07:00@UTC]}}"),
        (
            "line 8, column 46, run.schedule.quiet_hours: no time is left in which edits are "
            "sent; leave some hours open"
        ),
    ),
    "quiet all day": (
        also("run: {schedule: {quiet_hours: [00:00-12:00@UTC, 12:00-24:00@UTC]}}"),
        (
            "line 8, column 18, run.schedule.quiet_hours: no time is left in which edits are "
            "sent; leave some hours open"
        ),
    ),
    "a share that is a number of percent": (
        also("run: {rate: {share: 70}}"),
        (
            "line 8, column 21, run.rate.share '70': not a share; write one above 0% and up "
            "to 100%, as in 70%"
        ),
    ),
    "more than all": (
        also("run: {rate: {share: 120%}}"),
        (
            "line 8, column 21, run.rate.share '120%': not a share; write one above 0% and up"
            " to 100%, as in 70%"
        ),
    ),
    "a share of failures in words": (
        also("run: {max_failures: five percent}"),
        (
            "line 8, column 21, run.max_failures 'five percent': no threshold of failures; "
            "write a share such as 5%, a number, or none"
        ),
    ),
    "no share of failures": (
        also("run: {max_failures: 0%}"),
        (
            "line 8, column 21, run.max_failures '0%': no threshold of failures; write a "
            "share such as 5%, a number, or none"
        ),
    ),
    "plain HTTP": (
        also("notify: {webhook: http://hooks.acme.com/secret}"),
        (
            "line 8, column 19, notify.webhook: neither https nor a host that the operator "
            "allows; write https and a public host, or have it in CALPATCH_WEBHOOK_HOSTS"
        ),
    ),
    "a host of this network": (
        also("notify: {webhook: 'https://10.0.0.7/secret'}"),
        (
            "line 8, column 19, notify.webhook: neither https nor a host that the operator "
            "allows; write https and a public host, or have it in CALPATCH_WEBHOOK_HOSTS"
        ),
    ),
    "an address with a user": (
        also("notify: {webhook: 'https://me:secret@hooks.acme.com'}"),
        (
            "line 8, column 19, notify.webhook: an address with a user or a fragment; leave "
            "that part out"
        ),
    ),
    "another kind of address": (
        also("notify: {webhook: 'ftp://hooks.acme.com/secret'}"),
        (
            "line 8, column 19, notify.webhook: no address that may be posted to; write one "
            "as in https://hooks.acme.com/x"
        ),
    ),
    "a host that somebody left out": (
        also("notify: {webhook: 'https://…'}"),
        (
            "line 8, column 19, notify.webhook: no address that may be posted to; write one "
            "as in https://hooks.acme.com/x"
        ),
    ),
    "no address at all": (
        also("notify: {webhook: 'https://[secret'}"),
        (
            "line 8, column 19, notify.webhook: no address that may be posted to; write one "
            "as in https://hooks.acme.com/x"
        ),
    ),
}


@pytest.mark.parametrize(
    ("text", "expected"), [(text, lines) for text, *lines in FILES.values()], ids=FILES
)
def test_what_makes_no_sense_is_told_with_its_place(text: str | bytes, expected: list[str]) -> None:
    """A campaign that cannot mean what it says is found before it is planned."""
    assert told(text) == expected
