"""What is no YAML, or has YAML's traps in it, is told by line and column, with what to write."""

from __future__ import annotations

import pytest

from tests.unit.intake.campaigns import FILE, about, also, between, changed, doing, like, of, told

FILES: dict[str, tuple[str | bytes, *tuple[str, ...]]] = {
    "nothing": (
        "",
        "file: no campaign: the file is empty; `calpatch init` writes an example",
    ),
    "comments alone": (
        "# later\n\n",
        "file: no campaign: the file is empty; `calpatch init` writes an example",
    ),
    "an empty document": (
        "---\n",
        "file: no campaign: the file is empty; `calpatch init` writes an example",
    ),
    "a text": (
        "hello\n",
        (
            "line 1, column 1 'hello': a text where keys belong; compare it with what "
            "`calpatch init -` writes"
        ),
    ),
    "a list": (
        "- shift: PT1H\n",
        "line 1, column 1: a list where keys belong; compare it with what `calpatch init -` writes",
    ),
    "a number": (
        "5\n",
        (
            "line 1, column 1 '5': a number where keys belong; compare it with what `calpatch"
            " init -` writes"
        ),
    ),
    "a tab before a key": (
        changed("  accounts", "\taccounts"),
        "line 4, column 1, accounts: a tab; indent with spaces",
    ),
    "a blank of the web before a key": (
        changed("  accounts", "\u00a0 accounts"),
        "line 4, column 1: a blank of another kind, U+00A0; indent with spaces",
    ),
    "a colon in a text": (
        about("Move: the office"),
        (
            'line 4, column 15, reason: a colon where no key can be; put a text that holds ":'
            ' " in quotes, or look for a wrong indentation here or above'
        ),
    ),
    "a colon in a text, in brackets": (
        changed("The office moves", "Move: the office"),
        (
            "line 2, column 34, campaign: what opened in line 2 is not closed here; write a "
            "comma or }, and put texts that hold a comma, bracket, colon or ? in quotes"
        ),
    ),
    "a key without its colon": (
        changed("accounts: all", "accounts all"),
        (
            "line 5, column 10, between: a colon where no key can be; put a text that holds "
            '": " in quotes, or look for a wrong indentation here or above'
        ),
    ),
    "a key too far in": (
        changed("  between", "   between"),
        (
            "line 5, column 11, between: a colon where no key can be; put a text that holds "
            '": " in quotes, or look for a wrong indentation here or above'
        ),
    ),
    "a key too far out": (
        also("guards:\n  max_changes: 5\n on_conflict: skip"),
        (
            "line 10, column 2, on_conflict: indented unlike what it belongs to; begin the "
            "keys of a mapping, and the dashes of a list, exactly below each other"
        ),
    ),
    "a line that is no key": (
        also("guards\n"),
        (
            "line 8, column 1: a line that is neither a key with a value nor an entry of a "
            'list; write "key: value", or put a text of several lines in quotes'
        ),
    ),
    "a dash after a key": (
        changed("transform:\n", "transform: - shift: PT1H\n"),
        (
            "line 6, column 12, transform: a dash where no entry can be; put the list on "
            "lines of its own, below its key"
        ),
    ),
    "a second campaign": (
        FILE + "---\n" + FILE,
        "line 8, column 1: a second document begins here; give each campaign its own file",
    ),
    "more after the end": (
        "{version: 1}\nselect: {}\n",
        (
            "line 2, column 1, select: the campaign has ended above this line; indent it like"
            " what it belongs to, or remove it"
        ),
    ),
    "a quote that stays open": (
        about('"The office moves'),
        "line 4, column 11, reason: a quote opens here and is never closed; close it",
    ),
    "a quote that stays open up to a second document": (
        about('"The office\n---\n'),
        "line 4, column 11, reason: a quote opens here and is never closed; close it",
    ),
    "a bracket that stays open": (
        between("{from: 2026-03-01, to: 2026-04-30"),
        (
            "line 6, column 10, transform: what opened in line 5 is not closed here; write a "
            "comma or }, and put texts that hold a comma, bracket, colon or ? in quotes"
        ),
    ),
    "a list that is closed by a brace": (
        also("guards: {skip: [past_event}"),
        (
            "line 8, column 27, guards: what opened in line 8 is not closed here; write a "
            "comma or ], and put texts that hold a comma, bracket, colon or ? in quotes"
        ),
    ),
    "an escape that is none": (
        doing('replace: {field: location, pattern: "Room (\\d+)", with: x}'),
        (
            "line 7, column 49, replace: in double quotes a \\ begins an escape, and this is "
            "none; write \\\\ for it, or put the text in single quotes"
        ),
    ),
    "an escape that is cut off": (
        about('"The office \\u12"'),
        "line 4, column 25, reason: an escape that is not complete; write it as in \\u00e9",
    ),
    "a star at the beginning": (
        like("{summary: *standup*}"),
        (
            "line 6, column 28, match: * and & do not stand for themselves at the beginning "
            "of a text; put it in quotes"
        ),
    ),
    "an at sign at the beginning": (
        also("guards: {deny: [@acme.com]}"),
        "line 8, column 17, guards: a text cannot begin with @; put it in quotes",
    ),
    "a template that nobody filled in": (
        doing("set: {summary: {{ title }}}"),
        (
            "line 7, column 21, transform[0].set.summary: a key that is no word; put a text "
            "with brackets in quotes"
        ),
    ),
    "a percent sign at the beginning": (
        about("%x"),
        "line 4, column 11, reason: a text cannot begin with %; put it in quotes",
    ),
    "a directive": (
        "%FOO bar\n%YAML 1.1\n%YAML 1.1\n---\n" + FILE,
        "line 3, column 1: % begins a directive, which is not taken here; put it in quotes",
    ),
    "a block with more than its mark": (
        about("| The office"),
        (
            "line 4, column 13, reason: a | or > with more beside it; write |- or >- alone, "
            "and the text below it"
        ),
    ),
    "an alias": (
        of("*everybody"),
        (
            "line 4, column 13, select.accounts: *everybody is an alias, and there are none "
            "here; write the value out, in quotes if need be"
        ),
    ),
    "an anchor": (
        of("&everybody all"),
        (
            "line 4, column 13, select.accounts: &everybody is an anchor, and there are none "
            "here; write the value out, in quotes if need be"
        ),
    ),
    "an anchor at a key": (
        also("&a guards: {max_changes: 5}"),
        (
            "line 8, column 1: &a is an anchor, and there are none here; write the value out,"
            " in quotes if need be"
        ),
    ),
    "a tag": (
        about("!!python/object/apply:os.system [id]"),
        (
            "line 4, column 11, campaign.reason: ! begins a tag, and there are none here; "
            "write the value out, in quotes if need be"
        ),
    ),
    "a tag that is open": (
        about("!<tag The office"),
        "line 4, column 16, reason: ! begins a tag, which is not taken here; put it in quotes",
    ),
    "a tag without its handle": (
        about("!x!y The office"),
        "line 4, column 11, reason: ! begins a tag, which is not taken here; put it in quotes",
    ),
    "a merge key": (
        also("guards:\n  <<: {max_changes: 5}"),
        "line 9, column 3, guards.<<: there are no merge keys here; write the keys out",
    ),
    "a mapping for a key": (
        also("? {a: b}\n: c"),
        "line 8, column 3: a key that is no word; put a text with brackets in quotes",
    ),
    "a key that is given twice": (
        also("version: 1"),
        "line 8, column 1, version: line 1 has this key already; remove one",
    ),
    "a key that is given three times": (
        also("run: {rate: {share: 5%, share: 6%, share: 7%}}"),
        "line 8, column 25, run.rate.share: line 8 has this key already; remove one",
        "line 8, column 36, run.rate.share: line 8 has this key already; remove one",
    ),
    "a text that a comment cuts off": (
        about("Room #4"),
        (
            "line 4, column 11, campaign.reason 'Room': what follows the # is a comment, no "
            "part of this text; put the text in quotes, or a blank after the #"
        ),
    ),
    "an escaped control character": (
        about('"The \\a office"'),
        (
            "line 4, column 11, campaign.reason 'The \\\\x07 office': a control character, "
            "U+0007 at character 5; remove it"
        ),
    ),
    "half a character": (
        about('"The \\ud83d office"'),
        (
            "line 4, column 11, campaign.reason 'The \\\\ud83d office': a control character, "
            "U+D83D at character 5; remove it"
        ),
    ),
    "a NUL": (
        about("The \0 office"),
        "line 4: NUL at byte 15 of the line; save the file as UTF-8 text",
    ),
    "a control character": (
        about("The \x1b[2J office"),
        "line 4, column 15: a character that nobody sees, U+001B; remove it",
    ),
    "a character that turns text round": (
        about("The \u202e office"),
        "line 4, column 15: a character that nobody sees, U+202E; remove it",
    ),
    "a line end that editors do not count": (
        about("The \u2028 office"),
        "line 4, column 15: a character that nobody sees, U+2028; remove it",
    ),
    "another encoding": (
        about("Büro").encode("latin-1"),
        "line 4: not UTF-8: byte 0xFC at byte 12 of the line; save the file as UTF-8",
    ),
    "UTF-16": (
        FILE.encode("utf-16"),
        "file: the file is in UTF-16; save it as UTF-8",
    ),
    "too many levels": (
        "[" * 30 + "]" * 30,
        (
            "line 1, column 17, [0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]: more than "
            "16 levels; close what was opened before"
        ),
    ),
    "levels that never close": (
        "a: " + "{a: " * 30,
        (
            "line 1, column 61, a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: more than 16 levels; close "
            "what was opened before"
        ),
    ),
    "too large": (
        "#" * 60 + "\n" + "# and so on\n" * 30_000,
        (
            "file: 360,061 bytes; a campaign file has at most 262,144: list accounts in a "
            "CSV, and name it at select.accounts.file"
        ),
    ),
    "a line without end": (
        "#" * 70_000,
        "line 1: longer than 65,536 characters; shorten it",
    ),
}


@pytest.mark.parametrize(
    ("text", "expected"), [(text, lines) for text, *lines in FILES.values()], ids=FILES
)
def test_what_is_no_yaml_is_told_with_its_place(text: str | bytes, expected: list[str]) -> None:
    """Whoever never wrote YAML before finds out what to change, and where."""
    assert told(text) == expected
