"""Writing what a worker learnt about its edits: one statement for any number of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import TypeAlias

import msgspec
from sqlalchemy import Connection, text

from worker.errors import WrongTransition
from worker.model import FINAL, EditState, Image
from worker.store.database import Database
from worker.store.sealing import WHICH
from worker.store.values import CallRow, Claim, Step

#: What a step may change, in the order in which it is bound.
_CHANGES = {
    "state": "text",
    "code": "text",
    "attempts": "integer",
    "before": "text",
    "target": "text",
    "fields": "text",
    "http_status": "integer",
    "error_key": "text",
    "seen": "text",
    "people": "integer",
    "externals": "integer",
    "alike": "text",
}
_OPTIONAL = tuple(name for name in _CHANGES if name not in {"state", "code"})
#: Which edit it is about.
_WHERE = {"line_no": "integer", "was": "text"}
#: The moment that reaching a state stamps.
_STAMPS = {
    EditState.SENDING: "sent_at",
    EditState.ACCEPTED: "accepted_at",
    EditState.VERIFIED: "verified_at",
}
_CALL = {"route": "text", "status": "integer", "calls": "integer"}

#: What the column of an error key holds.
_LONGEST_KEY = 255


#: By line: an edit's images as they are stored, None for those that a step does not have.
Sealed: TypeAlias = Mapping[int, dict[str, str]]


def sealed(claim: Claim, steps: Sequence[Step]) -> Sealed:
    """Return the images that steps bring, as they are stored. Raises VaultError."""
    found: dict[int, dict[str, str]] = {}
    for step in steps:
        for which in WHICH:
            image: Image | None = getattr(step, which)
            if image is not None:
                stored = claim.images.stored(image, line_no=step.line_no, which=which)
                found.setdefault(step.line_no, {})[which] = stored
    return found


def write_steps(
    database: Database,
    connection: Connection,
    *,
    claim: Claim,
    steps: Sequence[Step],
    images: Sealed,
) -> bool:
    """Move edits along; False when all of these steps have been written before.

    That happens when the answer to an earlier commit was lost on its way: the same worker then
    writes the same again. Raises WrongTransition when any edit is elsewhere.
    """
    if not steps:
        return True
    written = 0
    for shape, alike in groupby(sorted(steps, key=_shape), key=_shape):
        rows = [_values(step, shape[1], images) for step in alike]
        written += _write_alike(database, connection, claim, shape=shape, rows=rows)
    if written == len(steps):
        return True
    in_place = sum(step.was is step.state for step in steps)
    if written == in_place and _are_there(database, connection, claim, steps) == len(steps):
        return False
    raise WrongTransition(
        f"Chunk {claim.chunk_id}: {len(steps) - written} edits were not where they should be"
    )


def _shape(step: Step) -> tuple[str, tuple[str, ...]]:
    """Return the state that is reached and the columns that are written: one statement each."""
    given = [name for name in _OPTIONAL if getattr(step, name) is not None]
    if not step.error_key:
        given.remove("error_key")
    return step.state, ("state", "code", *given)


def _write_alike(
    database: Database,
    connection: Connection,
    claim: Claim,
    *,
    shape: tuple[str, tuple[str, ...]],
    rows: Sequence[Sequence[object]],
) -> int:
    state, changed = EditState(shape[0]), shape[1]
    columns = {name: _CHANGES[name] for name in changed} | _WHERE
    stamps = [_STAMPS[state]] if state in _STAMPS else []
    stamps += ["finished_at"] if state in FINAL else []
    at = "".join(f", {name} = {database.now_sql}" for name in stamps)
    each = ", ".join(f"{name} = ?" for name in changed)
    joint = ", ".join(f"{name} = v.{name}" for name in changed)
    # A chunk is of one campaign. SQLite finds a row fastest by its key; PostgreSQL, told the
    # campaign as well, would read all of its edits.
    return database.for_each(
        connection,
        rows,
        columns=columns,
        one=f"UPDATE edits SET {each}{at}"
        " WHERE line_no = ? AND state = ? AND campaign_id = ? AND chunk_id = ?",
        joint=f"UPDATE edits AS e SET {joint}{at} FROM {database.records(columns)}"
        " WHERE e.chunk_id = :chunk AND e.line_no = v.line_no AND e.state = v.was",
        shared={"campaign": claim.campaign.id, "chunk": claim.chunk_id},
    )


def _values(step: Step, changed: Sequence[str], images: Sealed) -> list[object]:
    """Return what is bound: the changed columns, then which edit it is and where it was."""
    own: Mapping[str, str] = images.get(step.line_no, {})
    return [own[name] if name in own else _READ[name](step) for name in (*changed, *_WHERE)]


_READ: dict[str, Callable[[Step], object]] = {
    "state": attrgetter("state"),
    "code": attrgetter("code"),
    "attempts": attrgetter("attempts"),
    "fields": lambda step: ",".join(step.fields or ()),
    "http_status": attrgetter("http_status"),
    # The API's own text: PostgreSQL keeps no NUL.
    "error_key": lambda step: step.error_key.replace("\0", "")[:_LONGEST_KEY],
    "people": attrgetter("people"),
    "externals": attrgetter("externals"),
    "alike": attrgetter("alike"),
    "line_no": attrgetter("line_no"),
    "was": attrgetter("was"),
}


def _are_there(
    database: Database, connection: Connection, claim: Claim, steps: Sequence[Step]
) -> int:
    """Count the steps whose edits are where they lead."""
    columns = {"line_no": "integer", "state": "text"}
    rows = msgspec.json.encode([{"line_no": one.line_no, "state": one.state} for one in steps])
    count = text(
        f"SELECT count(*) FROM {database.records(columns)} JOIN edits e"
        " ON e.chunk_id = :chunk AND e.line_no = v.line_no WHERE e.state = v.state"
    )
    values = {"rows": rows.decode(), "chunk": claim.chunk_id}
    return int(connection.execute(count, values).scalar_one())


def write_calls(
    database: Database, connection: Connection, *, calls: Sequence[CallRow], campaign_id: str
) -> None:
    """Add to a campaign's count of API calls."""
    if not calls:
        return
    sql = (
        "INSERT INTO calls (campaign_id, route, status, calls)"
        f" SELECT :campaign, route, status, calls FROM {database.records(_CALL)}"
    )
    rows = msgspec.json.encode([row._asdict() for row in calls]).decode()
    connection.execute(text(sql), {"campaign": campaign_id, "rows": rows})
