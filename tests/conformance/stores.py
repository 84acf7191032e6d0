"""Builders for what goes into a store, and the short ways of a worker through it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from sqlalchemy import text

from tests.builders import an_image
from worker.model import EditState, Policy
from worker.store import (
    Campaign,
    Claim,
    EditRow,
    NewAccount,
    NewCampaign,
    Note,
    Released,
    Step,
    Store,
)
from worker.tokens import Vault, generate_key

S = EditState
SALT = b"salt of a campaign"
#: the vault of all stores here
KEY = generate_key()
KEYRING = Vault([KEY])
SHIFT = '{"move":{"kind":"shift","days":1}}'


def a_row(line_no: int = 2, **fields: Any) -> EditRow:
    """Return an edit of an event of its own, asking for a shift by a day."""
    uid = fields.get("event_uid", f"evt_{line_no}")
    ordinary: dict[str, Any] = {
        "account": "acc_1",
        "calendar_id": "cal_1",
        "event_uid": uid,
        "hint": "2026-06-02",
        "ref": f"row {line_no}",
        "patch": SHIFT,
        "cells": f'["acc_1","{line_no}"]',
        "change_digest": f"shift a day of {uid}"[:64],
        "relative": True,
        "duplicate": False,
    }
    return EditRow(line_no=line_no, **ordinary | fields)


def some_rows(count: int, **fields: Any) -> list[EditRow]:
    """Return so many edits on lines from 2 on, as a file with a header has them."""
    return [a_row(line, **fields) for line in range(2, count + 2)]


def a_campaign(key: str = "june", **fields: Any) -> NewCampaign:
    """Return a campaign to submit."""
    ordinary: dict[str, Any] = {
        "digest": "content of june",
        "reason": "the office moves",
        "owner": "ada",
        "source": "june.csv",
        "columns": ("account", "line"),
        "policy": Policy(),
    }
    return NewCampaign(key=key, **ordinary | fields)


def submit(
    store: Store,
    rows: Iterable[EditRow] = (),
    *,
    key: str = "june",
    chunk_size: int = 50,
    **fields: Any,
) -> Campaign:
    """Submit rows (one, when none are given) and return the campaign; its id is `c-KEY`."""
    campaign, _ = store.campaigns.submit(
        a_campaign(key, **fields),
        rows or [a_row()],
        campaign_id=f"c-{key}",
        image_key=SALT,
        chunk_size=chunk_size,
    )
    return campaign


def an_account(sub: str = "acc_1", **fields: Any) -> NewAccount:
    """Return an account to import."""
    ordinary = {"access_token": b"sealed \x00 access", "refresh_token": b"sealed \xff refresh"}
    return NewAccount(sub=sub, **ordinary | fields)


def claim(
    store: Store, chunk_id: str = "c-june.1", *, owner: str = "w1", lease_s: float = 60
) -> Claim:
    """Claim a chunk that is there to be claimed."""
    found = store.chunks.claim(chunk_id, owner=owner, lease_s=lease_s)
    assert found is not None, f"{chunk_id} is not there to be claimed"
    return found


def step(line_no: int, was: EditState, state: EditState, **fields: Any) -> Step:
    """Return a step; one to SENDING carries before and target, as law 5 asks."""
    if state is S.SENDING:
        fields = {"before": an_image(), "target": an_image(summary="Moved")} | fields
    return Step(line_no=line_no, was=was, state=state, **fields)


#: How an edit comes from PENDING to a state.
WAYS: dict[EditState, Sequence[EditState]] = {
    S.SENDING: (S.SENDING,),
    S.ACCEPTED: (S.SENDING, S.ACCEPTED),
    S.VERIFIED: (S.SENDING, S.ACCEPTED, S.VERIFIED),
    S.UNVERIFIED: (S.SENDING, S.ACCEPTED, S.UNVERIFIED),
    S.MISMATCH: (S.SENDING, S.ACCEPTED, S.MISMATCH),
    S.UNCHANGED: (S.UNCHANGED,),
    S.SKIPPED: (S.SKIPPED,),
    S.CONFLICT: (S.CONFLICT,),
    S.FAILED: (S.SENDING, S.FAILED),
    S.NOT_ATTEMPTED: (S.NOT_ATTEMPTED,),
}


def bring(
    store: Store, held: Claim, state: EditState, *, lines: Sequence[int] = (), **fields: Any
) -> None:
    """Record every step that brings the claim's pending edits (or those of `lines`) to a state."""
    where = {edit.line_no: edit.state for edit in held.edits if not lines or edit.line_no in lines}
    for to in WAYS[state]:
        steps = [step(line, was, to, **fields) for line, was in where.items()]
        notes = [Note(actor="calpatch", action=f"edit.{to}", line_no=line) for line in where]
        store.chunks.record(held, steps, lease_s=60, notes=notes)
        where = dict.fromkeys(where, to)


def run_to(store: Store, chunk_id: str, state: EditState, **fields: Any) -> Released:
    """Claim a chunk, bring all its edits to a state, and release it."""
    held = claim(store, chunk_id)
    bring(store, held, state, **fields)
    return store.chunks.release(held)


def execute(store: Store, sql: str, **values: Any) -> Any:
    """Run a statement behind the store's back and return the first row, if it has any."""
    with store.database.begin() as connection:
        found = connection.execute(text(sql), values)
        return found.first() if found.returns_rows else None


def expire(store: Store, chunk_id: str) -> None:
    """Let a chunk's lease have run out."""
    execute(
        store,
        f"UPDATE chunks SET lease_until = {store.database.later_sql('ago')} WHERE id = :id",
        id=chunk_id,
        ago=-5.0,
    )


def make_due(store: Store) -> None:
    """Let whatever waits for its time be due."""
    execute(store, f"UPDATE chunks SET retry_at = {store.database.now_sql} WHERE state <> 'done'")


def states(store: Store, campaign_id: str = "c-june") -> dict[int, tuple[EditState, str]]:
    """Return each line's state and code."""
    with closing(store.reading.outcomes(campaign_id)) as outcomes:  # type: ignore[type-var]
        return {one.line_no: (one.state, one.code) for one in outcomes}


def chunk(store: Store, chunk_id: str = "c-june.1") -> Any:
    """Return a chunk's row."""
    return execute(store, "SELECT * FROM chunks WHERE id = :id", id=chunk_id)
