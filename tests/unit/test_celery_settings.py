"""The final configuration of Celery: each setting answers a failure that somebody has had."""

from __future__ import annotations

import inspect

import pytest

from tasks.celery import app, configuration
from tasks.schedule import SWEEP, TELL_OTHERS
from worker.dispatch import QUEUES, RUN_CHUNK, SUBMIT, VERIFY_ACCOUNT, message_lists, window_of
from worker.limits import parse_rate
from worker.settings import Settings

EXPECTED = {
    "task_acks_late": False,
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    "task_reject_on_worker_lost": False,
    "task_retry_on_worker_lost": False,
    "task_acks_on_failure_or_timeout": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_pool": "threads",
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    "task_send_sent_event": False,
    "task_create_missing_queues": False,
    "task_ignore_result": True,
    "result_backend": None,
    "task_serializer": "json",
    "accept_content": ["json"],
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "broker_channel_error_retry": True,
    "enable_utc": True,
}


@pytest.mark.parametrize(("name", "value"), EXPECTED.items())
def test_the_final_settings_are_the_ones_decided(name: str, value: object) -> None:
    """A default that changes with a new Celery would change what happens on a bad day."""
    assert app.conf[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "visibility_timeout": 900,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 10,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": "calpatch:",
        "queue_order_strategy": "priority",
        "priority_steps": [0, 3, 6, 9],
    }.items(),
)
def test_the_link_to_redis_never_hangs_for_ever(name: str, value: object) -> None:
    """Half-open links and lost messages are found in seconds, not by a person."""
    assert app.conf.broker_transport_options[name] == value


@pytest.mark.parametrize(
    ("given", "window"),
    [
        ({}, 64),
        ({"RATE": "500/s,5000/min", "SHARE": "70%"}, 350),
        ({"RATE": "500/min"}, 64),
        ({"RATE": "unlimited"}, 512),
        ({"RATE": "500/s", "WINDOW": "12"}, 12),
    ],
)
def test_the_window_grows_with_the_limit(given: dict[str, str], window: int) -> None:
    """A raised limit needs more calls under way; who knows better says so."""
    settings = Settings.load({f"CALPATCH_{name}": value for name, value in given.items()})
    assert window_of(settings) == window


def test_a_queue_is_a_list_for_each_priority() -> None:
    """As kombu names them: who counts only the first one overlooks most of what waits."""
    with app.connection_for_write() as connection:
        channel_type = connection.transport.Channel
    assert channel_type.sep in message_lists("bulk")[-1]
    assert [name.split(channel_type.sep) for name in message_lists("bulk")] == [
        ["calpatch:bulk"], ["calpatch:bulk", "3"], ["calpatch:bulk", "6"], ["calpatch:bulk", "9"],
    ]  # fmt: skip


def test_a_chunk_ends_long_before_its_message_is_given_to_another() -> None:
    """A message that outlives the visibility timeout is copied while it still runs."""
    settings = Settings.load({})
    assert settings.chunk_budget * 5 < app.conf.broker_transport_options["visibility_timeout"]
    assert settings.lease / 3 < settings.chunk_budget


def test_a_chunk_outlasts_a_pause_of_the_limit() -> None:
    """One that gives up is claimed and read anew, and so is each that is announced instead."""
    settings = Settings.load({})
    longest_s = max(window.seconds for window in parse_rate(settings.rate).windows)
    assert settings.chunk_budget > longest_s + settings.rate_margin


def test_each_queue_is_bound_by_its_own_key() -> None:
    """Queues with one key in common would each get every message."""
    queues = app.conf.task_queues
    assert tuple(queue.name for queue in queues) == QUEUES
    assert [queue.routing_key for queue in queues] == list(QUEUES)
    assert [queue.exchange.name for queue in queues] == list(QUEUES)


def test_the_other_delivery_set_acknowledges_late() -> None:
    """Both are safe; which one runs is the operator's choice."""
    late = configuration(Settings.load({"CALPATCH_DELIVERY": "late"}))
    assert late["task_acks_late"] is True
    assert late["worker_disable_prefetch"] is False


def test_no_task_is_a_coroutine() -> None:
    """Celery would acknowledge it without ever running its body."""
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if name.startswith("calpatch.")]
    assert {task.name for task in ours} == {RUN_CHUNK, VERIFY_ACCOUNT, SUBMIT, SWEEP, TELL_OTHERS}
    assert not any(inspect.iscoroutinefunction(task.run) for task in ours)


@pytest.mark.parametrize("delivery", ["early", "late"])
def test_what_is_to_be_submitted_is_acknowledged_late(delivery: str) -> None:
    """Until it is stored, SQL does not know of it: a worker that dies must not take it along."""
    app.loader.import_default_modules()
    assert app.tasks[SUBMIT].acks_late is True
    settings = Settings.load({"CALPATCH_DELIVERY": delivery})
    assert configuration(settings)["task_acks_late"] is (delivery == "late")


@pytest.mark.row(20)
def test_a_round_has_no_time_after_which_it_is_void() -> None:
    """A worker whose clock is ahead of the beat's would drop every one of them."""
    entry = app.conf.beat_schedule["sweep"]
    assert entry["options"] == {"queue": "upkeep"}
