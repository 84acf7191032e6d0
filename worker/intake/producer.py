"""The producer: what every way of submitting comes to, with the same checks and the same promise.

    from worker.intake.producer import Order, submit

    submit(settings, store, path="edits.jsonl", order=Order(key=…, reason=…, owner=…))

A campaign is stored whole, in one transaction, or not at all; the same key with the same content is
never stored twice. Messages go out afterwards: what Redis does not take is announced by the clock.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any

import msgspec

from worker.dispatch import Publisher, relay
from worker.errors import BrokerUnavailable
from worker.intake.order import Order, Submitted
from worker.intake.passes import Checked, check
from worker.intake.source import Input, open_input
from worker.settings import Settings
from worker.store import CallRow, EditRow, NewCampaign, Spool, Store

__all__ = [
    "Order",
    "Submitted",
    "announce",
    "submit",
    "submit_checked",
    "submit_edits",
    "submit_lines",
]

#: told how many edits are in the database, where they stay only if all do
Progress = Callable[[int], None]


def submit(
    settings: Settings,
    store: Store,
    *,
    path: str,
    order: Order,
    format: str | None = None,  # noqa: A002 - the word users know
) -> Submitted:
    """Check a whole file, store it as a campaign in one transaction, and announce it.

    Raises InvalidInput with all problems, KeyConflict for a key that names other content, and Held
    where the job that it is a run of forbids it. A broker that is down is not an error: what is
    stored is announced later.
    """
    with open_input(path, format=format) as given:
        checked = check(given, accounts=store.accounts.subs())
        return submit_checked(settings, store, given, checked, order)


def submit_edits(
    settings: Settings, store: Store, edits: Iterable[Mapping[str, Any]], order: Order
) -> Submitted:
    """Do the same for edits in memory, each as a line of JSONL has it.

    Problems name them by number, from 1. Raises what `submit` does.
    """
    lines = b"\n".join(map(msgspec.json.encode, edits))
    with open_input("-", format="jsonl", stdin=BytesIO(lines)) as given:
        checked = check(given, accounts=store.accounts.subs())
        return submit_checked(settings, store, given, checked, order)


def submit_checked(
    settings: Settings,
    store: Store,
    given: Input,
    checked: Checked,
    order: Order,
    *,
    progress: Progress | None = None,
) -> Submitted:
    """Store and announce input that has been checked already; its spool holds the edits."""
    source = checked.source
    return submit_lines(
        settings, store, given.spool, order, content=checked.digest, source=source.name,
        columns=source.columns, progress=progress,
    )  # fmt: skip


def submit_lines(
    settings: Settings,
    store: Store,
    lines: Iterable[EditRow] | Spool,
    order: Order,
    *,
    content: str,
    source: str,
    columns: tuple[str, ...],
    calls: Sequence[CallRow] = (),
    progress: Progress | None = None,
) -> Submitted:
    """Store and announce lines that are known to be right; `content` is the digest of all.

    `calls` were made to find them, and are the campaign's.
    Raises SettingsError where somebody is to be told, and nothing is there to sign it with.
    """
    if order.notify:
        settings.need("webhook_secret")
    digest = sha256(content.encode() + msgspec.json.encode(order.policy)).hexdigest()
    new = NewCampaign(
        key=order.key, digest=digest, reason=order.reason, owner=order.owner, source=source,
        columns=columns, policy=order.policy, lane=order.lane, kind=order.kind, run=order.run,
        is_planned=order.is_planned, parent=order.parent, job=order.job, job_date=order.job_date,
        catch_up=order.catch_up, max_changes_median=order.max_changes_median, spec=order.spec,
        notify=order.notify, calls=tuple(calls),
    )  # fmt: skip
    campaign, created = store.campaigns.submit(
        new,
        lines,
        campaign_id="c_" + secrets.token_hex(5),
        image_key=secrets.token_bytes(32),
        chunk_size=settings.chunk_size,
        progress=progress,
    )
    note = announce(settings, store) if created else ""
    return Submitted(campaign=campaign, created=created, note=note)


def announce(settings: Settings, store: Store) -> str:
    """Send messages for what is due; returns what to tell when Redis does not take them."""
    try:
        with Publisher(settings) as publisher:
            relay(store, publisher, settings)
    except BrokerUnavailable as down:
        return str(down)
    return ""
