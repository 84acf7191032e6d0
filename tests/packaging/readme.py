"""What documents repeat of the code: README's tables, defaults in .env.example, the fault matrix.

`make readme` writes it, and a test holds it against the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tests.packaging import matrix
from worker.model import CODE_HELP, Code
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TEMPLATE = ROOT / ".env.example"

#: the first code of each status; those after it, in the model's order, are of the same one
_FIRST_OF = {
    Code.VERIFIED: "verified",
    Code.ALREADY_AS_ASKED: "unchanged",
    Code.RECURRING: "skipped",
    Code.CHANGED_ELSEWHERE: "conflict",
    Code.END_BEFORE_START: "failed",
    Code.NO_EFFECT: "mismatch",
    Code.NOT_READ_BACK: "unverified",
    Code.CAMPAIGN_FAILED: "not_attempted",
}
#: a unit's seconds and letter, longest first; a day is 24h, two are 2d
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
#: shares of one, the only numbers among the settings that are no seconds
_SHARES = frozenset({"share"})


def table_of_settings() -> list[str]:
    """Return the table of all settings, as lines of Markdown."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = _default(name, field)
        shown = f"`{default}`" if default else ""
        rows.append(f"| `CALPATCH_{name.upper()}` | {shown} | {field.description} |")
    return ["| setting | default | meaning |", "|---|---|---|", *rows]


def table_of_codes() -> list[str]:
    """Return the table of all codes by status, as lines of Markdown."""
    return ["| status | code | meaning |", "|---|---|---|", *_codes()]


def _codes() -> Iterator[str]:
    status = ""
    for code in Code:
        status = _FIRST_OF.get(code, status)
        yield f"| {status} | `{code}` | {CODE_HELP[code]} |"


def _default(name: str, field: FieldInfo) -> str:
    """Return a default as one would write it; "" for none, and for secrets."""
    match field.default:
        case SecretStr() | None | "":
            return ""
        case bool() as choice:
            return str(choice).lower()
        case float() as share if name in _SHARES:
            return f"{share:.0%}"
        case float() as seconds:
            return _duration(seconds)
        case value:
            return str(value)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    units = _UNITS[1:] if seconds <= 86400 else _UNITS
    unit, letter = next(each for each in units if seconds >= each[0] and seconds % each[0] == 0)
    # Up to two minutes seconds read better: 90s, 60s.
    return f"{seconds:.0f}s" if seconds <= 120 else f"{seconds / unit:.0f}{letter}"


def filled(text: str) -> str:
    """Return README with its generated tables as they shall be."""
    for name, lines in (("settings", table_of_settings()), ("codes", table_of_codes())):
        block = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        # Backslashes would mean something to the substitution; ours mean themselves.
        body = "\n".join(lines).replace("\\", r"\\")
        text = block.sub(rf"\g<1>{body}\n\g<2>", text)
    return text


def with_defaults(text: str) -> str:
    """Return .env.example with each setting's default; those without one stay as they are."""
    for name, field in Settings.model_fields.items():
        if default := _default(name, field):
            line = re.compile(rf"^((?:# )?CALPATCH_{name.upper()}=).*$", re.MULTILINE)
            text = line.sub(rf"\g<1>{default}", text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    TEMPLATE.write_text(with_defaults(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
    matrix.MATRIX.write_text(matrix.written(), encoding="utf-8")
