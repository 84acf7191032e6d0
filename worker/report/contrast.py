"""Two texts held against each other: what of them is shown when they are long, and what differs."""

from __future__ import annotations

from typing import Final, NamedTuple

#: characters of a text that are shown whole
SHOWN: Final = 80
#: characters shown around what differs, where a text is longer
_AROUND: Final = 20
#: characters of a long difference that are shown at its beginning and at its end
_HEAD, _TAIL = 60, 20
#: what stands for the end of a line
LINE_END: Final = "⏎ "


class Text(NamedTuple):
    """A text as it is shown: what is alike, what differs, what is alike again."""

    lead: str
    changed: str
    trail: str

    @property
    def whole(self) -> str:
        return f"{self.lead}{self.changed}{self.trail}"


def contrast(before: str, after: str) -> tuple[Text, Text]:
    """Return two texts cut down to where they differ, with a few characters around that.

    Ends of lines are shown as a sign. What differs in several places is shown from the first to the
    last of them.
    """
    old, new = in_one_line(before), in_one_line(after)
    first = _alike(old, new)
    room = min(len(old), len(new)) - first
    last = _alike_at_the_end(old, new, most=room)
    return _cut(old, first, len(old) - last), _cut(new, first, len(new) - last)


def _alike_at_the_end(old: str, new: str, *, most: int) -> int:
    if not most:
        return 0
    return _alike(old[-most:][::-1], new[-most:][::-1])


def _alike(a: str, b: str) -> int:
    """Return how many characters two texts begin with alike."""
    pairs = enumerate(zip(a, b, strict=False))
    return next((place for place, (x, y) in pairs if x != y), min(len(a), len(b)))


def _cut(text: str, first: int, last: int) -> Text:
    lead, changed, trail = text[:first], text[first:last], text[last:]
    if len(text) <= SHOWN:
        return Text(lead, changed, trail)
    if len(lead) > _AROUND:
        lead = f"…{lead[-_AROUND:]}"
    if len(trail) > _AROUND:
        trail = f"{trail[:_AROUND]}…"
    return Text(lead, _middle_out(changed), trail)


def _middle_out(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    left = len(text) - _HEAD - _TAIL
    return f"{text[:_HEAD]}… ({left:,} characters) …{text[-_TAIL:]}"


def in_one_line(text: str) -> str:
    """Return a text with a sign for each end of a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", LINE_END)


def shortened(text: str) -> str:
    """Return a text in one line, no longer than is shown."""
    line = in_one_line(text)
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
