"""The Celery application and its settings; each says which failure it answers.

Row numbers are those of the table of Celery-with-Redis failures in README ("Celery settings").
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_shutdown, worker_shutting_down
from kombu import Queue

from tasks import runner
from tasks.schedule import beat_schedule
from worker import logs
from worker.dispatch import broker_settings
from worker.settings import Settings

#: In this order: what keeps everything going, then people, then the night.
QUEUES = ("upkeep", "interactive", "bulk")


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the whole of Celery's configuration."""
    late = settings.delivery == "late"
    return broker_settings(settings) | {
        # Nothing leans on the broker: a lost message is found again by the sweeper, a repeated one is
        # refused by the lease. Early acknowledgement is the calmer of the two (rows 3, 10): nothing
        # is delivered twice when a link breaks or a task runs long.
        "task_acks_late": late,
        "worker_disable_prefetch": not late,
        "worker_prefetch_multiplier": 1,
        # The lease with its poison counter is the one rescuer; Celery's have no bound (row 5).
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,
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
        # An unknown queue is a typo, not a wish.
        "task_create_missing_queues": False,
        "task_queues": [Queue(name) for name in QUEUES],
        "task_default_queue": "bulk",
        "beat_schedule": beat_schedule(settings),
        "timezone": "UTC",
        "enable_utc": True,
        "imports": ("tasks.chunks", "tasks.upkeep"),
    }


app = Celery("calpatch")
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


@app.on_after_configure.connect
def _logs(**_: object) -> None:
    logs.configure(Settings.load())
