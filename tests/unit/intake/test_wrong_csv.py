"""What is wrong with a CSV is said by line and column, with the next step to take."""

from __future__ import annotations

import pytest

from tests.unit.intake.samples import a_csv, told

GOOD = "account,calendar_id,event_uid,shift\nacc_1,cal_1,evt_external_1,PT1H\n"
HEAD = "account,calendar_id,event_uid,shift\n"
TEXTS = "account,calendar_id,event_uid,summary,description\n"

NO_EDITS = "no edits; below the header there are only comments or blank lines"
ONE_OF = "shift, new_start, new_end, summary, description, location, transparency"
WHITE = "an id holds no white space or control characters; remove them"
NOT_CLEARED = "this cannot be cleared; only description and location can"
KINDS = "a date and a time do not go together; give dates for an all-day event, else times"
MOMENT = "neither a date nor a time; write 2026-03-02 or 2026-03-02T15:00+01:00"
DURATION = "not an ISO 8601 duration; write -P1D, P1W, PT30M or P1DT2H"
OFFSET = "a time without an offset; add one (+01:00 or Z), or give tzid"
ECHOED = "correct or remove it, or call it x_… to have it echoed"
NEEDED = "column missing; every edit needs it"
SEPARATED = "separate them by commas"
FORMULA = "a formula has failed here; correct the spreadsheet"
UTF8 = "save the file as UTF-8"

FILES: dict[str, tuple[str | bytes, int, str, str]] = {
    "empty": ("", 0, "", "no edits: the file is empty; begin with a line of column names"),
    "only blank lines": (
        "\n \n\t\n",
        0,
        "",
        "no edits: the file is empty; begin with a line of column names",
    ),
    "header only": (HEAD, 0, "", NO_EDITS),
    "comments only": (HEAD + "# later\n\n", 0, "", NO_EDITS),
    "blank cells only": (HEAD + ",,,\n", 0, "", NO_EDITS),
    "semicolons": (
        GOOD.replace(",", ";"),
        1,
        "",
        f"the cells are separated by semicolons; {SEPARATED}",
    ),
    "tabs": (GOOD.replace(",", "\t"), 1, "", f"the cells are separated by tabs; {SEPARATED}"),
    "bars": (GOOD.replace(",", "|"), 1, "", f"the cells are separated by bars; {SEPARATED}"),
    "no header": (
        "acc_1,cal_1,evt_external_1,PT1H\n",
        1,
        "",
        "no column names; begin with a header such as account,calendar_id,event_uid,shift",
    ),
    "misspelt column": (
        GOOD.replace("shift", "shfit"),
        1,
        "shfit",
        f'unknown column (did you mean "shift"?); {ECHOED}',
    ),
    "column in capitals": (
        GOOD.replace("event_uid", "Event UID"),
        1,
        "Event UID",
        f'unknown column (did you mean "event_uid"?); {ECHOED}',
    ),
    "column of another program": (
        GOOD.replace("shift", "start"),
        1,
        "start",
        f'unknown column (did you mean "new_start"?); {ECHOED}',
    ),
    "strange column": (
        "colour," + GOOD.replace("\n", "\nred,", 1),
        1,
        "colour",
        f"unknown column; {ECHOED}",
    ),
    "nameless column": (
        GOOD.replace("shift", "shift,"),
        1,
        "",
        "column 5 has no name; name it, or remove its comma",
    ),
    "columns without end": (
        "account," + "x_1," * 200 + "\n",
        1,
        "",
        "202 columns; leave 200 at most",
    ),
    "column twice": (
        GOOD.replace("shift", "shift,shift"),
        1,
        "shift",
        "column given twice; remove one",
    ),
    "column missing": ("calendar_id,event_uid,shift\n", 1, "account", NEEDED),
    "nothing to change": (
        "account,calendar_id,event_uid,tzid\n",
        1,
        "",
        f"no column says what to change; add one of {ONE_OF}",
    ),
    "too many cells": (
        HEAD + "acc_1,cal_1,evt_external_1,PT1H,more\n",
        2,
        "",
        "5 cells, but the header names 4 columns; put a cell that holds a comma in quotes",
    ),
    "too few cells": (
        HEAD + "acc_1,cal_1\n",
        2,
        "",
        "2 cells, but the header names 4 columns; add the missing commas",
    ),
    "unclosed quote": (
        TEXTS + 'acc_1,cal_1,evt_external_1,"New\nplace,oh\n',
        2,
        "summary",
        "a quote opens here and is never closed; close it",
    ),
    "unclosed quote in a later line of its record": (
        TEXTS + 'acc_1,cal_1,evt_external_1,"New\nplace","oh\n\n',
        3,
        "description",
        "a quote opens here and is never closed; close it",
    ),
    "unclosed quote that another row closes": (
        TEXTS + 'acc_1,cal_1,evt_external_1,"New,\nacc_1,cal_1,evt_external_2,"Old",\n',
        2,
        "summary",
        "a quote opens here and closes amid line 3; close it",
    ),
    "unclosed quote in a long file": (
        TEXTS + 'acc_1,cal_1,evt_external_1,,"' + "much ado\n" * 8_000,
        2,
        "description",
        (
            "a quote opens here and is not closed within 65,536 characters;"
            " close it, then check again: nothing below was checked"
        ),
    ),
    "unclosed quote in the header": (
        'account,calendar_id,"event_uid\n',
        1,
        "",
        "a quote opens here and is never closed; close it",
    ),
    "quote within quotes": (
        TEXTS + 'acc_1,cal_1,evt_external_1,"The "new" place",\n',
        2,
        "summary",
        "text after a closing quote; write a quote within quotes twice",
    ),
    "failed formula in front": (
        HEAD + "#REF!,cal_1,evt_external_1,PT1H\n",
        2,
        "account",
        FORMULA,
    ),
    "Latin-1": (
        TEXTS.encode() + "acc_1,cal_1,evt_external_1,Café,\n".encode("latin-1"),
        2,
        "",
        f"not UTF-8: byte 0xE9 at byte 31 of the line; {UTF8}",
    ),
    "UTF-16": (GOOD.encode("utf-16"), 0, "", "the file is in UTF-16; save it as UTF-8"),
    "UTF-16 big end first": (
        b"\xfe\xff" + GOOD.encode("utf-16-be"),
        0,
        "",
        "the file is in UTF-16; save it as UTF-8",
    ),
    "UTF-16 without mark": (
        GOOD.encode("utf-16-le"),
        0,
        "",
        "the file is in UTF-16 without its mark; save it as UTF-8",
    ),
    "UTF-32": (GOOD.encode("utf-32"), 0, "", "the file is in UTF-32; save it as UTF-8"),
    "workbook": (
        b"PK\x03\x04rest",
        0,
        "",
        "the file is a workbook or a ZIP archive; export it as CSV in UTF-8",
    ),
    "compressed": (b"\x1f\x8b\x08rest", 0, "", "the file is compressed; unpack it first"),
    "NUL": (
        HEAD + "acc_1,cal_1,evt\0,PT1H\n",
        2,
        "",
        "NUL at byte 16 of the line; save the file as UTF-8 text",
    ),
    "endless line": (
        HEAD + "x" * 200_000 + "\n",
        2,
        "",
        "longer than 65,536 characters; shorten it",
    ),
}


@pytest.mark.row(29)
@pytest.mark.row(30)
@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read_is_refused_with_the_next_step(case: str) -> None:
    """Whoever exported the wrong file learns it before anything is sent."""
    content, *expected = FILES[case]
    assert told(content) == tuple(expected)


CELLS: dict[str, tuple[dict[str, str], str, str]] = {
    "account missing": (
        {"account": "", "shift": "PT1H"},
        "account",
        "missing; every edit needs it",
    ),
    "calendar missing": (
        {"calendar_id": "", "shift": "PT1H"},
        "calendar_id",
        "missing; every edit needs it",
    ),
    "event missing": (
        {"event_uid": "", "shift": "PT1H"},
        "event_uid",
        "missing; every edit needs it",
    ),
    "space in an id": ({"account": " acc_1", "shift": "PT1H"}, "account", WHITE),
    "no-break space in an id": (
        {"calendar_id": "cal_1\u00a0", "shift": "PT1H"},
        "calendar_id",
        WHITE,
    ),
    "line end in an id": ({"event_uid": "evt\n1", "shift": "PT1H"}, "event_uid", WHITE),
    "hidden mark in an id": ({"event_uid": "\ufeffevt_1", "shift": "PT1H"}, "event_uid", WHITE),
    "two events in a cell": (
        {"event_uid": "evt_1,evt_2", "shift": "PT1H"},
        "event_uid",
        "an id holds no comma; give one event per line",
    ),
    "long id": (
        {"event_uid": "e" * 256, "shift": "PT1H"},
        "event_uid",
        "256 characters; an id has at most 255; correct it",
    ),
    "long ref": (
        {"ref": "r" * 256, "shift": "PT1H"},
        "ref",
        "256 characters; at most 255 are taken; shorten it",
    ),
    "nothing asked": (
        {"shift": "", "ref": "1"},
        "",
        "nothing to change; say what the edit shall change",
    ),
    "shift in words": ({"shift": "1 hour"}, "shift", DURATION),
    "shift by months": (
        {"shift": "P1M"},
        "shift",
        "years and months differ in length; give days",
    ),
    "shift by nothing": ({"shift": "PT0S"}, "shift", "a shift by nothing changes nothing"),
    "shift too far": ({"shift": "P401D"}, "shift", "longer than 400 days"),
    "shift cleared": ({"shift": "#N/A"}, "shift", NOT_CLEARED),
    "shift and start": (
        {"shift": "PT1H", "new_start": "2026-03-02"},
        "shift",
        "a shift excludes new_start; give one of them",
    ),
    "shift and end": (
        {"shift": "PT1H", "new_end": "2026-03-02"},
        "shift",
        "a shift excludes new_end; give one of them",
    ),
    "German date": ({"new_start": "02.03.2026"}, "new_start", MOMENT),
    "no such day": (
        {"new_start": "2026-02-30"},
        "new_start",
        "no such day or time in the calendar",
    ),
    "time of day alone": ({"new_start": "15:00"}, "new_start", MOMENT),
    "fraction of a second": (
        {"new_start": "2026-03-02T15:00:00.5Z"},
        "new_start",
        "the API knows whole seconds only",
    ),
    "naive time": ({"new_start": "2026-03-02T15:00"}, "new_start", OFFSET),
    "naive end": ({"new_end": "2026-03-02T15:00"}, "new_end", OFFSET),
    "naive expectation": (
        {"summary": "New", "expect_start": "2026-03-02T15:00"},
        "expect_start",
        OFFSET,
    ),
    "long ago": (
        {"new_start": "1969-12-31"},
        "new_start",
        "the year 1969 is out of reach; give one of 1970 to 2200",
    ),
    "far ahead": (
        {"new_start": "9999-12-31"},
        "new_start",
        "the year 9999 is out of reach; give one of 1970 to 2200",
    ),
    "end before start": (
        {"new_start": "2026-03-02T15:00Z", "new_end": "2026-03-02T15:30+01:00"},
        "new_end",
        "the end is not after the start; give a later end",
    ),
    "no length": (
        {"new_start": "2026-03-02T15:00Z", "new_end": "2026-03-02T15:00Z"},
        "new_end",
        "the end is not after the start; give a later end",
    ),
    "inclusive end": (
        {"new_start": "2026-03-02", "new_end": "2026-03-02"},
        "new_end",
        "the end is not after the start; it is the day after the last; one day ends on 2026-03-03",
    ),
    "date and time": (
        {"new_start": "2026-03-02", "new_end": "2026-03-02T15:00Z"},
        "new_end",
        KINDS,
    ),
    "date expected, time set": (
        {"new_start": "2026-03-02T15:00Z", "expect_start": "2026-03-02"},
        "expect_start",
        KINDS,
    ),
    "clocks skip the time": (
        {"new_start": "2026-03-29T02:30", "tzid": "Europe/Paris"},
        "new_start",
        (
            "this time does not exist on that day in Europe/Paris;"
            " give 2026-03-29T01:30:00+01:00 or 2026-03-29T03:30:00+02:00"
        ),
    ),
    "clocks repeat the time": (
        {"new_start": "2026-10-25T02:30", "tzid": "Europe/Paris"},
        "new_start",
        (
            "this time exists twice on that day in Europe/Paris;"
            " give 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"
        ),
    ),
    "clocks repeat the end": (
        {"new_end": "2026-11-01T01:15", "tzid": "America/New_York"},
        "new_end",
        (
            "this time exists twice on that day in America/New_York;"
            " give 2026-11-01T01:15:00-04:00 or 2026-11-01T01:15:00-05:00"
        ),
    ),
    "misspelt zone": (
        {"shift": "PT1H", "tzid": "Europe/Pariss"},
        "tzid",
        'no such time zone (did you mean "Europe/Paris"?); give an IANA name such as Europe/Paris',
    ),
    "zone in small letters": (
        {"shift": "PT1H", "tzid": "europe/berlin"},
        "tzid",
        'no such time zone (did you mean "Europe/Berlin"?); give an IANA name such as Europe/Paris',
    ),
    "offset for a zone": (
        {"shift": "PT1H", "tzid": "+01:00"},
        "tzid",
        "no such time zone; give an IANA name such as Europe/Paris",
    ),
    "path for a zone": (
        {"shift": "PT1H", "tzid": "../../etc/passwd"},
        "tzid",
        "no such time zone; give an IANA name such as Europe/Paris",
    ),
    "the machine's zone": (
        {"shift": "PT1H", "tzid": "localtime"},
        "tzid",
        "no such time zone; give an IANA name such as Europe/Paris",
    ),
    "hint in words": ({"shift": "PT1H", "date_hint": "tomorrow"}, "date_hint", MOMENT),
    "hint from a failed formula": (
        {"shift": "PT1H", "date_hint": "#N/A"},
        "date_hint",
        NOT_CLEARED,
    ),
    "long title": (
        {"summary": "s" * 1025},
        "summary",
        "1,025 characters; at most 1,024 are taken; shorten it",
    ),
    "long description": (
        {"description": "d" * 4097},
        "description",
        "4,097 characters; at most 4,096 are taken; shorten it",
    ),
    "long location": (
        {"location": "l" * 1025},
        "location",
        "1,025 characters; at most 1,024 are taken; shorten it",
    ),
    "title cleared": (
        {"summary": "#N/A"},
        "summary",
        "a title cannot be cleared; leave it out to keep it",
    ),
    "title of spaces": (
        {"summary": "  "},
        "summary",
        "nothing but white space; leave it out to keep what is there",
    ),
    "title from a failed formula": ({"summary": "#REF!"}, "summary", FORMULA),
    "escape in a title": (
        {"summary": "a\x1b[31m"},
        "summary",
        "a control character, U+001B at character 2; remove it",
    ),
    "C1 control in a description": (
        {"description": "ab\x85"},
        "description",
        "a control character, U+0085 at character 3; remove it",
    ),
    "transparency misspelt": (
        {"transparency": "Opaqe"},
        "transparency",
        'neither opaque nor transparent (did you mean "opaque"?); give one of the two',
    ),
    "transparency in words": (
        {"transparency": "busy"},
        "transparency",
        "neither opaque nor transparent; give one of the two",
    ),
    "transparency cleared": ({"transparency": "#N/A"}, "transparency", NOT_CLEARED),
}


@pytest.mark.row(32)
@pytest.mark.parametrize("case", CELLS)
def test_a_wrong_cell_is_refused_with_the_next_step(case: str) -> None:
    """The message alone is enough to correct the cell."""
    cells, column, message = CELLS[case]
    assert told(a_csv(**cells)) == (2, column, message)
