"""The option --html: a plan, or what became of it, as a page for people without a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
import typer

from worker.cli.context import pace_of
from worker.cli.talk import tell
from worker.report import visible
from worker.settings import Settings
from worker.store import Campaign, Store

HtmlOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write it as a page as well, to read and print."),
]


def give_page(settings: Settings, store: Store, campaign: Campaign, path: Path) -> None:
    """Write a campaign's page, and say where it is."""
    from importlib.metadata import version

    from worker.report.page import About, write_page

    about = About(
        asked=_asked(campaign), pace=pace_of(settings), chunk_size=settings.chunk_size,
        now=datetime.now(UTC), version=version("calpatch"),
    )  # fmt: skip
    write_page(store, campaign, path, about=about)
    tell(visible(f"{path} has it as a page, with the events' own text: mind who gets it"))


def _asked(campaign: Campaign) -> list[str]:
    """Return in words what a campaign asks; nothing of one whose file is not known."""
    if not campaign.spec:
        return []
    from worker.intake.campaign import CampaignFile, described

    try:
        found = msgspec.json.decode(campaign.spec, type=CampaignFile)
    except msgspec.MsgspecError:  # of another calpatch, which knew other keys
        return []
    # The first line has its name, owner and reason, which are told anyway.
    return described(found)[1:]
