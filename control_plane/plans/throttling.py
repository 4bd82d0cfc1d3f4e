"""How fast a studio's programs may call, by its plan: one bucket of tokens for each caller, kept in Valkey.

A bucket holds a minute's worth and refills evenly. Where Valkey does not answer, nobody is held back: this is about
fairness, and what is not allowed is refused elsewhere.
"""

import logging
import time
from typing import Any
from uuid import UUID

from django.core.cache import cache
from rest_framework.throttling import BaseThrottle

from control_plane.common import valkey
from control_plane.common.errors import TooManyRequests, Unavailable
from control_plane.common.scoping import studio_scope
from control_plane.plans.models import Limit
from control_plane.plans.quotas import allowance

log = logging.getLogger(__name__)

MIN_FOR_AN_AGENT = 600
"""Calls a minute that a box always has: uploading is never held back by the plan of an interface."""
MAX_FOR_AN_AGENT = 1200
"""Calls a minute that an agent has where no plan says anything. One that records three cameras makes about 60."""
RATE_CACHE_S = 30
_BUCKET_SCRIPT = """
local burst, per_s, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(held[1]) or burst
local at = tonumber(held[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * per_s)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = (1 - tokens) / per_s end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', tostring(math.max(at, now)))
redis.call('EXPIRE', KEYS[1], 120)
return tostring(wait)
"""


def take_token(name: str, *, per_minute: int, now_s: float | None = None) -> float:
    """Takes a token from a caller's bucket; returns 0, or how many seconds to wait for one.

    Raises:
        Unavailable: Valkey does not answer.
    """
    if per_minute <= 0:
        return 60.0
    now_s = time.time() if now_s is None else now_s
    key = f"{valkey.PREFIX}rate:{name}"
    with valkey.answering():
        answer: Any = valkey.client().eval(  # type: ignore[no-untyped-call]
            _BUCKET_SCRIPT, 1, key, per_minute, per_minute / 60, now_s
        )
    return float(answer)


def throttle_caller(studio_id: UUID, caller: str, *, least: int = 0, otherwise: int | None = None) -> None:
    """Returns when a caller of a studio may call now.

    Args:
        least: requests a minute that it has whatever the plan says.
        otherwise: requests a minute that it has without a plan; None: no limit.

    Raises:
        TooManyRequests: the plan's rate is used up; it says how long to wait.
    """
    planned = studio_rate(studio_id)
    per_minute = otherwise if planned is None else max(planned, least)
    if per_minute is None:
        return
    try:
        wait_s = take_token(f"{studio_id}:{caller}", per_minute=per_minute)
    except Unavailable:
        log.warning("no rate is kept: Valkey does not answer")
        return
    if wait_s > 0:
        seconds = max(1, int(wait_s + 0.999))
        raise TooManyRequests(
            f"There were more than {per_minute} requests a minute. Try again in {seconds} s."
            if planned is None
            else f"The plan of this studio includes {per_minute} requests a minute. Try again in {seconds} s.",
            retry_after_s=seconds,
        )


def studio_rate(studio_id: UUID) -> int | None:
    """Returns the plan's requests a minute, at most `REMEMBER_S` old; None: no limit."""
    key = f"threedance:rate:{studio_id}"
    found = cache.get(key)
    if found is None:
        with studio_scope(studio_id):
            most = allowance().most(Limit.API_PER_MINUTE)
        found = -1 if most is None else most
        cache.set(key, found, RATE_CACHE_S)
    return None if found < 0 else int(found)


class PlanThrottle(BaseThrottle):
    """Holds programs back that call views of the REST framework: all callers of a studio share its plan's rate."""

    def allow_request(self, request: Any, view: Any) -> bool:
        """Returns True where the call is within the plan.

        Raises:
            TooManyRequests: it is not; answered with Retry-After.
        """
        studio = getattr(request, "studio", None) or getattr(request._request, "studio", None)
        if studio is not None:
            throttle_caller(studio.id, "api")
        return True
