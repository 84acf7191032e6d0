"""`calpatch limits`."""

from __future__ import annotations

import typer

from worker.cli.context import look_at_limiter
from worker.cli.exits import ExitCode
from worker.cli.options import JsonOption
from worker.cli.talk import give, give_json, give_table, tell
from worker.limits import LimiterState
from worker.report import limiter_use, throttled
from worker.rules import format_seconds
from worker.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("limits", epilog="Example: CALPATCH_SHARE=50% calpatch limits")(limits)


def limits(*, as_json: JsonOption = False) -> None:
    """Show the shared rate limit: each window, what calpatch may use, what is used right now.

    The API allows CALPATCH_RATE for the whole application (50/s,500/min unless it is set); calpatch
    takes at most CALPATCH_SHARE of every window (70%) and leaves the rest to your own calls. All
    workers share one log in Redis. Without Redis nothing is sent.
    """
    settings = Settings.load()
    state, fault = look_at_limiter(settings)
    if as_json:
        use = limiter_use(state) if state else None
        give_json(
            {"rate": settings.rate, "share": settings.share, "limiter": use, "limiter_fault": fault}
        )
    elif state is not None:
        _show(state, settings)
    if state is None:
        tell(f"calpatch: {fault}; nothing is sent. Start Redis, or correct CALPATCH_REDIS_URL")
        raise typer.Exit(ExitCode.CONFIG)


def _show(state: LimiterState, settings: Settings) -> None:
    rows = [
        (f"{each.seconds:g} s", f"{each.limit:,}", f"{each.granted:,}", f"{each.used:,}")
        for each in limiter_use(state).windows
    ]
    give_table(("window", "API", "calpatch", "used now"), rows, right="API,calpatch,used now")
    give(f"rate {settings.rate}, of which calpatch may use {settings.share:.0%}")
    if slow := throttled(state):
        give(f"{slow}; the rate comes back by itself")
    if state.paused_for_s > 0:
        left = format_seconds(state.paused_for_s)
        give(f"all calls are paused for {left} (the API asked for it, or Redis is new)")
    elif state.free_in_s > 0:
        give(f"full; the next call in {state.free_in_s:.1f} s")
    else:
        give("free: the next call leaves at once")
