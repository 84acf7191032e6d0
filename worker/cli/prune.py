"""`calpatch prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.context import opened_store
from worker.cli.options import JsonOption, wrong_option
from worker.cli.person import user_name
from worker.cli.talk import give, give_json, plural
from worker.settings import Settings, period
from worker.store import Pruned


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("prune", epilog="Example: calpatch prune --dry-run")(prune)


def prune(
    *,
    images_older_than: Annotated[
        str | None,
        typer.Option(help="A duration such as 90d, or forever; default: CALPATCH_KEEP_IMAGES."),
    ] = None,
    outcomes_older_than: Annotated[
        str | None, typer.Option(help="The same; default: CALPATCH_KEEP_OUTCOMES.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove what is stored of campaigns that ended long ago.

    Images are what an event was and became: without them nobody can undo the edits, and the
    columns before_ and after_ of results are blank. Outcomes are the lines themselves, with their
    input: without them there are no results, and an equal shift of the same event is not known to
    have been made. Campaigns, their counts and the audit stay; what is pruned does not come back.

    Nothing prunes by itself: run this once a day, from cron or a systemd timer. It may be
    interrupted and run again, beside workers and beside itself.
    """
    settings = Settings.load()
    images_s = _age("--images-older-than", images_older_than, settings.keep_images)
    outcomes_s = _age("--outcomes-older-than", outcomes_older_than, settings.keep_outcomes)
    with opened_store(settings) as store:
        if dry_run:
            done = store.pruning.would_prune(images_s=images_s, outcomes_s=outcomes_s)
        else:
            done = store.pruning.prune(images_s=images_s, outcomes_s=outcomes_s, actor=user_name())
    if as_json:
        give_json({"dry_run": dry_run, "images": _images(done), "outcomes": _outcomes(done)})
        return
    verb = "would be" if dry_run else "were"
    for what, counts in (("images", _images(done)), ("outcomes", _outcomes(done))):
        edits, campaigns = (plural(counts[n], n[:-1]) for n in ("edits", "campaigns"))
        give(f"{what} of {edits} in {campaigns} {verb} removed")


def _age(option: str, text: str | None, default: float | None) -> float | None:
    """Return seconds; None keeps all. Raises WrongOption."""
    if text is None:
        return default
    try:
        return period(text)
    except ValueError as wrong:
        raise wrong_option(option, text, str(wrong)) from wrong


def _images(done: Pruned) -> dict[str, int]:
    return {"campaigns": done.images_campaigns, "edits": done.images_edits}


def _outcomes(done: Pruned) -> dict[str, int]:
    return {"campaigns": done.outcomes_campaigns, "edits": done.outcomes_edits}
