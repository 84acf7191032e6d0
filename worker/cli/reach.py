"""Asking Redis directly, as `doctor`, `work` and `beat` do: one short try, and why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import LimiterUnavailable, SettingsError

#: seconds to wait for Redis or the API's host
REACH_S = 3.0
STEP = "Start Redis, or correct CALPATCH_REDIS_URL"


@contextmanager
def reached_redis(url: str) -> Iterator[redis.Redis]:
    """Open a client for a few questions.

    Raises SettingsError for an address or a password that cannot be right, LimiterUnavailable when
    there is no answer; both without their causes, since the address holds the password.
    """
    try:
        with redis.Redis.from_url(
            url,
            socket_timeout=REACH_S,
            socket_connect_timeout=REACH_S,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            yield client
    except ValueError:
        step = "Set CALPATCH_REDIS_URL=redis://host:port/0"
        raise SettingsError("the address cannot be read", next_step=step) from None
    except redis.AuthenticationError:
        step = "Correct the user and password in CALPATCH_REDIS_URL"
        raise SettingsError("refuses the user or password", next_step=step) from None
    except redis.exceptions.NoPermissionError:
        step = "Give it those of deploy/redis-acl.conf"
        raise SettingsError("refuses a command: the user lacks rights", next_step=step) from None
    except redis.TimeoutError:
        text = f"does not answer within {REACH_S:g} s"
        raise LimiterUnavailable(text, next_step=STEP) from None
    except (redis.RedisError, OSError) as error:
        text = f"does not answer ({type(error).__name__})"
        raise LimiterUnavailable(text, next_step=STEP) from None
