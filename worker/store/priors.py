"""Where equal earlier shifts have put events: noted as references to the edits that made them.

An image is stored once, with its own edit, so that erasing or pruning that one leaves no copy
behind. A reference to what is gone still says that the shift was sent; the run then does not shift
the event again unless it is told to (law 3). Before 0004 the earlier target was copied; such copies
are read as they are, and made while `CALPATCH_SEAL_IMAGES` is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, text

from worker.model import Image
from worker.store.database import Database
from worker.store.image_keys import ImageKeys
from worker.store.sealing import Unopened

_REFERENCE: Final = "r1:"
_KEY = {"campaign_id": "text", "line_no": "integer"}

_image = msgspec.json.Decoder(Image)


def prior_of(campaign_id: str, line_no: int, target: str | None, *, copies: bool) -> str:
    """Return what a new edit stores about an earlier one; `copies` what an older calpatch reads."""
    if copies and target is not None and target.startswith("{"):
        return target
    return f"{_REFERENCE}{campaign_id}:{line_no}"


def read_priors(
    database: Database,
    connection: Connection,
    noted: Iterable[str],
    *,
    keys: ImageKeys,
    account_key: bytes | None,
) -> dict[str, Image | None]:
    """Return the targets that notes of one account's edits lead to; None for those that are gone.

    Notes of more than one statement's worth do not come: a chunk has at most a few thousand edits.
    """
    found: dict[str, Image | None] = {}
    wanted: dict[tuple[str, int], str] = {}
    for note in noted:
        if note.startswith(_REFERENCE):
            campaign_id, _, line_no = note.removeprefix(_REFERENCE).rpartition(":")
            wanted[campaign_id, int(line_no)] = note
            found[note] = None
        else:
            found[note] = _image.decode(note)
    if wanted:
        targets = _targets(database, connection, wanted, keys=keys, account_key=account_key)
        found.update((wanted[place], image) for place, image in targets.items())
    return found


def _targets(
    database: Database,
    connection: Connection,
    wanted: Mapping[tuple[str, int], str],
    *,
    keys: ImageKeys,
    account_key: bytes | None,
) -> dict[tuple[str, int], Image | None]:
    sql = text(
        "SELECT e.campaign_id, e.line_no, e.target, c.image_key"
        f" FROM {database.records(_KEY)}"
        " JOIN edits e ON e.campaign_id = v.campaign_id AND e.line_no = v.line_no"
        " JOIN campaigns c ON c.id = e.campaign_id"
    )
    named = [dict(zip(_KEY, place, strict=True)) for place in wanted]
    targets: dict[tuple[str, int], Image | None] = {}
    for row in connection.execute(sql, {"rows": msgspec.json.encode(named).decode()}):
        key = bytes(row.image_key) if row.image_key is not None else None
        images = keys.images(campaign_id=row.campaign_id, campaign_key=key, account_key=account_key)
        try:
            target = images.read(row.target, line_no=row.line_no, which="target")
        except Unopened:
            target = None
        targets[row.campaign_id, row.line_no] = target
    return targets
