"""Event text on a terminal: shown, never obeyed (faults C19)."""

from __future__ import annotations

from worker.sheets import guarded, restored

__all__ = ["guarded", "restored", "visible"]


def visible(text: str) -> str:
    """Return the text with everything escaped that a terminal would obey rather than show (C19)."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
