"""Valkey: a synchronous client per process, counters of attempts, and tokens seen before.

The only module that maps the client's exceptions. An outage is `Unavailable`, never a refusal.
"""

import contextlib
from collections.abc import Iterator
from functools import cache

import redis
from django.conf import settings

from control_plane.common.errors import TooManyRequests, Unavailable

PREFIX = "threedance:fleet:"
TIMEOUT_S = 3.0


def client() -> "redis.Redis[bytes]":
    """Returns the client of this process.

    Raises:
        Unavailable: no Valkey is configured.
    """
    if not settings.VALKEY_URL:
        raise Unavailable("THREEDANCE_VALKEY_URL is not set")
    return _client(settings.VALKEY_URL)


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Maps the client's exceptions.

    Raises:
        Unavailable: Valkey does not answer.
    """
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(f"Valkey does not answer: {type(error).__name__}") from error


def limit(name: str, *, most: int, window_s: int) -> None:
    """Counts an attempt under `name`.

    Raises:
        TooManyRequests: more than `most` in the current window of `window_s` seconds; says how long to wait.
        Unavailable: Valkey does not answer.
    """
    key = f"{PREFIX}limit:{name}"
    with answering():
        pipe = client().pipeline()
        pipe.set(key, 0, ex=window_s, nx=True)
        pipe.incr(key)
        pipe.ttl(key)
        _, count, left_s = pipe.execute()
    if count > most:
        wait_s = max(1, int(left_s))
        raise TooManyRequests(f"Try again in {wait_s} s.", retry_after_s=wait_s)


def first_time(name: str, *, remember_s: int) -> bool:
    """Returns whether `name` is new within the last `remember_s` seconds, and remembers it.

    Raises:
        Unavailable: Valkey does not answer.
    """
    with answering():
        return bool(client().set(f"{PREFIX}seen:{name}", 1, ex=remember_s, nx=True))


@cache
def _client(url: str) -> "redis.Redis[bytes]":
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
