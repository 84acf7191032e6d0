"""A small world of real parts for the suites: a simulated Cronofy over HTTP, a database, an engine.

Only Celery is left out: `drain` does what relay, clock and workers do, in one process, so that a
test is quick and says exactly what happens when. Every world ends with the auditor's verdict.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from tests.auditor import Verdict, audit_run, truth_of
from worker.again import USUAL
from worker.clock import Clock, SystemClock
from worker.cronofy import Breakers, ClientLimits, Cronofy, open_session
from worker.engine import Engine, herald_of
from worker.limits import CappedLimiter, MemoryLimiter, Rate, parse_rate
from worker.model import ENDED, CampaignState, EditState, Patch, Policy, Run, Shift
from worker.rules import is_relative
from worker.run import run_chunk
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, Behaviour, Simulator, SimulatorServer
from worker.simulator.values import Account, Calendar, Event, Options, Profile
from worker.store import Campaign, Database, EditRow, NewAccount, NewCampaign, Store, migrate
from worker.sweep import keep_time, settle_all, take_apart_poison
from worker.tokens import Vault, generate_key
from worker.verify import verify_account

HOUR = Shift(seconds=3600)
ACCOUNT, CALENDAR = "acc_1", "cal_1"

#: quick enough for tests, in the same proportions as the defaults
QUICK = {
    "lease": 5.0,
    "settle": 0.25,
    "verify_delay": 0.02,
    "verify_within": 3.0,
    "chunk_budget": 10.0,
    "calendars_ttl": 60.0,
}


@dataclass(slots=True)
class World:
    """What a test holds in its hands."""

    sim: Simulator
    engine: Engine
    store: Store
    url: str
    asked: dict[tuple[str, int], tuple[str, str, Patch]] = field(default_factory=dict)

    # ------------------------------------------------------------ building

    def add_account(self, sub: str = ACCOUNT, *, calendars: Iterable[str] = (CALENDAR,)) -> None:
        """Add a person with editable calendars, known to calpatch."""
        profile = Profile(profile_id=f"pro_{sub}", profile_name=f"{sub}@example.com")
        self.sim.add_account(
            Account(
                sub=sub,
                email=f"{sub}@example.com",
                name=sub,
                access_token=f"access-{sub}",
                refresh_token=f"refresh-{sub}",
                profiles={profile.profile_id: profile},
            )
        )
        for calendar_id in calendars:
            self.add_calendar(calendar_id, sub=sub)
        vault = self.engine.vault
        self.store.accounts.import_all(
            [
                NewAccount(
                    sub=sub,
                    access_token=vault.seal(sub, f"access-{sub}"),
                    refresh_token=vault.seal(sub, f"refresh-{sub}"),
                    expires_at=datetime.now(UTC) + timedelta(hours=1),
                )
            ],
            actor="test",
        )

    def add_calendar(self, calendar_id: str, *, sub: str = ACCOUNT, **more: Any) -> None:
        """Add a calendar to an account."""
        self.sim.add_calendar(
            Calendar(
                calendar_id=calendar_id,
                calendar_name=calendar_id,
                sub=sub,
                profile_id=f"pro_{sub}",
                **more,
            )
        )

    def add_event(self, number: int, *, calendar_id: str = CALENDAR, **more: Any) -> str:
        """Add an hour's meeting in a few days, and return its uid."""
        uid = event_uid(number)
        start = more.pop("start", soon(number))
        end = more.pop("end", start + timedelta(hours=1))
        self.sim.add_event(
            Event(
                calendar_id=calendar_id,
                event_uid=uid,
                summary=more.pop("summary", f"Meeting {number}"),
                start=start,
                end=end,
                created=soon(0) - timedelta(days=60),
                updated=soon(0) - timedelta(days=50),
                options=Options(update=more.pop("can_update", True)),
                **more,
            )
        )
        return uid

    # ------------------------------------------------------------ running

    def submit(
        self,
        patches: Mapping[int, Patch] | Iterable[int],
        *,
        key: str = "campaign",
        account: str = ACCOUNT,
        calendar_id: str = CALENDAR,
        policy: Policy | None = None,
        hinted: bool = True,
        chunk_size: int = 200,
        run: Run | None = None,
        notify: str = "",
    ) -> str:
        """Store a campaign over numbered events; without patches each moves by an hour.

        With `run` it is planned first.
        """
        wanted = (
            dict(patches)
            if isinstance(patches, Mapping)
            else {number: Patch(move=HOUR) for number in patches}
        )
        rows = [
            self._row(line, number, patch, account, calendar_id, hinted=hinted)
            for line, (number, patch) in enumerate(wanted.items(), start=2)
        ]
        return self._submit(
            rows, key=key, policy=policy or Policy(), chunk_size=chunk_size, run=run, notify=notify
        )

    def submit_to(self, wanted: Mapping[str, Iterable[int]], *, key: str = "campaign") -> str:
        """Store a campaign that moves numbered events of several calendars by an hour."""
        pairs = [(calendar, number) for calendar, numbers in wanted.items() for number in numbers]
        rows = [
            self._row(line, number, Patch(move=HOUR), ACCOUNT, calendar, hinted=True)
            for line, (calendar, number) in enumerate(pairs, start=2)
        ]
        return self._submit(rows, key=key, policy=Policy(), chunk_size=200)

    def _submit(
        self,
        rows: Sequence[EditRow],
        *,
        key: str,
        policy: Policy,
        chunk_size: int,
        run: Run | None = None,
        parent: str | None = None,
        notify: str = "",
    ) -> str:
        new = NewCampaign(
            key=key, digest=key, reason="test", owner="test", source="test", columns=("n",),
            policy=policy, run=run or Run(), is_planned=run is not None, parent=parent,
            notify=notify,
        )  # fmt: skip
        campaign, _ = self.store.campaigns.submit(
            new, rows, campaign_id=f"c_{key}"[:24], image_key=b"k" * 32, chunk_size=chunk_size
        )
        for row in rows:
            self.asked[campaign.id, row.line_no] = (
                row.calendar_id,
                row.event_uid,
                msgspec.json.decode(row.patch, type=Patch),
            )
        return campaign.id

    def _row(
        self, line: int, number: int, patch: Patch, account: str, calendar_id: str, *, hinted: bool
    ) -> EditRow:
        uid = event_uid(number)
        known = self.sim.events.get((calendar_id, uid))
        hint = known.start if known is not None and hinted else None
        return EditRow(
            line_no=line,
            account=account,
            calendar_id=calendar_id,
            event_uid=uid,
            hint=hint.isoformat()[:10] if hint else None,
            ref=f"ref-{number}",
            patch=msgspec.json.encode(patch).decode(),
            cells=json.dumps([str(number)]),
            change_digest=f"{number:08x}{abs(hash(patch)) % 2**64:016x}",
            relative=is_relative(patch),
            duplicate=False,
        )

    def undo(self, campaign_id: str, *, key: str = "undo", policy: Policy | None = None) -> str:
        """Store the undo of a campaign, to be planned."""
        rows = list(self.store.again.undone(campaign_id))
        return self._submit(
            rows, key=key, policy=policy or Policy(), chunk_size=200, run=Run(), parent=campaign_id
        )

    def retry(
        self, campaign_id: str, *, key: str = "retry", states: Iterable[EditState] = USUAL,
        is_planned: bool = False,
    ) -> str:  # fmt: skip
        """Store the retry of a campaign's lines that ended in these states."""
        rows = list(self.store.again.retried(campaign_id, states=[*states]))
        return self._submit(
            rows, key=key, policy=Policy(), chunk_size=200, run=Run() if is_planned else None,
            parent=campaign_id,
        )  # fmt: skip

    async def step(self) -> int:
        """Do what relay, clock and workers would do now; returns how much there was to do."""
        return await step(self.engine)

    async def drain(
        self, campaign_id: str, *, within_s: float = 30.0
    ) -> dict[int, tuple[str, str]]:
        """Go on until the campaign has ended; returns (state, code) by line."""
        async with asyncio.timeout(within_s):
            await drain(self.engine, campaign_id)
        return self.outcomes(campaign_id)

    async def reach(self, campaign_id: str, state: CampaignState, *, within_s: float = 30) -> None:
        """Go on until the campaign is in a state, and nothing is due."""
        deadline = asyncio.get_running_loop().time() + within_s
        while await self.step() or self.state_of(campaign_id) is not state:
            assert asyncio.get_running_loop().time() < deadline, self.campaign(campaign_id)
            await asyncio.sleep(0.01)

    def state_of(self, campaign_id: str) -> CampaignState:
        """Return a campaign's state."""
        return self.campaign(campaign_id).state

    def campaign(self, campaign_id: str) -> Campaign:
        """Return a campaign."""
        campaign = self.store.campaigns.get(campaign_id)
        assert campaign is not None
        return campaign

    def begin(self, campaign_id: str, *, actor: str = "boss", **run: Any) -> Campaign:
        """Approve a plan and let it begin; keywords change how it is carried out."""
        changed = replace(self.campaign(campaign_id).run, **run)
        return self.store.plans.begin(campaign_id, actor=actor, reason="go", run=changed)

    def outcomes(self, campaign_id: str) -> dict[int, tuple[str, str]]:
        """Return (state, code) of each line."""
        return {
            one.line_no: (str(one.state), one.code)
            for one in self.store.reading.outcomes(campaign_id)
        }

    # ------------------------------------------------------------ judging

    def shift_of(self, number: int, *, calendar_id: str = CALENDAR) -> timedelta:
        """Return by how much an event has moved since it was seeded, by the provider's truth."""
        key = (calendar_id, event_uid(number))
        now, then = self.sim.event(*key).start, self.sim.initial[key].start
        assert isinstance(now, datetime)
        assert isinstance(then, datetime)
        return now - then

    def writes_to(self, number: int, *, calendar_id: str = CALENDAR) -> int:
        """Return how many writes to an event the provider took."""
        key = (calendar_id, event_uid(number))
        return sum(w.taken and (w.calendar_id, w.event_uid) == key for w in self.sim.writes)

    def audit_run(self) -> Verdict:
        """Judge everything that has happened so far; asked at the end of every world as well."""
        verdict = audit_run(self.store, truth_of(self.sim))
        verdict.check()
        return verdict


def event_uid(number: int) -> str:
    """Return the uid of a numbered event."""
    return f"evt_external_{number:024x}"


def soon(number: int) -> datetime:
    """Return a whole hour some days from now, later for higher numbers."""
    base = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return base + timedelta(days=2 + number % 5, hours=number % 20)


async def step(engine: Engine, *, resend_after_s: float = 60.0) -> int:
    """Do what relay, clock and workers would do now; returns how much there was to do."""
    queue = engine.store.queue
    keep_time(engine.store)
    settle_all(engine.store)
    take_apart_poison(engine.store)
    due = queue.take_due(window=8, resend_after_s=resend_after_s)
    await asyncio.gather(*(run_chunk(engine, chunk) for _, chunk in due.chunks))
    await asyncio.gather(*(verify_account(engine, account) for account in due.accounts))
    return len(due.chunks) + len(due.accounts)


async def drain(engine: Engine, campaign_id: str, *, resend_after_s: float = 60.0) -> None:
    """Go on until the campaign has ended."""
    while True:
        busy = await step(engine, resend_after_s=resend_after_s)
        campaign = engine.store.campaigns.get(campaign_id)
        assert campaign is not None
        if campaign.state in ENDED:
            return
        if not busy:
            await asyncio.sleep(0.02)


@asynccontextmanager
async def a_world(
    database_url: str,
    *,
    behaviour: Behaviour | None = None,
    rate: str = "2000/s",
    **changed: Any,
) -> AsyncIterator[World]:
    """Open a world on an empty database; keywords change settings."""
    sim = Simulator(behaviour or Behaviour(rate=(), lag_s=0.05))
    key = generate_key()
    store = Store(Database(database_url), keyring=Vault([key]))
    migrate(store.database)
    async with _closing(store.database), SimulatorServer(sim) as server:
        values: dict[str, Any] = {
            "database_url": database_url,
            "api_url": server.url,
            "cronofy_client_id": SIM_CLIENT_ID,
            "cronofy_client_secret": SIM_CLIENT_SECRET,
            "vault_keys": key,
            "batch_counts_as": "one",
            "share": 1.0,
            "rate": rate,
        }
        settings = Settings.model_validate(values | QUICK | changed)
        async with an_engine(settings, store=store) as engine:
            world = World(sim=sim, engine=engine, store=store, url=server.url)
            yield world
            world.audit_run()


def a_limiter(rate: str, clock: Clock) -> CappedLimiter:
    """Return a limiter in memory, of which campaigns may have parts."""

    def capped(_name: str, part: Rate) -> MemoryLimiter:
        return MemoryLimiter(rate=part, clock=clock)

    return CappedLimiter(MemoryLimiter(rate=parse_rate(rate), clock=clock), capped)


@asynccontextmanager
async def an_engine(
    settings: Settings, *, store: Store, owner: str = "test:1", clock: Clock | None = None
) -> AsyncIterator[Engine]:
    """Open what a run needs, with a limiter of its own in memory and short patience."""
    limits = ClientLimits(
        batch_counts_as=settings.batch_counts_as,
        total_s=2.0,
        sock_read_s=1.5,
        queue_s=5.0,
        patience_s=5.0,
    )
    clock = clock or SystemClock()
    limiter = a_limiter(settings.rate, clock)
    async with open_session(limits) as session:
        with ThreadPoolExecutor(4) as threads:
            breakers = Breakers(clock=clock, herald=herald_of(store, threads))
            yield Engine(
                store=store,
                client=Cronofy(session, limiter, clock=clock, limits=limits, breakers=breakers),
                limiter=limiter,
                vault=Vault(settings.keys),
                clock=clock,
                settings=settings,
                threads=threads,
                owner=owner,
                roll=lambda: 0.0,
            )


@asynccontextmanager
async def _closing(database: Database) -> AsyncIterator[None]:
    try:
        yield
    finally:
        database.dispose()
