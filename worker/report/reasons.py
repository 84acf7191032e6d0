"""Why a campaign waits and what its reader can do: sentences made of a snapshot alone."""

from __future__ import annotations

from worker.limits import LimiterState
from worker.model import AccountStatus, CampaignState, EditState
from worker.report.snapshot import MOVING, QUIET_S, Blocked, Snapshot
from worker.report.waits import next_deed, why_it_ended, why_it_stands
from worker.rules import format_seconds, place

#: seconds after its submission during which a campaign finds silence ordinary
PATIENCE_S = 10.0
#: seconds; shorter waits are the ordinary rhythm, and no news
WORTH_SAYING_S = 0.5

CLOCK = "clock"
WORKER = "worker:"


def why_it_waits(look: Snapshot) -> str:
    """Return what keeps a campaign from going on right now; "" when it goes on.

    Of one that has ended, why it did before its end; "" for others.
    """
    if look.has_ended:
        return why_it_ended(look)
    stands = why_it_stands(look)
    if look.campaign.state not in MOVING:
        missing = _missing_part(look) if needs_clock(look) else ""
        return "; ".join(filter(None, (stands, missing)))
    moves = _missing_part(look) or _outage(look) or _limit(look) or _next_due(look)
    return "; ".join(filter(None, (stands, moves)))


def needs_clock(look: Snapshot) -> bool:
    """Tell whether a campaign that sends nothing needs the parts that run all the same."""
    on_its_way = {EditState.SENDING, EditState.ACCEPTED} & look.by_state.keys()
    return look.campaign.state is CampaignState.SCHEDULED or bool(on_its_way)


def canary_line(look: Snapshot) -> str:
    """Return how far a campaign's canary is, while the rest waits for it; "" for others."""
    behind, size = look.around.behind_canary, look.campaign.run.canary
    return f"{look.proven_first:,} of {size:,} proven; {behind:,} wait for it" if behind else ""


def eta_s(look: Snapshot) -> float | None:
    """Return the seconds to go; None as well while a part is missing, since nothing moves then.

    The API is such a part.
    """
    stands = not look.has_ended and (_missing_part(look) or look.outages)
    return None if stands else look.eta_s


def next_step(look: Snapshot) -> str:
    """Return the one command or deed that helps most now."""
    campaign, name = look.campaign, look.campaign.id
    match campaign.state:
        case CampaignState.COMPLETED:
            return f"{_rest(look)}; `calpatch results {name}` writes what was done"
        case CampaignState.COMPLETED_WITH_ERRORS | CampaignState.FAILED:
            return f"See what needs attention: calpatch results {name} --only failed"
        case CampaignState.CANCELLED | CampaignState.EXPIRED if _has_sent(look):
            return f"See what was done before: calpatch results {name}"
        case CampaignState.CANCELLED | CampaignState.EXPIRED:
            return f"Nothing was changed; calpatch results {name} has each line"
        case CampaignState.AWAITING_APPROVAL | CampaignState.PAUSED:
            return next_deed(look)
        case _:
            missing = _missing_deed(look) or next_deed(look)
            return missing or f"Follow it: calpatch status {name} --watch"


def _has_sent(look: Snapshot) -> bool:
    sent = {EditState.VERIFIED, EditState.UNVERIFIED, EditState.MISMATCH}
    return bool(sent & look.by_state.keys())


def _rest(look: Snapshot) -> str:
    skipped = look.by_state.get(EditState.SKIPPED, 0)
    return f"See why {skipped:,} were skipped" if skipped else "Nothing to do"


def _missing_part(look: Snapshot) -> str:
    if look.limiter_fault:
        return f"{look.limiter_fault}; nothing is sent without the shared limit"
    quiet = _quiet(look)
    if not quiet:
        return ""
    commands = " and ".join(f"`{command}`" for command in quiet)
    if (look.at - look.campaign.submitted_at).total_seconds() < PATIENCE_S:
        return f"waiting for a sign of life of {commands}"
    are = "is" if len(quiet) == 1 else "are"
    return f"no sign of life for {QUIET_S:.0f} s: {are} {commands} running?"


def _missing_deed(look: Snapshot) -> str:
    if look.limiter_fault:
        return "Start Redis, or correct CALPATCH_REDIS_URL (`calpatch doctor` tells more)"
    quiet = _quiet(look)
    return f"Start what is missing: {', '.join(quiet)}" if quiet else ""


def _quiet(look: Snapshot) -> list[str]:
    """Return the commands of the parts that nothing has been heard of; none while chunks run.

    Workers take the clock's rounds: without any of them the clock is not heard of either.
    """
    if look.running_chunks:
        return []
    parts = ((WORKER, "calpatch work"), (CLOCK, "calpatch beat"))
    return [command for name, command in parts if not _alive(look, name)]


def _alive(look: Snapshot, name: str) -> bool:
    """Tell whether any part of this name gave a sign of life lately."""
    return any(part.startswith(name) and age < QUIET_S for part, age in look.pulses.items())


def _outage(look: Snapshot) -> str:
    if not look.outages:
        return ""
    places = ", ".join(place(name) for name in look.outages)
    wait_s = min(look.outages.values())
    when = f"next try in {format_seconds(wait_s)}" if wait_s else "trying again"
    return f"the API ({places}) does not answer; {when}"


def _limit(look: Snapshot) -> str:
    if look.limiter is None:
        return ""
    if look.limiter.paused_for_s > WORTH_SAYING_S:
        left = format_seconds(look.limiter.paused_for_s)
        return f"all calls are paused for {left} (the API asked for it, or Redis is new)"
    if look.running_chunks and look.limiter.free_in_s > WORTH_SAYING_S:
        left = format_seconds(look.limiter.free_in_s)
        slow = throttled(look.limiter)
        why = f", {slow}" if slow else ""
        return f"waiting for the rate limit{why}; the next call in {left}"
    return throttled(look.limiter) if look.running_chunks else ""


def throttled(state: LimiterState) -> str:
    """Return how far refusals slow all calls down; "" when they do not."""
    if state.factor >= 1:
        return ""
    return f"throttled to {state.factor:.0%} since the API refused calls (429)"


def _next_due(look: Snapshot) -> str:
    if look.running_chunks or look.due_s is None or look.due_s < WORTH_SAYING_S:
        return ""
    when = format_seconds(look.due_s)
    if look.campaign.state is CampaignState.VERIFYING:
        return f"read-back due in {when}"
    if look.blocked:
        return f"{_named(look.blocked)}; next try in {when}"
    return f"next try in {when}"


def _named(blocked: tuple[Blocked, ...]) -> str:
    first = blocked[0]
    word = "lost" if first.status is AccountStatus.LOST else "locked"
    why = f" ({first.reason})" if first.reason else ""
    more = f" and {len(blocked) - 1} more" if len(blocked) > 1 else ""
    return f"account {first.sub} is {word}{why}{more}"
