"""Campaign files for tests: a small one that is right, in which a test changes what matters."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path

import pytest

from worker.errors import InvalidInput
from worker.intake import Input, Known
from worker.intake.campaign import CampaignFile, read_campaign

#: line 4 has the accounts, line 5 the days, line 7 the one transform
FILE = """\
version: 1
campaign: {id: move, reason: The office moves}
select:
  accounts: all
  between: {from: 2026-03-01, to: 2026-04-30, tzid: Europe/Paris}
transform:
  - shift: PT1H
"""


def changed(old: str, new: str) -> str:
    """The file with a part of it changed, which it has once."""
    assert FILE.count(old) == 1
    return FILE.replace(old, new)


def about(reason: str) -> str:
    """The file with another reason, below its own key in line 4."""
    return changed("{id: move, reason: The office moves}", f"\n  id: move\n  reason: {reason}")


def of(accounts: str) -> str:
    """The file about other accounts, in line 4."""
    return changed("accounts: all", f"accounts: {accounts}")


def between(days: str) -> str:
    """The file about other days, in line 5."""
    return changed("{from: 2026-03-01, to: 2026-04-30, tzid: Europe/Paris}", days)


def like(match: str) -> str:
    """The file about events that are so, in line 6."""
    return changed("transform:", f"  match: {match}\ntransform:")


def doing(*transforms: str) -> str:
    """The file with other transforms, from line 7 on."""
    return changed("  - shift: PT1H\n", "".join(f"  - {each}\n" for each in transforms))


def also(section: str) -> str:
    """The file with one more section, in line 8."""
    return f"{FILE}{section}\n"


def opened(text: str | bytes, *, folder: Path | None = None) -> Input:
    content = text.encode() if isinstance(text, str) else text
    return Input(name="campaign", format="yaml", stream=io.BytesIO(content), folder=folder)


def read(
    text: str | bytes,
    *,
    folder: Path | None = None,
    known: Known | None = None,
    now: datetime | None = None,
) -> CampaignFile:
    return read_campaign(opened(text, folder=folder), known=known, now=now)


def told(text: str | bytes, *, folder: Path | None = None, known: Known | None = None) -> list[str]:
    """All problems of a file, as they are shown."""
    with pytest.raises(InvalidInput) as caught:
        read(text, folder=folder, known=known)
    assert caught.value.more == 0
    return [str(problem) for problem in caught.value.problems]
