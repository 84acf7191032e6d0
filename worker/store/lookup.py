"""Finding the edits of an event by its uid alone, as people ask for it: in whichever calendar.

The indexes on events begin with the place, which keeps them quick to write. So each place there is
gets asked: some microseconds each, for the few times that anybody wants to know.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import ColumnElement, Subquery, TextualSelect, and_, text

from worker.store.database import Database
from worker.store.spool import event_hash
from worker.store.tables import ENDED, OPEN, edits, of

#: edits of one event
MOST_FOUND = 1_000_000

_INDEXES = (("ux_edits_active", OPEN), ("ix_edits_event", ENDED))


def edits_of(database: Database, event_uid: str) -> Subquery:
    """Return what to join to get the edits of an event: their campaigns and lines."""
    found = _keys(is_sqlite=database.is_sqlite)
    return found.bindparams(hash=event_hash(event_uid), uid=event_uid).subquery("found")


def is_one_of(found: Subquery) -> ColumnElement[bool]:
    """Return the condition that an edit is one of those that were found."""
    return and_(edits.c.campaign_id == found.c.campaign_id, edits.c.line_no == found.c.line_no)


@cache
def _keys(*, is_sqlite: bool) -> TextualSelect:
    walks, parts = [], []
    for number, (index, states) in enumerate(_INDEXES):
        # Without statistics SQLite would rather go through all edits.
        table = f"edits e INDEXED BY {index}" if is_sqlite else "edits e"
        walks.append(_walk(f"places{number}", table=table, states=of("e", states)))
        parts.append(
            f"SELECT e.campaign_id, e.line_no FROM places{number} CROSS JOIN {table}"
            f" WHERE e.place_hash = place AND {of('e', states)}"
            " AND e.event_hash = :hash AND e.event_uid = :uid"
        )
    # The limit is more than anybody reads; for it SQLite looks these up first, and by themselves.
    sql = f"WITH RECURSIVE {', '.join(walks)} {' UNION ALL '.join(parts)} LIMIT {MOST_FOUND}"
    return text(sql).columns(edits.c.campaign_id, edits.c.line_no)


def _walk(name: str, *, table: str, states: str) -> str:
    """Return SQL that steps from each place in an index to the next one."""
    least = f"SELECT min(e.place_hash) FROM {table} WHERE {states}"
    following = f"SELECT ({least} AND e.place_hash > {name}.place) FROM {name}"
    return f"{name}(place) AS ({least} UNION ALL {following} WHERE {name}.place IS NOT NULL)"
