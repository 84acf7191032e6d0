"""Event text on a terminal: shown, never obeyed (faults C19)."""

from __future__ import annotations

import json

from worker.sheets import guarded, restored

__all__ = ["guarded", "restored", "visible", "visible_json"]


def visible(text: str) -> str:
    """Return the text with everything escaped that a terminal would obey rather than show (C19)."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def visible_json(text: str) -> str:
    """Return JSON that means the same, and of which a terminal obeys nothing but ends of lines."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
