"""The Celery application and its settings; each says which failure it answers.

Row numbers are those of the table of Celery-with-Redis failures in README ("Celery settings").
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Any

import structlog
from celery import Celery, Task
from celery.exceptions import TaskPredicate
from celery.signals import (
    setup_logging,
    task_postrun,
    worker_process_init,
    worker_shutdown,
    worker_shutting_down,
)
from kombu.asynchronous import get_event_loop

from tasks import acks, runner
from tasks.schedule import beat_schedule
from worker import logs
from worker.dispatch import broker_settings
from worker.settings import Settings

#: glibc's name for the number of heaps that threads share (malloc.h)
_M_ARENA_MAX = -8


def _share_heaps() -> None:
    """Have all threads share two heaps, where the C library is glibc.

    With one for each thread, as it is otherwise, a worker's peak is 10 MB higher (measured): what
    one thread frees is of no use to the next.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


_share_heaps()
acks.free_threads()

#: seconds from the end of a task's body until Celery counts its thread as free
FREE_SOON_S = 0.02


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the whole of Celery's configuration."""
    late = settings.delivery == "late"
    return broker_settings(settings) | {
        # Nothing leans on the broker: a lost message is sent again by the sweeper, a repeated one
        # is refused by the lease, so either way of acknowledging is safe. Early is the default:
        # with late, a worker that holds an unacknowledged message when Redis goes away dies trying
        # to give it back (kombu 5.7.0, Channel.close; measured), and finished work runs again
        # (rows 3, 10). What is acknowledged early must not wait in memory, so there is no prefetch
        # (row 21).
        "task_acks_late": late,
        "worker_disable_prefetch": not late,
        "worker_prefetch_multiplier": 1,
        # The lease with its poison counter is the one rescuer; Celery's have no bound (row 5).
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
        # What Redis refuses now it may take soon: read-only after a failover, out of memory. By
        # default such an answer ends the worker ("Unrecoverable error", measured).
        "broker_channel_error_retry": True,
        # True would run finished work again whenever the link to Redis blinks (row 10).
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        # Threads ignore Celery's time limits: a chunk watches its own budget (DESIGN §8).
        "worker_pool": "threads",
        "worker_concurrency": 16,
        # One routine for all logs: ours, which prints no values.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Nobody reads events, and they would carry arguments.
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # Nor does anybody send workers orders: whoever can write to Redis could stop them all.
        "worker_enable_remote_control": False,
        "beat_schedule": beat_schedule(settings),
        "timezone": "UTC",
        "enable_utc": True,
        "imports": ("tasks.chunks", "tasks.submit", "tasks.upkeep"),
    }


class Crashed(Exception):
    """Raised in place of an error that nobody expected; names its type only."""


class Discreet(Task):  # type: ignore[type-arg]  # its stubs are generic, Celery is not
    """A task whose unexpected errors say where, not what: their texts may hold anything (law 9).

    Celery repeats them in its events, for whoever has turned those on and can read Redis.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task; Celery's own signals (reject, ignore) pass."""
        try:
            return self.run(*args, **kwargs)
        except TaskPredicate:
            raise
        except Exception as error:
            log.exception("task.crashed", task=self.name)
            raise Crashed(type(error).__name__) from None


log = structlog.get_logger(__name__)

app: Celery = Celery("calpatch", task_cls=Discreet)
app.conf.update(configuration(Settings.load()))


@worker_process_init.connect
def _fresh_process(**_: object) -> None:
    runner.forget()


@worker_shutting_down.connect
def _stopping(**_: object) -> None:
    runner.stop_soon()


@worker_shutdown.connect
def _stopped(**_: object) -> None:
    runner.close()


@task_postrun.connect
def _fetch_next(**_: object) -> None:
    """Have the main loop look for a message once this thread is free, not at its next round."""
    hub = get_event_loop()
    if hub is not None:
        hub.call_soon(hub.call_later, FREE_SOON_S, _look)


def _look() -> None:
    """Do nothing: the loop looks for messages after every timer."""


# Connected, it keeps Celery from handlers of its own, which would print arguments and errors.
@setup_logging.connect
def _logs(**_: object) -> None:
    logs.configure(Settings.load())
