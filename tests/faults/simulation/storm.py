"""A storm: a random life of a world, drawn from one seed, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from tests.faults.simulation.ground import LONGEST_LAG_S
from tests.faults.simulation.judge import Verdict, judge
from tests.faults.simulation.network import FAULTS
from tests.faults.simulation.people import EDITABLE, KINDS, MEDDLING, PATCHES
from tests.faults.simulation.process import OUTAGES, Process
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.world import PLANS, World, a_world
from worker.model import FINAL, Run
from worker.simulator import Fault
from worker.simulator.acts import Act, Drop, Late, Reply
from worker.simulator.faults import Match

STEPS = 60
#: planned first, and begun by itself
PLANNED = Run(is_automatic=True)
MOST_CAMPAIGNS = 6

#: What may become of one write of a batch.
ITEM_FAULTS: tuple[Act, ...] = (
    Reply(status=500), Reply(status=500), Reply(status=503, taken=True), Drop(),
    Reply(status=503, taken=True), Late(seconds=0.5), Reply(status=429), Reply(status=401),
    Reply(status=403), Reply(status=404), Reply(status=422), Reply(status=423),
)  # fmt: skip

Action = Callable[[World, random.Random], None]


def storm(stage: Stage, seed: int, *, steps: int = STEPS) -> Verdict:
    """Live through a random life, heal, drain, judge."""
    rng = random.Random(f"storm {seed}")
    behaviour = {
        "rotate_refresh_tokens": rng.random() < 0.5,
        "updated_moves": rng.random() < 0.7,
        "dropped": rng.choice([0.0, 0.0, 0.1]),
        "token_life_s": rng.choice([3600, 3600, 300]),
        "lag_max_s": rng.choice([0.5, LONGEST_LAG_S]),
    }
    changed = {
        "lease": rng.choice([20.0, 20.0, 10.0, 3.0]),
        "chunk_budget": rng.choice([75.0, 75.0, 1.0]),
        "batch_size": rng.choice([1, 2, 50]),
    }
    workers = rng.randint(1, 3)
    with a_world(stage, seed=seed, workers=workers, behaviour=behaviour, **changed) as world:
        populate(world, rng)
        submit(world, rng)
        for _ in range(steps):
            ACTIONS[rng.choices(NAMES, weights=WEIGHTS)[0]](world, rng)
        world.heal()
        world.drain()
        return judge(world)


def populate(world: World, rng: random.Random) -> None:
    """Add people and their events; now and then one at which every worker dies."""
    accounts = rng.randint(1, 2)
    for account in range(1, accounts + 1):
        world.add_account(account)
    for _ in range(rng.randint(3, 14)):
        kind = rng.choice(sorted(EDITABLE) if rng.random() < 0.85 else sorted(KINDS))
        world.add_event(kind, account=rng.randint(1, accounts))
    if rng.random() < 0.1:
        world.deadly.add(rng.choice(world.keys))


# ---------------------------------------------------------------- what may happen


def submit(world: World, rng: random.Random) -> None:
    """Submit a campaign over some of the events, whatever other campaigns do with them."""
    if len(world.campaigns) >= MOST_CAMPAIGNS:
        return
    busy = {row.event_uid for row in world.watch.edits.values() if row.state not in FINAL}
    free = [at for at, key in enumerate(world.keys) if key[1] not in busy or rng.random() < 0.1]
    if not free:
        return
    numbers = rng.sample(free, rng.randint(1, min(8, len(free))))
    world.submit(
        {number: PATCHES[rng.choice(sorted(PATCHES))] for number in numbers},
        chunk_size=rng.choice([1, 3, 8]),
        verify=rng.choice(["all", "all", "none"]),
        hinted=rng.random() < 0.7,
        run=rng.choice([None, None, PLANNED, replace(PLANNED, canary=rng.randint(1, 3))]),
        on_conflict=rng.choice(["skip", "rebase", "force"]),
    )


def _round(world: World, rng: random.Random) -> None:
    world.round(rng.choice([0.1, 1.0, 3.0]))


def _wait(world: World, rng: random.Random) -> None:
    world.wait(rng.choice([0.1, 1.0, 5.0, 31.0, 120.0, 1200.0]))


def _deliver(world: World, rng: random.Random) -> None:
    world.broker.deliver(rng.randrange(100))


def _plan(world: World, rng: random.Random) -> None:
    world.plans[world.effects + rng.randint(1, 40)] = rng.choice(PLANS)


def _any_process(world: World, rng: random.Random) -> Process:
    return rng.choice([world.ticker, *world.workers, *world.workers])


def _kill(world: World, rng: random.Random) -> None:
    world.kill(_any_process(world, rng))


def _thaw(world: World, rng: random.Random) -> None:
    for worker in world.workers:
        world.thaw(worker)


def _lose_sql(world: World, rng: random.Random) -> None:
    outages = [rng.choice(OUTAGES) for _ in range(rng.randint(1, 6))]
    world.lose_sql(_any_process(world, rng), outages)


def _fault(world: World, rng: random.Random) -> None:
    what = rng.choice(FAULTS[:-1] if rng.random() < 0.95 else FAULTS)  # the last ends campaigns
    kind = rng.choice(["read", "post", "post", "refresh"])
    for _ in range(rng.choice([1, 1, 4])):
        world.fault(what, kind)


def _item_fault(world: World, rng: random.Random) -> None:
    match = Match(route="write", after=rng.randint(0, 3))
    world.item_fault(Fault(act=rng.choice(ITEM_FAULTS), match=match))


def _meddle(world: World, rng: random.Random) -> None:
    world.meddle(rng.randrange(len(world.keys)), rng.choice(MEDDLING))


def _refuse(world: World, rng: random.Random) -> None:
    world.broker.refusals = rng.randint(1, 3)


def _cancel(world: World, rng: random.Random) -> None:
    world.cancel(rng.choice(world.campaigns))


def _pause(world: World, rng: random.Random) -> None:
    world.pause(rng.choice(world.campaigns))


def _resume(world: World, rng: random.Random) -> None:
    world.resume(rng.choice(world.campaigns))


def _connect(world: World, rng: random.Random) -> None:
    """Cut a person's calendar provider off, or connect it again."""
    account = rng.choice(list(world.sim.accounts.values()))
    profile = next(iter(account.profiles.values()))
    profile.connected = not profile.connected
    world.count("disconnected" if not profile.connected else "connected")


_WEIGHTED: dict[str, tuple[float, Any]] = {
    "round": (24, _round),
    "wait": (8, _wait),
    "deliver": (4, _deliver),
    "tick": (3, lambda world, _: world.tick()),
    "repeat": (4, lambda world, rng: world.broker.repeat(rng.randrange(100))),
    "lose": (2, lambda world, rng: world.broker.lose(rng.randrange(100))),
    "flush": (1, lambda world, _: world.broker.flush()),
    "plan": (9, _plan),
    "kill": (1, _kill),
    "freeze": (1.5, lambda world, rng: world.freeze(rng.choice(world.workers))),
    "thaw": (5, _thaw),
    "stop": (2, lambda world, rng: world.stop(rng.choice(world.workers))),
    "sql": (3, _lose_sql),
    "fault": (8, _fault),
    "item": (3, _item_fault),
    "meddle": (2, _meddle),
    "refuse": (1, _refuse),
    "cancel": (0.8, _cancel),
    "pause": (1, _pause),
    "resume": (2, _resume),
    "freeze all": (0.3, lambda world, _: world.freeze_all()),
    "unfreeze all": (0.6, lambda world, _: world.unfreeze_all()),
    "connect": (0.3, _connect),
    "submit": (4, submit),
}
ACTIONS: dict[str, Action] = {name: action for name, (_, action) in _WEIGHTED.items()}
NAMES = list(_WEIGHTED)
WEIGHTS = [weight for weight, _ in _WEIGHTED.values()]
