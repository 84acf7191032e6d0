"""From the database's rows to values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec

from worker.model import (
    AccountStatus,
    Calendar,
    CampaignState,
    EditState,
    EventKey,
    Image,
    Patch,
    Policy,
    Run,
)
from worker.rules import Earlier
from worker.store.cells import cells_of
from worker.store.sealing import Images, Unopened
from worker.store.values import Account, Campaign, Edit, Outcome

_calendars = msgspec.json.Decoder(tuple[Calendar, ...])
_columns = msgspec.json.Decoder(tuple[str, ...])
_patch = msgspec.json.Decoder(Patch)
_policy = msgspec.json.Decoder(Policy)
_run = msgspec.json.Decoder(Run)
_STATES = {str(state): state for state in EditState}


def account_of(row: Any) -> Account:
    """Build an account from a row with the columns of `Accounts.columns`."""
    return Account(
        sub=row.sub,
        label=row.label,
        data_center=row.data_center,
        access_token=bytes(row.access_token),
        refresh_token=bytes(row.refresh_token),
        expires_in_s=row.expires_in_s,
        token_version=row.token_version,
        status=AccountStatus(row.account_status),
        reason=row.account_reason,
        retry_in_s=row.account_retry_in_s,
        calendars=_calendars.decode(row.calendars) if row.calendars else (),
        calendars_age_s=row.calendars_age_s,
    )


def campaign_of(row: Any) -> Campaign:
    """Build a campaign from a row of its table."""
    return Campaign(
        id=row.id,
        key=row.key,
        digest=row.digest,
        kind=row.kind,
        state=CampaignState(row.state),
        state_reason=row.state_reason,
        reason=row.reason,
        owner=row.owner,
        lane=row.lane,
        policy=_policy.decode(row.policy),
        source=row.source,
        columns=_columns.decode(row.columns),
        total=row.total,
        image_key=bytes(row.image_key) if row.image_key is not None else None,
        audit_head=row.audit_head,
        submitted_at=row.submitted_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        pruned_at=row.pruned_at,
        run=run_of(row.run),
        parent=row.parent,
        job=row.job,
        job_date=row.job_date,
        spec=row.spec,
        notify=row.notify,
        plan_hash=row.plan_hash,
        planned_at=row.planned_at,
        expires_at=row.expires_at,
    )


@lru_cache(maxsize=256)
def run_of(stored: str) -> Run:
    """Read how a campaign is carried out; the same text again and again."""
    return _run.decode(stored)


#: What a claim reads of each edit, in the order in which `edit_of` takes it.
EDIT_COLUMNS = (
    "line_no", "calendar_id", "event_uid", "hint", "patch", "state", "attempts", "before", "target",
    "fields", "prior_target",
)  # fmt: skip


_PATCH = EDIT_COLUMNS.index("patch")


def edit_of(
    row: Sequence[Any],
    images: Images,
    priors: Mapping[str, Image | None],
    earlier: Mapping[str, Earlier | None],
) -> Edit:
    """Build an open edit from the values of `EDIT_COLUMNS` and its two ages, in this order.

    By position: there is one for each edit, and names cost as much as all the rest. `priors` has
    what the notes in `prior_target` lead to, `earlier` the edits that patches name.
    """
    (line_no, calendar_id, event_uid, hint, patch, state, attempts, before, target, fields,
     noted, sent_age_s, accepted_age_s) = row  # fmt: skip
    is_unreadable = False
    try:
        before = images.read(before, line_no=line_no, which="before")
        target = images.read(target, line_no=line_no, which="target")
    except Unopened:
        # Never taken for an edit that has none: its shift would be resolved anew (law 3).
        before, target, is_unreadable = None, None, True
    prior = priors[noted] if noted else None
    asked = _patch.decode(patch)
    return Edit(
        line_no=line_no,
        key=EventKey(calendar_id, event_uid),
        patch=asked,
        # SQLite keeps a date as text.
        hint=date.fromisoformat(hint) if isinstance(hint, str) else hint,
        state=_STATES[state],
        attempts=attempts,
        before=before,
        target=target,
        fields=tuple(fields.split(",")) if fields else (),
        prior_target=prior,
        prior_is_gone=bool(noted) and prior is None,
        earlier=earlier.get(asked.undo or asked.again),
        is_unreadable=is_unreadable,
        sent_age_s=sent_age_s,
        accepted_age_s=accepted_age_s,
    )


def earlier_of(row: Sequence[Any]) -> str:
    """Return the edit that a row of `EDIT_COLUMNS` takes back or tries again; "" for most."""
    patch: str = row[_PATCH]
    if '"undo":' not in patch and '"again":' not in patch:
        return ""
    asked = _patch.decode(patch)
    return asked.undo or asked.again


def _undone_by(patch: str) -> str:
    return _patch.decode(patch).undo if '"undo":' in patch else ""


def outcome_of(
    row: Any, *, before: Image | None, target: Image | None, seen: Image | None = None
) -> Outcome:
    """Build what reports show from a row of the edits and its images."""
    return Outcome(
        campaign_id=row.campaign_id,
        line_no=row.line_no,
        account=row.account,
        calendar_id=row.calendar_id,
        event_uid=row.event_uid,
        ref=row.ref,
        cells=cells_of(row.cells, (row.account, row.calendar_id, row.event_uid, row.ref)),
        state=EditState(row.state),
        code=row.code,
        attempts=row.attempts,
        before=before,
        target=target,
        fields=row.fields,
        http_status=row.http_status,
        error_key=row.error_key,
        sent_at=row.sent_at,
        accepted_at=row.accepted_at,
        verified_at=row.verified_at,
        finished_at=row.finished_at,
        seen=seen,
        people=row.people,
        externals=row.externals,
        undoes=_undone_by(row.patch),
    )
