"""What has not the form of a campaign is told by line, column, key and value, and what to write."""

from __future__ import annotations

import pytest

from tests.unit.intake.campaigns import about, also, between, changed, doing, like, of, told

FILES: dict[str, tuple[str | bytes, *tuple[str, ...]]] = {
    "all that is needed": (
        "version: 1\n",
        (
            "line 1, column 1, campaign: missing; put its keys below it, indented: id, "
            "reason, owner, tags, job"
        ),
        (
            "line 1, column 1, select: missing; put its keys below it, indented: accounts, "
            "calendars, between, match"
        ),
        "line 1, column 1, transform: missing; begin each with a dash, such as - shift: PT1H",
    ),
    "a version to come": (
        changed("version: 1", "version: 2"),
        (
            "line 1, column 10, version '2': not a version of this format that is known; "
            "write version: 1"
        ),
    ),
    "a version in quotes": (
        changed("version: 1", 'version: "1"'),
        (
            "line 1, column 10, version '1': not a version of this format that is known; "
            "write version: 1"
        ),
    ),
    "a section misspelt": (
        changed("select:", "selct:"),
        'line 3, column 1, selct: unknown key (did you mean "select"?); correct or remove it',
    ),
    "a key misspelt": (
        of("all").replace("accounts", "acounts"),
        (
            'line 4, column 3, select.acounts: unknown key (did you mean "accounts"?); '
            "correct or remove it"
        ),
    ),
    "a key that nobody knows": (
        also("color: red"),
        (
            "line 8, column 1, color: unknown key; the keys here are version, campaign, "
            "select, transform, guards, run, notify"
        ),
    ),
    "a key that belongs elsewhere": (
        also("run: {max_changes: 5}"),
        (
            "line 8, column 7, run.max_changes: unknown key (did you mean "
            '"guards.max_changes"?); correct or remove it'
        ),
    ),
    "a key of another program": (
        between("{start: 2026-03-01, until: 2026-04-30, timezone: Europe/Paris}"),
        (
            'line 5, column 13, select.between.start: unknown key (did you mean "from"?); '
            "correct or remove it"
        ),
        (
            'line 5, column 32, select.between.until: unknown key (did you mean "to"?); '
            "correct or remove it"
        ),
        (
            'line 5, column 51, select.between.timezone: unknown key (did you mean "tzid"?); '
            "correct or remove it"
        ),
    ),
    "a key that belongs elsewhere, where another one is meant": (
        between("{from: 2026-03-01, to: 2026-04-30, zone: Europe/Paris}"),
        (
            'line 5, column 47, select.between.zone: unknown key (did you mean "tzid"?); '
            "correct or remove it"
        ),
    ),
    "keys of another product": (
        of("{tenant: acme, group: paris}"),
        (
            'line 4, column 14, select.accounts.tenant: unknown key (did you mean "labels"?);'
            " correct or remove it"
        ),
        (
            'line 4, column 28, select.accounts.group: unknown key (did you mean "labels"?); '
            "correct or remove it"
        ),
    ),
    "what the installation decides": (
        also("run: {batch: {counts_as: each}, verify: {mode: all, within: PT15M}}"),
        (
            "line 8, column 15, run.batch.counts_as: what a batch costs at the limit depends "
            "on the API, not on a campaign; remove it, and set CALPATCH_BATCH_COUNTS_AS for "
            "the installation"
        ),
        (
            "line 8, column 53, run.verify.within: how long a read-back may take is the same "
            "for all campaigns; remove it, and set CALPATCH_VERIFY_WITHIN for the "
            "installation"
        ),
    ),
    "a section without anything": (
        also("guards:"),
        "line 8, column 1, guards: no value; give one, or leave the key out",
    ),
    "a key without a value": (
        of(""),
        "line 4, column 3, select.accounts: no value; give one, or leave the key out",
    ),
    "a name with a blank": (
        changed("id: move", "id: my move"),
        (
            "line 2, column 16, campaign.id 'my move': not a name; write up to 255 letters, "
            "digits and . _ : - without blanks"
        ),
    ),
    "a name that is a number": (
        changed("id: move", "id: 5"),
        (
            "line 2, column 16, campaign.id '5': not a name; write up to 255 letters, digits "
            "and . _ : - without blanks"
        ),
    ),
    "a name that ends with a line end": (
        changed(
            "{id: move, reason: The office moves}",
            "\n  id: |\n    move\n  reason: The office moves",
        ),
        (
            "line 3, column 7, campaign.id 'move\\\\n': not a name; write up to 255 letters, "
            "digits and . _ : - without blanks"
        ),
    ),
    "a reason that is a number": (
        about("2026"),
        (
            "line 4, column 11, campaign.reason '2026': not a reason; say in a line why this "
            "is done, in quotes if need be"
        ),
    ),
    "a reason that is too long": (
        about("x" * 1001),
        (
            "line 4, column 11, campaign.reason "
            "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…': 1,001 "
            "characters; at most 1,000 are taken; shorten it"
        ),
    ),
    "accounts misspelt": (
        of("al"),
        (
            "line 4, column 13, select.accounts 'al': neither all nor a list; write all, "
            "[acc_1, acc_2], {labels: [paris]} or {file: accounts.csv}"
        ),
    ),
    "no accounts": (
        of("[]"),
        "line 4, column 3, select.accounts: an empty list; write [id_1, id_2]",
    ),
    "a number of accounts": (
        of("5"),
        (
            "line 4, column 13, select.accounts '5': no accounts; write all, [acc_1, acc_2], "
            "{labels: [paris]} or {file: accounts.csv}"
        ),
    ),
    "an account that is given twice": (
        of("[acc_1, acc_2, acc_1]"),
        "line 4, column 28, select.accounts[2] 'acc_1': given twice; remove one",
    ),
    "an account that is a number": (
        of("[12]"),
        (
            "line 4, column 14, select.accounts[0] '12': not an id; write it as the API gives"
            " it, in quotes if need be"
        ),
    ),
    "more accounts than a list may have": (
        of(str([f"acc_{n}" for n in range(1001)])),
        "line 4, column 3, select.accounts: 1,001 entries; at most 1,000 are taken; leave some out",
    ),
    "accounts named in two ways": (
        of("{file: accounts.csv, labels: [paris]}"),
        "line 4, column 3, select.accounts: labels and file exclude each other; give one of them",
    ),
    "accounts named in no way": (
        of("{}"),
        (
            "line 4, column 3, select.accounts: no key that says what is meant; give one of "
            "labels, file"
        ),
    ),
    "no zone": (
        between("{from: 2026-03-01, to: 2026-04-30}"),
        "line 5, column 3, select.between.tzid: missing; give an IANA name such as Europe/Paris",
    ),
    "a date with few digits": (
        between("{from: 2026-3-1, to: 2026-04-30, tzid: Europe/Paris}"),
        (
            "line 5, column 19, select.between.from '2026-3-1': not a day; "
            "write it as in 2026-03-01, or from today on: today, P1D, P8W"
        ),
    ),
    "a date without dashes": (
        between("{from: 20260301, to: 2026-04-30, tzid: Europe/Paris}"),
        (
            "line 5, column 19, select.between.from '20260301': not a day; "
            "write it as in 2026-03-01, or from today on: today, P1D, P8W"
        ),
    ),
    "a day with a time": (
        between("{from: 2026-03-01T09:00, to: 2026-04-30, tzid: Europe/Paris}"),
        (
            "line 5, column 19, select.between.from '2026-03-01T09:00': not a day; write it "
            "as in 2026-03-01, or from today on: today, P1D, P8W"
        ),
    ),
    "an organizer by name": (
        like("{organizer: ann}"),
        (
            "line 6, column 22, select.match.organizer 'ann': neither self nor other; write "
            "self, other or {domain: acme.com}"
        ),
    ),
    "a list of organizers": (
        like("{organizer: [acme.com]}"),
        (
            "line 6, column 11, select.match.organizer: no organizer; write self, other or "
            "{domain: acme.com}"
        ),
    ),
    "a domain without its end": (
        like("{organizer: {domain: acme}}"),
        (
            "line 6, column 31, select.match.organizer.domain 'acme': not a domain; write it "
            "as in acme.com"
        ),
    ),
    "a title that is a number": (
        like("{summary: 2026}"),
        (
            "line 6, column 20, select.match.summary '2026': not a text to look for; write "
            "some words, or a regex such as /standup|review/i"
        ),
    ),
    "a title by two rules": (
        like("{summary: {literal: a, glob: b}}"),
        (
            "line 6, column 11, select.match.summary: literal and glob exclude each other; "
            "give one of them"
        ),
    ),
    "a title by no rule": (
        like("{summary: {ignore_case: true}}"),
        (
            "line 6, column 11, select.match.summary: no key that says what is meant; give "
            "one of literal, glob, regex"
        ),
    ),
    "a title by a rule of another name": (
        like("{summary: {pattern: a}}"),
        (
            "line 6, column 21, select.match.summary.pattern: unknown key (did you mean "
            '"regex"?); correct or remove it'
        ),
    ),
    "attendees in one word": (
        like("{attendees_only_domains: [acme.com]}"),
        (
            "line 6, column 11, select.match.attendees_only_domains: unknown key (did you "
            'mean "attendees.only_domains"?); correct or remove it'
        ),
    ),
    "an address without its name": (
        like("{attendees: {any: [acme.com]}}"),
        (
            "line 6, column 29, select.match.attendees.any[0] 'acme.com': not an address; "
            "write it as in ann@acme.com"
        ),
    ),
    "fewer people than nobody": (
        like("{attendees: {at_most: -1}}"),
        (
            "line 6, column 32, select.match.attendees.at_most '-1': not a number of people; "
            "write a whole number from 0"
        ),
    ),
    "yes for true": (
        like("{private: yes}"),
        (
            "line 6, column 20, select.match.private 'yes': neither true nor false (did you "
            'mean "true"?); write one of the two'
        ),
    ),
    "no for false": (
        like("{all_day: no}"),
        (
            "line 6, column 20, select.match.all_day 'no': neither true nor false (did you "
            'mean "false"?); write one of the two'
        ),
    ),
    "a word for true": (
        like("{private: sure}"),
        (
            "line 6, column 20, select.match.private 'sure': neither true nor false; write "
            "one of the two"
        ),
    ),
    "no transforms": (
        changed("transform:\n  - shift: PT1H", "transform: []"),
        "line 6, column 1, transform: an empty list; begin each with a dash, such as - shift: PT1H",
    ),
    "one transform without its dash": (
        changed("  - shift", "    shift"),
        (
            "line 6, column 1, transform: not a list of transforms; begin each with a dash, "
            "such as - shift: PT1H"
        ),
    ),
    "a transform that is a word": (
        doing("shift"),
        (
            "line 7, column 5, transform[0] 'shift': a text where keys belong; put its keys "
            "below it, indented: shift, set, replace, move, duration, zone, append, prepend"
        ),
    ),
    "a transform without a key": (
        doing("{}"),
        (
            "line 7, column 5, transform[0]: no key; give one of shift, set, replace, move, "
            "duration, zone, append, prepend"
        ),
    ),
    "a dash alone": (
        doing(""),
        "line 7, column 4, transform[0]: no value; give one, or remove the dash",
    ),
    "two keys in one transform": (
        doing("shift: PT1H\n    set: {summary: Moved}"),
        (
            "line 8, column 5, transform[0].set: a second key in one transform; begin another"
            " one with a dash"
        ),
    ),
    "a transform that there is not": (
        doing("delete: {}"),
        (
            "line 7, column 5, transform[0].delete: unknown key; the keys here are shift, "
            "set, replace, move, duration, zone, append, prepend"
        ),
    ),
    "a shift by a number": (
        doing("shift: 60"),
        (
            "line 7, column 12, transform[0].shift '60': not a shift; write shift: PT1H, or "
            "shift: {by: PT1H, mode: elapsed}"
        ),
    ),
    "a shift without a duration": (
        doing("shift: {mode: elapsed}"),
        "line 7, column 5, transform[0].shift.by: missing; write -P1D, P1W, PT30M or P1DT2H",
    ),
    "a mode misspelt": (
        doing("shift: {by: PT1H, mode: wallclock}"),
        (
            "line 7, column 29, transform[0].shift.mode 'wallclock': no such mode (did you "
            'mean "wall_clock"?); write wall_clock or elapsed'
        ),
    ),
    "a reading that there is not": (
        doing("shift: {by: PT1H, dst_gap: skip}"),
        (
            "line 7, column 32, transform[0].shift.dst_gap 'skip': no such reading; write "
            "refuse, earlier or later"
        ),
    ),
    "a field misspelt": (
        doing("set: {descripton: New}"),
        (
            "line 7, column 11, transform[0].set.descripton: unknown key (did you mean "
            '"description"?); correct or remove it'
        ),
    ),
    "nothing to set": (
        doing("set: {}"),
        (
            "line 7, column 5, transform[0].set: no key; give one of summary, description, "
            "location, transparency"
        ),
    ),
    "a value that is a list": (
        doing("set: {summary: [Secret title]}"),
        (
            "line 7, column 11, transform[0].set.summary: not a title; write a text, in "
            "quotes if need be"
        ),
    ),
    "a transparency that there is not": (
        doing("set: {transparency: free}"),
        (
            "line 7, column 25, transform[0].set.transparency: neither opaque nor "
            "transparent; write one of the two"
        ),
    ),
    "nothing to replace": (
        doing("replace: {field: location, with: Room 5}"),
        (
            "line 7, column 5, transform[0].replace: no key that says what is meant; give one"
            " of pattern, literal"
        ),
    ),
    "two things to replace": (
        doing("replace: {field: location, literal: a, pattern: b, with: c}"),
        (
            "line 7, column 5, transform[0].replace: pattern and literal exclude each other; "
            "give one of them"
        ),
    ),
    "nothing to replace it with": (
        doing("replace: {field: place, literal: Room 4}"),
        "line 7, column 5, transform[0].replace.with: missing; write it in quotes",
        (
            "line 7, column 22, transform[0].replace.field 'place': no field of text; write "
            "summary, description or location"
        ),
    ),
    "an empty pattern": (
        doing("replace: {field: location, pattern: '', with: Room 5}"),
        (
            "line 7, column 32, transform[0].replace.pattern: an empty text; write a regex in"
            " single quotes"
        ),
    ),
    "a move to nowhere": (
        doing("move: {tzid: Europe/Paris}"),
        (
            "line 7, column 5, transform[0].move: no key that says what is meant; give one of"
            " to_weekday, to_time"
        ),
    ),
    "a weekday with a capital": (
        doing("move: {to_weekday: Tuesday}"),
        (
            "line 7, column 24, transform[0].move.to_weekday 'Tuesday': not a weekday (did "
            'you mean "tuesday"?); write monday, tuesday and so on'
        ),
    ),
    "a time of day that there is not": (
        doing("move: {to_time: 24:30}"),
        (
            "line 7, column 21, transform[0].move.to_time '24:30': not a time of day; write "
            "it as in 09:30"
        ),
    ),
    "a time of day without a colon": (
        doing("move: {to_time: 0930}"),
        (
            "line 7, column 21, transform[0].move.to_time '0930': not a time of day; write it"
            " as in 09:30"
        ),
    ),
    "a zone without its key": (
        doing("zone: Europe/Paris"),
        (
            "line 7, column 11, transform[0].zone 'Europe/Paris': a text where keys belong; "
            "put its keys below it, indented: tzid, keep, dst_gap, dst_fold"
        ),
    ),
    "something to skip misspelt": (
        also("guards: {skip: [past_events]}"),
        (
            "line 8, column 17, guards.skip[0] 'past_events': nothing that can be skipped "
            '(did you mean "past_event"?); write past_event, private_event or '
            "external_attendees"
        ),
    ),
    "a list that is a text": (
        also("guards: {skip: past_event}"),
        (
            "line 8, column 16, guards.skip 'past_event': not a list; write [private_event, "
            "external_attendees]"
        ),
    ),
    "a number with a comma": (
        also("guards: {max_changes: '5,000'}"),
        (
            "line 8, column 23, guards.max_changes '5,000': not a number to count to; write a"
            " whole number from 1 to 10,000,000"
        ),
    ),
    "a number that is not whole": (
        also("guards: {max_changes: 2.5}"),
        (
            "line 8, column 23, guards.max_changes '2.5': not a number to count to; write a "
            "whole number from 1 to 10,000,000"
        ),
    ),
    "a number of a thousand digits": (
        also("guards: {max_changes: " + "9" * 1000 + "}"),
        (
            "line 8, column 23, guards.max_changes "
            "'99999999999999999999999999999999999999999999999999999999999…': not a number to "
            "count to; write a whole number from 1 to 10,000,000"
        ),
    ),
    "an answer that there is not": (
        also("guards: {on_conflict: overwrite}"),
        (
            "line 8, column 23, guards.on_conflict 'overwrite': no answer to a conflict; "
            "write skip, rebase or force"
        ),
    ),
    "too large a batch": (
        also("run: {batch: {size: 51}}"),
        (
            "line 8, column 21, run.batch.size '51': not a size of batches; write a whole "
            "number from 1 to 50"
        ),
    ),
    "no calls": (
        also("run: {rate: {max_rps: 0}}"),
        (
            "line 8, column 23, run.rate.max_rps '0': not a number of calls a second; write "
            "one above 0, such as 8"
        ),
    ),
    "endless calls": (
        also("run: {rate: {max_rps: .inf}}"),
        (
            "line 8, column 23, run.rate.max_rps '.inf': not a number of calls a second; "
            "write one above 0, such as 8"
        ),
    ),
    "another gate": (
        also("run: {canary: {items: 5, require: sent}}"),
        (
            "line 8, column 35, run.canary.require 'sent': nothing else can be required; "
            "write verified, or leave it out"
        ),
    ),
    "a threshold that is a list": (
        also("run: {max_failures: [5]}"),
        "line 8, column 7, run.max_failures: no threshold; write 5%, 25 or {percent: 5, count: 25}",
    ),
    "nobody to approve": (
        also("run: {approval: {}}"),
        "line 8, column 7, run.approval: no key; give one of within, second_person_above",
    ),
    "half a failure": (
        also("run: {max_failures: 0.5}"),
        (
            "line 8, column 21, run.max_failures '0.5': no threshold; write 5%, 25 or "
            "{percent: 5, count: 25}"
        ),
    ),
    "five times all": (
        also("run: {max_failures: {percent: 500}}"),
        (
            "line 8, column 31, run.max_failures.percent '500': not a number of percent; "
            "write one above 0 and up to 100, or none"
        ),
    ),
    "a way to verify that there is not": (
        also("run: {verify: none}"),
        (
            "line 8, column 15, run.verify 'none': a text where keys belong; put its keys "
            "below it, indented: mode"
        ),
    ),
    "urgent": (
        also("run: {priority: urgent}"),
        "line 8, column 17, run.priority 'urgent': no such priority; write bulk or interactive",
    ),
    "hours that are no list": (
        also("run: {schedule: {windows: '20:00-06:00@UTC'}}"),
        (
            "line 8, column 27, run.schedule.windows '20:00-06:00@UTC': not a list of hours; "
            'write ["20:00-06:00@Europe/Paris"]'
        ),
    ),
    "news that nobody is told": (
        also("notify: {on: [failed]}"),
        "line 8, column 1, notify.webhook: missing; write one that begins with https://",
        (
            "line 8, column 15, notify.on[0] 'failed': nothing that is told of; write "
            "planned, held or finished"
        ),
    ),
}


@pytest.mark.parametrize(
    ("text", "expected"), [(text, lines) for text, *lines in FILES.values()], ids=FILES
)
def test_what_has_another_form_is_told_with_its_place(
    text: str | bytes, expected: list[str]
) -> None:
    """One fault is one problem; nobody has to read a schema to understand it."""
    assert told(text) == expected
