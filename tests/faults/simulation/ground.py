"""What a world is built on: time, the provider, the database, people, and what they ask for."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from tests.faults.simulation.clock import BEGIN, SimulatedLoop
from tests.faults.simulation.people import an_event
from tests.faults.simulation.provider import Line, Provider
from tests.faults.simulation.stage import Stage
from worker.model import Patch, Policy, Run, Shift
from worker.settings import Settings
from worker.simulator import SIM_CLIENT_ID, SIM_CLIENT_SECRET, Behaviour
from worker.simulator.values import Account, Calendar, Key, Profile
from worker.store import EditRow, NewAccount, NewCampaign, Store
from worker.tokens import Vault, generate_key

#: The longest time after which an accepted write shows, in seconds: with its way to the provider
#: it is less than `CALPATCH_SETTLE`, as calpatch assumes.
LONGEST_LAG_S = 4.0

_VAULT = Vault([generate_key()])


class Ground:
    """All that has no life of its own."""

    def __init__(
        self,
        stage: Stage,
        *,
        seed: int,
        behaviour: Mapping[str, Any],
        changed: Mapping[str, Any],
    ) -> None:
        self.rng = random.Random(seed)
        self.loop = SimulatedLoop()
        self.stage = stage
        stage.clear(self.now)
        self.store = Store(stage.database)
        self.vault = _VAULT
        self.settings = _settings(changed)
        switches = {"rate": (), "lag_s": 0.05, "lag_max_s": 2.0, "page_size": 5, "seed": seed}
        self.sim = Provider(Behaviour(**(switches | dict(behaviour))), clock=self._unix)
        self.keys: list[Key] = []
        #: what was asked, by line
        self.asked: dict[Line, Patch] = {}
        self.campaigns: list[str] = []
        #: those that were planned first
        self.planned: set[str] = set()
        #: how many edits go first, until somebody decides otherwise
        self.canaries: dict[str, int] = {}

    def now(self) -> datetime:
        """Return the true time."""
        return BEGIN + timedelta(seconds=self.loop.time())

    def _unix(self) -> float:
        return self.now().timestamp()

    def add_account(self, number: int) -> None:
        """Add a person with one calendar, known to calpatch."""
        sub = f"acc_{number}"
        profile = Profile(profile_id=f"pro_{sub}", profile_name=sub)
        account = Account(
            sub=sub, email=sub, name=sub, access_token=f"access-{sub}",
            refresh_token=f"refresh-{sub}", profiles={profile.profile_id: profile},
        )  # fmt: skip
        self.sim.add_account(account)
        self.sim.add_calendar(
            Calendar(
                calendar_id=f"cal_{number}", calendar_name=sub, sub=sub,
                profile_id=profile.profile_id,
            )
        )  # fmt: skip
        new = NewAccount(
            sub=sub,
            access_token=self.vault.seal(sub, f"access-{sub}"),
            refresh_token=self.vault.seal(sub, f"refresh-{sub}"),
            expires_at=BEGIN + timedelta(seconds=self.sim.behaviour.token_life_s),
        )
        self.store.accounts.import_all([new], actor="test")

    def add_event(self, kind: str = "plain", *, account: int = 1) -> int:
        """Add an event of a kind, and return its number."""
        event = an_event(len(self.keys), kind, calendar_id=f"cal_{account}")
        self.sim.add_event(event)
        self.keys.append(event.key)
        return len(self.keys) - 1

    def submit(
        self, patches: Mapping[int, Patch], *, chunk_size: int = 3, verify: str = "all",
        hinted: bool = True, run: Run | None = None, on_conflict: str = "skip",
    ) -> str:  # fmt: skip
        """Store a campaign over numbered events; with `run` it is planned, and begins by itself."""
        name = f"c{len(self.campaigns) + 1}"
        rows = [
            self._row(line, number, patch, hinted=hinted)
            for line, (number, patch) in enumerate(patches.items(), start=2)
        ]
        new = NewCampaign(
            key=name, digest=name, reason="test", owner="test", source="test", columns=("n",),
            policy=Policy(verify=verify, on_conflict=on_conflict), run=run or Run(),
            is_planned=run is not None,
        )  # fmt: skip
        self.store.campaigns.submit(
            new, rows, campaign_id=name, image_key=b"k" * 32, chunk_size=chunk_size
        )
        self.campaigns.append(name)
        if run is not None:
            self.planned.add(name)
            self.canaries[name] = run.canary
        self.asked |= {(name, row.line_no): patches[int(row.ref)] for row in rows}
        return name

    def _row(self, line: int, number: int, patch: Patch, *, hinted: bool) -> EditRow:
        calendar_id, uid = self.keys[number]
        start = self.sim.initial[calendar_id, uid].start
        told = msgspec.json.encode(patch).decode()
        return EditRow(
            line_no=line,
            account=self.sim.calendars[calendar_id].sub,
            calendar_id=calendar_id,
            event_uid=uid,
            hint=start.isoformat()[:10] if hinted else None,
            ref=str(number),
            patch=told,
            cells=json.dumps([str(number)]),
            change_digest=hashlib.sha256(f"{uid}{told}".encode()).hexdigest()[:32],
            relative=isinstance(patch.move, Shift),
            duplicate=False,
        )


def _settings(changed: Mapping[str, Any]) -> Settings:
    """Return the defaults, but for what names places and makes small campaigns interesting."""
    values: dict[str, Any] = {
        "database_url": "sqlite:///simulated",
        "api_url": "http://provider.test",
        "cronofy_client_id": SIM_CLIENT_ID,
        "cronofy_client_secret": SIM_CLIENT_SECRET,
        "batch_counts_as": "one",
        "batch_size": 2,
        "window": 3,
    }
    return Settings.model_validate(values | dict(changed))
