"""The broker: messages in a list, which may be lost, repeated, held back and shuffled.

The real `Publisher` fills it; only Celery is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.dispatch import Publisher

if TYPE_CHECKING:
    from tests.faults.simulation.world import World


@dataclass(frozen=True, slots=True)
class Message:
    """Which task, and the id that it is about."""

    task: str
    name: str


class Broker:
    """What `Publisher` takes for a Celery app."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.messages: list[Message] = []
        #: how many messages are refused before it takes them again
        self.refusals = 0
        self.publisher = Publisher(world.settings, app=self)  # type: ignore[arg-type]
        self.producer_pool = self

    @contextmanager
    def acquire(self, **_: Any) -> Iterator[None]:
        """Lend a producer."""
        yield None

    def send_task(self, task: str, *, args: list[str], **_: Any) -> None:
        """Take a message, or refuse it as a Redis that is away."""
        if self.refusals:
            self.refusals -= 1
            self._world.count("broker away")
            raise ConnectionError
        self.messages.append(Message(task, args[0]))

    def put_back(self, message: Message) -> None:
        """Take back a message whose task was stopped."""
        self.messages.append(message)

    def deliver(self, at: int) -> None:
        """Hand one message to any worker that is free; without one it stays."""
        free = [worker for worker in self._world.workers if worker.is_free]
        if free and self.messages:
            message = self.messages.pop(at % len(self.messages))
            self._world.rng.choice(free).receive(message)

    def deliver_all(self) -> None:
        """Hand out all that is there, in any order."""
        for _ in range(len(self.messages)):
            self.deliver(self._world.rng.randrange(len(self.messages) or 1))

    def repeat(self, at: int) -> None:
        """Have one message twice."""
        if self.messages:
            self._world.count("message repeated")
            self.messages.append(self.messages[at % len(self.messages)])

    def lose(self, at: int) -> None:
        """Have one message never delivered."""
        if self.messages:
            self._world.count("message lost")
            self.messages.pop(at % len(self.messages))

    def flush(self) -> None:
        """Lose all of them, as FLUSHALL would."""
        if self.messages:
            self._world.count("broker flushed")
        self.messages.clear()
