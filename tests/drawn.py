"""Random values of the model for properties: images, transforms, and what people do meanwhile.

Few values of each kind on purpose, so that equal ones meet often, and clocks are changed.
"""

from __future__ import annotations

from hypothesis import strategies as st
from msgspec.structs import replace

from tests.builders import all_day, timed
from worker.model import (
    AddText,
    Image,
    InZone,
    Lasting,
    Op,
    Policy,
    Replace,
    SetText,
    Shift,
    ToTime,
    When,
)

_ZONES = ["Etc/UTC", "Europe/Paris", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]
known_zones = st.sampled_from(_ZONES)
zones = st.sampled_from([*_ZONES * 3, "Mars/Olympus"])
#: Around changes of the clocks in each of these zones, at the end of a year, and far from both.
starts = st.sampled_from(
    [
        "2026-03-28T01:30",
        "2026-03-29T00:30",
        "2026-03-29T01:30",
        "2026-10-24T00:30",
        "2026-10-25T00:30",
        "2026-10-25T01:15",
        "2026-03-07T07:30",
        "2026-10-31T06:30",
        "2026-04-03T15:15",
        "2026-12-31T23:30",
        "2026-06-02T09:00",
        "2026-06-03T09:00",
    ]
)
days = st.sampled_from(["2026-06-02", "2026-06-03", "2026-12-31", "2027-01-01"])
whens: st.SearchStrategy[When] = st.builds(
    timed,
    starts,
    minutes=st.sampled_from([0, 15, 60, 90, 1440]),
    tzid=zones,
    end_tzid=st.none() | st.none() | zones,
) | st.builds(all_day, days, days=st.integers(1, 3))

titles = st.sampled_from(["Planning", " Planning", "Review", "Room 4", "", "Ändern", "x" * 1024])
texts = st.sampled_from(["", "Room 4", "Room 4\r\n", "a\r\nb", "a\nb", "Plan B", "Ägypten", "  "])
transparencies = st.sampled_from(["opaque", "transparent", "unknown"])
images = st.builds(
    Image,
    when=whens,
    summary=titles,
    description=texts,
    location=texts,
    transparency=transparencies,
    conference=st.booleans(),
)

fields = st.sampled_from(["summary", "description", "location"])
shifts = st.builds(
    Shift,
    days=st.integers(-7, 7),
    seconds=st.sampled_from([0, 3600, -3600, 1800, 5400]),
    elapsed=st.booleans(),
).filter(lambda shift: bool(shift.delta))
to_times = st.builds(
    ToTime,
    weekday=st.none() | st.integers(0, 6),
    time=st.none() | st.sampled_from(["00:00", "01:30", "02:15", "02:30", "09:00", "23:59:59"]),
    tzid=st.none() | known_zones,
).filter(lambda op: op.weekday is not None or op.time is not None)
lengths = st.builds(
    Lasting, days=st.integers(0, 2), seconds=st.sampled_from([0, 0, 900, 3600])
).filter(lambda op: bool(op.delta))
in_zones = st.builds(InZone, tzid=known_zones, keep=st.sampled_from(["instant", "wall_clock"]))
replaces = st.builds(
    Replace,
    field=fields,
    pattern=st.sampled_from(["Room", "a", "\n", "Ä"]),
    with_text=st.sampled_from(["", "Room", "Big Room", "aa", "Ö\\1", "\r\n"]),
    ignore_case=st.booleans(),
) | st.builds(
    Replace,
    field=fields,
    pattern=st.sampled_from([r"^Room (\d+)$", r"(\pL+)", "(a|b)(c)?", "(^)"]),
    with_text=st.sampled_from(["", r"Building B, Room \1", r"\1\1", r"\\é", "-"]),
    how=st.just("regex"),
    ignore_case=st.booleans(),
)
additions = st.builds(
    AddText,
    field=fields,
    text=st.sampled_from([" (moved)", "\n-- \nACME", "Ä ", "4", " a", "a "]),
    before=st.booleans(),
)
settings = st.builds(SetText, field=fields, value=titles | texts) | st.builds(
    SetText, field=st.just("transparency"), value=st.sampled_from(["opaque", "transparent"])
)
times: st.SearchStrategy[Op] = shifts | to_times | lengths | in_zones
writings: st.SearchStrategy[Op] = replaces | additions | settings
op_lists = st.lists(times | writings, min_size=1, max_size=4).map(tuple)

policies = st.builds(
    Policy,
    past_events=st.just(True),
    dst_gap=st.sampled_from(["refuse", "earlier", "later"]),
    dst_fold=st.sampled_from(["refuse", "earlier", "later"]),
    on_conflict=st.sampled_from(["skip", "rebase", "force"]),
)


@st.composite
def edited(draw: st.DrawFn, image: Image, *, spared: frozenset[str] = frozenset()) -> Image:
    """Draw what people make of an event meanwhile; fields in `spared` stay, "when" among them."""
    other = draw(images)
    names = {"when", "summary", "description", "location", "transparency", "conference"} - spared
    theirs = draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    return replace(image, **{name: getattr(other, name) for name in theirs})
