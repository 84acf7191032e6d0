"""Older workers beside ours: of a campaign that they cannot understand they leave every line alone.

They would find nothing asked in it, and call each event as asked: a campaign file's transforms, and
what an undo takes back, are of a later version than theirs.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as with_run

from tests.fleet import Fleet, a_fleet
from tests.migration.golden import FOLDER
from tests.runs import BRIEF, SMALL, states, until, wait_for_end
from worker.again import Child, undo_of
from worker.intake.producer import Order, announce, submit_lines
from worker.model import AddText, EditState, Elsewhere, Patch, Run, Shift
from worker.store import EditRow

#: what older workers say of a line that they cannot read
NOT_READ = "ValidationError at rows.py"
ORDER = Order(
    key="moving", reason="test", owner="test", kind="planned", is_planned=True,
    run=Run(is_automatic=True),
)  # fmt: skip
TRANSFORMS = (Shift(seconds=3600), AddText(field="summary", text=" (moved)"))


@pytest.mark.row(25)
@pytest.mark.slow
def test_an_older_worker_ends_no_line_that_it_cannot_read(tmp_path: Path, sqlite_url: str) -> None:
    """It takes the messages, and nothing comes of them; a newer one carries all of it out."""
    code = the_older(tmp_path)
    with a_fleet(tmp_path, sqlite_url, simulate=SMALL, workers=0, settings=BRIEF) as fleet:
        moving = submit_lines(
            fleet.settings, fleet.store, list(lines(fleet)), ORDER, content="moving",
            source="test", columns=("line",),
        ).campaign.id  # fmt: skip
        left_alone(fleet, code, moving)
        carried_out(fleet, moving)
        parent = fleet.store.campaigns.get(moving)
        assert parent is not None
        with undo_of(fleet.store, parent, owner="test") as child:
            undoing = at_once(child).submit(fleet.settings, fleet.store).campaign.id
        left_alone(fleet, code, undoing)
        carried_out(fleet, undoing)


def left_alone(fleet: Fleet, code: Path, campaign: str) -> None:
    """Let an older worker have a campaign's messages, and see that each line waits as it did."""
    seen = fleet.logs().count(NOT_READ)
    older = fleet.start_worker(concurrency=2, code=code)

    def has_tried() -> bool:
        announce(fleet.settings, fleet.store)
        return fleet.logs().count(NOT_READ) >= seen + 2

    until(has_tried, fleet, every_s=0.5)
    assert set(states(fleet, campaign)) == {EditState.PENDING}
    assert older.poll() is None, "an older worker has died of it"
    older.terminate()
    older.wait(timeout=30)


def carried_out(fleet: Fleet, campaign: str) -> None:
    """Let one of ours see a campaign home."""
    ours = fleet.start_worker(concurrency=2)
    wait_for_end(fleet, campaign, within_s=60)
    assert states(fleet, campaign)[EditState.VERIFIED] >= 30
    ours.terminate()
    ours.wait(timeout=30)


def the_older(folder: Path) -> Path:
    """Unpack the last version that knows no campaign files, and return its code."""
    [wheel] = (FOLDER / "0.2.0").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "older")
    return folder / "older"


def lines(fleet: Fleet) -> Iterator[EditRow]:
    """Give the fleet's events with a campaign file's transforms."""
    patch = msgspec.json.encode(Patch(ops=TRANSFORMS, move=Elsewhere())).decode()
    with fleet.edits.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            yield EditRow(
                line_no=number, account=row["account"], calendar_id=row["calendar_id"],
                event_uid=row["event_uid"], hint=row["date_hint"] or None, ref="", patch=patch,
                cells="[]", change_digest=f"{number:032x}", relative=True, duplicate=False,
            )  # fmt: skip


def at_once(child: Child) -> Child:
    """Have a child begin when it is planned."""
    run = with_run(child.order.run, is_automatic=True)
    return replace(child, order=replace(child.order, run=run))
