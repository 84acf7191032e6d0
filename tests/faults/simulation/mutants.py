"""Bugs on purpose, each a few lines put over the real code: the simulation must find all of them.

Each is a mistake that somebody could make in good faith, and that every test of a fine day passes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest
from msgspec.structs import replace

from tests.faults.simulation import walks
from tests.faults.simulation.stage import Stage
from tests.faults.simulation.storm import storm
from worker import engine, verify
from worker.model import CampaignState, Code, EditState, Image
from worker.rules import Accepted, Answer, Ended, InDoubt, NotTaken, SendAgain, Verdict, next_try
from worker.run import apply, settle, work
from worker.store import accounts, chunks, gates, poison, queue, steps, waiting

Patch = Callable[[pytest.MonkeyPatch], None]


PLAIN = walks.Terms()


@dataclass(frozen=True, slots=True)
class Storms:
    """A bug that storms find, soonest from this seed on."""

    seed: int = 0
    most: int = 150

    def hunt(self, stage: Stage) -> str:
        """Return how the bug showed, or nothing."""
        for seed in range(self.seed, self.seed + self.most):
            if wrongs := storm(stage, seed).wrongs:
                return f"seed {seed}: {wrongs[0]}"
        return ""


@dataclass(frozen=True, slots=True)
class Walks:
    """A bug that a walk finds, with this fault at one of its effects, or with none."""

    what: str = "death"
    terms: walks.Terms = PLAIN
    #: the effect to begin with; those before it come last
    at: int = 1

    def hunt(self, stage: Stage) -> str:
        """Return how the bug showed, or nothing."""
        return walks.first_wrong(stage, self.what, self.terms, at=self.at)


#: Each bug, and the net that is sure to catch it: where it begins is where it was found last, so
#: that a test needs no minutes.
MUTANTS: dict[str, tuple[Patch, Storms | Walks]] = {}


def mutant(net: Storms | Walks) -> Callable[[Patch], Patch]:
    """Add a bug to the list, by its name."""

    def listed(bug: Patch) -> Patch:
        MUTANTS[bug.__name__] = (bug, net)
        return bug

    return listed


def hunt(stage: Stage, name: str) -> str:
    """Have a bug, and look for it; returns how it showed, or nothing."""
    bug, net = MUTANTS[name]
    with pytest.MonkeyPatch.context() as patched:
        bug(patched)
        return net.hunt(stage)


# ---------------------------------------------------------------- the engine


@mutant(Walks())
def sends_without_an_intent(patched: pytest.MonkeyPatch) -> None:
    """Nothing is stored before the write leaves."""
    real = apply._intended
    patched.setattr(apply, "_intended", lambda *args: (real(*args)[0], []))


@mutant(Walks(at=62))
def resolves_the_shift_anew(patched: pytest.MonkeyPatch) -> None:
    """In doubt the shift is applied to what the event shows now, not the stored target sent."""

    def anew(before: Image, target: Image, event: Any, *, was_sent: bool) -> Any:
        found = _reconcile(before, target, event, was_sent=was_sent)
        if event is None or event.deleted or target.when == before.when:
            return found
        now, by = event.image.when, target.when.start - before.when.start  # type: ignore[operator]
        moved = replace(now, start=now.start + by, end=now.end + by)
        return SendAgain(before=event.image, target=replace(target, when=moved))

    _reconcile = settle.reconcile
    patched.setattr(settle, "reconcile", anew)


@mutant(Walks(at=62))
def sends_again_whatever_it_reads(patched: pytest.MonkeyPatch) -> None:
    """In doubt the same bytes are sent again, without a look at the event."""

    def blind(before: Image, target: Image, _event: Any, *, was_sent: bool) -> Any:
        return SendAgain(before=before, target=target)

    patched.setattr(settle, "reconcile", blind)


@mutant(Walks(terms=walks.Terms(hasty=True), at=33))
def reads_too_early(patched: pytest.MonkeyPatch) -> None:
    """In doubt an old value is believed at once, although the write may not show yet."""
    patched.setattr(settle, "_has_settled", lambda *_: True)


@mutant(Storms(25))
def takes_a_doubt_for_a_refusal(patched: pytest.MonkeyPatch) -> None:
    """An answer that never came means that nothing was taken."""

    def sure(answer: Answer, *, attempts: int, settle_s: float, roll: float) -> Verdict:
        if isinstance(answer, InDoubt):
            return NotTaken(attempts=attempts, status=answer.status or None)
        return next_try(answer, attempts=attempts, settle_s=settle_s, roll=roll)

    patched.setattr(apply, "next_try", sure)


@mutant(Storms())
def believes_a_promise(patched: pytest.MonkeyPatch) -> None:
    """A 202 is as good as a proof."""

    def trusting(answer: Answer, *, attempts: int, settle_s: float, roll: float) -> Verdict:
        if isinstance(answer, Accepted):
            return Ended(state=EditState.VERIFIED, code=Code.VERIFIED, status=202)
        return next_try(answer, attempts=attempts, settle_s=settle_s, roll=roll)

    patched.setattr(apply, "next_try", trusting)


@mutant(Storms(16))
def goes_on_after_a_cancellation(patched: pytest.MonkeyPatch) -> None:
    """Who has begun does not ask again whether the campaign still runs."""
    patched.setattr(work.Work, "may_send", property(lambda _: True))


@mutant(Storms(122))
def begins_while_everything_is_frozen(patched: pytest.MonkeyPatch) -> None:
    """A plan that is complete begins, whoever has stopped everything."""
    patched.setattr(gates, "first_state", lambda *_: (CampaignState.RUNNING, ""))


@mutant(Storms())
def lets_all_go_with_the_canary(patched: pytest.MonkeyPatch) -> None:
    """Nothing is held back."""

    def all_of_it(_database: Any, connection: Any, *, campaign: Any) -> None:
        gates.release_held(connection, campaign.id)

    patched.setattr(gates, "set_apart", all_of_it)


@mutant(Walks("sleep", at=59))
def trusts_its_lease_for_ever(patched: pytest.MonkeyPatch) -> None:
    """A process that wakes up does not look how long it slept."""
    patched.setattr(engine.Hold, "is_held", property(lambda _: True))


@mutant(Walks())
def touches_what_is_locked(patched: pytest.MonkeyPatch) -> None:
    """Nobody asks whether an event may be edited at all."""
    patched.setattr(import_module("worker.rules.bars"), "event_bar", lambda _: None)


@mutant(Storms(3))
def proves_by_the_target_alone(patched: pytest.MonkeyPatch) -> None:
    """A read-back that shows nothing proves the edit."""

    def proven(*args: Any, **more: Any) -> Any:
        return verify.Proven()

    patched.setattr(verify, "judge_proof", proven)


# ---------------------------------------------------------------- the store


@mutant(Walks("sleep", at=32))
def writes_without_a_fence(patched: pytest.MonkeyPatch) -> None:
    """Whoever knows the chunk's id may write about it, whatever the epoch."""
    patched.setattr(
        chunks, "_HELD", "id = :id AND :epoch > 0 AND :owner <> '' AND state = 'running'"
    )


@mutant(Walks("unanswered", at=55))
def writes_twice_what_was_written(patched: pytest.MonkeyPatch) -> None:
    """A record whose answer was lost is told once more in the audit."""
    real = steps.write_steps
    patched.setattr(chunks, "write_steps", lambda *args, **more: real(*args, **more) or True)


@mutant(Walks())
def rescues_nobody(patched: pytest.MonkeyPatch) -> None:
    """The relay announces what is new, and never what was lost."""
    real = waiting.Waiting.held

    def held(self: waiting.Waiting) -> waiting.Held:
        found = real(self)
        found.lost.clear()
        return found

    patched.setattr(waiting.Waiting, "held", held)


@mutant(Storms(22))
def never_gives_up_a_deadly_edit(patched: pytest.MonkeyPatch) -> None:
    """Nobody takes apart a chunk on which workers die."""
    patched.setattr(queue.Queue, "take_apart", lambda *_: False)


@mutant(Storms(76))
def poisons_what_is_on_its_way(patched: pytest.MonkeyPatch) -> None:
    """The edit on which workers die has failed, whether or not its write has left."""
    real = poison.text

    def text(sql: str) -> Any:
        return real(sql.replace("ELSE 'unverified' END, code", "ELSE 'failed' END, code"))

    patched.setattr(poison, "text", text)


@mutant(Storms(203, most=900))
def lets_two_refresh(patched: pytest.MonkeyPatch) -> None:
    """Nobody waits for the one who refreshes: the second trade voids the first one's tokens."""
    patched.setattr(accounts.Accounts, "take_refresh", lambda *_, **__: True)
