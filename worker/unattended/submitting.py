"""Submitting a file with nobody at hand: a nightly job's way, for the command and for the task.

A file of edits goes straight to the workers unless caps are asked for; then, and for every campaign
file, it is planned first, and begins by itself where it keeps within its caps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from worker.errors import KeyConflict
from worker.intake import Input, Known, check
from worker.intake.campaign import CampaignFile, read_campaign
from worker.intake.order import Order, Submitted
from worker.intake.producer import submit_checked
from worker.intake.terms import Wanted
from worker.planning import order_of, plan_campaign
from worker.selection import Selected
from worker.settings import Settings
from worker.store import Store

#: told how far one is
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What came of a file, and of a campaign file what was selected."""

    submitted: Submitted
    selected: Selected | None = None


def submit_input(settings: Settings, store: Store, given: Input, wanted: Wanted) -> Placed:
    """Submit an open file of any format.

    Raises InvalidInput with all problems, WrongOption, KeyConflict, Held and SettingsError; nothing
    is stored then. A broker that is down is no error.
    """
    if given.format == "yaml":
        campaign, order = campaign_in(settings, store, given, wanted)
        return submit_campaign(settings, store, campaign, order, source=given.name)
    order = wanted.order()
    check_before(settings, store, order)
    checked = check(given, accounts=store.accounts.subs())
    return Placed(submitted=submit_checked(settings, store, given, checked, order))


def campaign_in(
    settings: Settings, store: Store, given: Input, wanted: Wanted
) -> tuple[CampaignFile, Order]:
    """Return a campaign file, and how it is ordered. Raises InvalidInput and WrongOption."""
    known = Known(store.accounts.subs(), store.accounts.labels())
    campaign = read_campaign(given, known=known, webhook_hosts=settings.allowed_hosts)
    return campaign, wanted.over(order_of(campaign, owner=wanted.owner))


def submit_campaign(
    settings: Settings,
    store: Store,
    campaign: CampaignFile,
    order: Order,
    *,
    source: str,
    progress: Progress | None = None,
) -> Placed:
    """Select a campaign file's events and have them planned; the same key costs no call again."""
    known = _known(store, campaign, order)
    if known is not None:
        return Placed(submitted=known)
    check_before(settings, store, order)
    made = plan_campaign(settings, store, campaign, order, source=source, progress=progress)
    return Placed(submitted=made.submitted, selected=made.selected)


def check_before(settings: Settings, store: Store, order: Order) -> None:
    """Refuse early what storing it would refuse, before anything is read for it.

    A key that is known is refused by nothing here. Raises SettingsError, JobBusy and Held.
    """
    if order.notify:
        settings.need("webhook_secret")
    if store.campaigns.get(order.key) is None:
        store.jobs.check(order.job, day=order.job_date, catch_up=order.catch_up)


def _known(store: Store, campaign: CampaignFile, order: Order) -> Submitted | None:
    """Return what this key names already, if it was the same file. Raises KeyConflict."""
    known = store.campaigns.get(order.key)
    if known is None or known.key != order.key:
        return None
    if _digest_of(known.spec) != campaign.digest():
        raise KeyConflict(
            f"The key {order.key!r} already names campaign {known.id}, with other content",
            next_step=f"Choose another --key, or see `calpatch status {known.id}`",
        )
    return Submitted(campaign=known, created=False)


def _digest_of(spec: str) -> str:
    """Return the digest of a campaign file as it was stored; "" for one of another kind."""
    try:
        return msgspec.json.decode(spec, type=CampaignFile).digest()
    except (msgspec.DecodeError, ValueError):
        return ""
