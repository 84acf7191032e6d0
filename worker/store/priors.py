"""Where equal earlier shifts have put events: noted as references to the edits that made them.

An image is stored once, with its own edit, so that erasing or pruning that one leaves no copy
behind. A reference to what is gone still says that the shift was sent; the run then does not shift
the event again unless it is told to (law 3). Before 0004 the earlier target was copied; such copies
are read as they are, and made while `CALPATCH_SEAL_IMAGES` is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, text

from worker.model import Image
from worker.rules import Earlier
from worker.store.database import Database
from worker.store.image_keys import ImageKeys
from worker.store.sealing import Images, Unopened

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
            wanted[_place(note.removeprefix(_REFERENCE))] = note
            found[note] = None
        else:
            found[note] = _image.decode(note)
    if wanted:
        targets = _targets(database, connection, wanted, keys=keys, account_key=account_key)
        found.update((wanted[place], image) for place, image in targets.items())
    return found


def read_earlier(
    database: Database,
    connection: Connection,
    named: Iterable[str],
    *,
    keys: ImageKeys,
    account_key: bytes | None,
) -> dict[str, Earlier | None]:
    """Return the edits of one account that are taken back or tried again, by CAMPAIGN:LINE.

    None for those whose images are gone or do not open.
    """
    found: dict[str, Earlier | None] = dict.fromkeys(named)
    if not found:
        return found
    for row in _rows_of(database, connection, map(_place, found)):
        images = _images_of(row, keys=keys, account_key=account_key)
        try:
            before = images.read(row.before, line_no=row.line_no, which="before")
            target = images.read(row.target, line_no=row.line_no, which="target")
        except Unopened:
            continue
        if before is not None and target is not None:
            fields = tuple(row.fields.split(","))
            earlier = Earlier(before=before, target=target, fields=fields)
            found[f"{row.campaign_id}:{row.line_no}"] = earlier
    return found


def _place(name: str) -> tuple[str, int]:
    campaign_id, _, line_no = name.rpartition(":")
    return campaign_id, int(line_no)


def _targets(
    database: Database,
    connection: Connection,
    wanted: Mapping[tuple[str, int], str],
    *,
    keys: ImageKeys,
    account_key: bytes | None,
) -> dict[tuple[str, int], Image | None]:
    targets: dict[tuple[str, int], Image | None] = {}
    for row in _rows_of(database, connection, wanted):
        images = _images_of(row, keys=keys, account_key=account_key)
        try:
            target = images.read(row.target, line_no=row.line_no, which="target")
        except Unopened:
            target = None
        targets[row.campaign_id, row.line_no] = target
    return targets


def _rows_of(
    database: Database, connection: Connection, places: Iterable[tuple[str, int]]
) -> Sequence[Row[Any]]:
    sql = text(
        "SELECT e.campaign_id, e.line_no, e.before, e.target, e.fields, c.image_key"
        f" FROM {database.records(_KEY)}"
        " JOIN edits e ON e.campaign_id = v.campaign_id AND e.line_no = v.line_no"
        " JOIN campaigns c ON c.id = e.campaign_id"
    )
    named = [dict(zip(_KEY, place, strict=True)) for place in places]
    return connection.execute(sql, {"rows": msgspec.json.encode(named).decode()}).all()


def _images_of(row: Row[Any], *, keys: ImageKeys, account_key: bytes | None) -> Images:
    key = bytes(row.image_key) if row.image_key is not None else None
    return keys.images(campaign_id=row.campaign_id, campaign_key=key, account_key=account_key)
