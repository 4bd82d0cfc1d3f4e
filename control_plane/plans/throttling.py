"""Request rates of a studio's API clients and agents, by its plan: a token bucket per caller, kept in Valkey.

A bucket refills evenly. It holds a minute's tokens, or fewer: an agent that starts a flood does not get those of a minute
at once. If Valkey does not answer, requests are not limited: this is about fairness, and permissions are checked elsewhere.
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
"""Requests a minute that an agent always has, so that no plan slows down uploads."""
DEFAULT_FOR_AN_AGENT = 600
"""Requests a minute of an agent without a plan. One that records three cameras makes about 60."""
BURST_OF_AN_AGENT = 120
"""Requests that an agent may make at once, such as after an outage."""
RATE_CACHE_S = 30
# Runs atomically in Valkey. The bucket holds `burst` tokens at most and refills at `per_s`; a missing bucket is full.
# max(0, now - at): the clocks of several servers differ a little, and a bucket must not drain because of that.
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


def take_token(name: str, *, per_minute: int, burst: int | None = None, now_s: float | None = None) -> float:
    """Takes a token from a caller's bucket; returns 0, or the seconds to wait for one.

    Args:
        burst: tokens that a full bucket holds; None: `per_minute`.

    Raises:
        Unavailable: Valkey does not answer.
    """
    if per_minute <= 0:
        return 60.0
    now_s = time.time() if now_s is None else now_s
    key = f"{valkey.PREFIX}rate:{name}"
    with valkey.answering():
        answer: Any = valkey.client().eval(  # type: ignore[no-untyped-call]
            _BUCKET_SCRIPT, 1, key, min(burst or per_minute, per_minute), per_minute / 60, now_s
        )
    return float(answer)


def throttle_caller(
    studio_id: UUID, caller: str, *, minimum: int = 0, default: int | None = None, burst: int | None = None
) -> None:
    """Checks that a caller of a studio may make a request now.

    Args:
        minimum: requests a minute that the caller has whatever the plan says.
        default: requests a minute without a plan; None: no limit.
        burst: requests at once, whatever the rate; None: those of a minute.

    Raises:
        TooManyRequests: the rate is exceeded; says how long to wait.
    """
    planned = studio_rate(studio_id)
    per_minute = default if planned is None else max(planned, minimum)
    if per_minute is None:
        return
    try:
        wait_s = take_token(f"{studio_id}:{caller}", per_minute=per_minute, burst=burst)
    except Unavailable:
        log.warning("request rates are not limited: Valkey does not answer")
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
    """Returns the plan's requests a minute, cached for `RATE_CACHE_S`; None: no limit."""
    key = f"threedance:rate:{studio_id}"
    found = cache.get(key)
    if found is None:
        with studio_scope(studio_id):
            most = allowance().most(Limit.API_PER_MINUTE)
        found = -1 if most is None else most
        cache.set(key, found, RATE_CACHE_S)
    return None if found < 0 else int(found)


class PlanThrottle(BaseThrottle):
    """Limits REST framework views: all API callers of a studio share its plan's rate."""

    def allow_request(self, request: Any, view: Any) -> bool:
        """Returns True if the request is within the plan.

        Raises:
            TooManyRequests: it is not; answered with Retry-After.
        """
        studio = getattr(request, "studio", None) or getattr(request._request, "studio", None)
        if studio is not None:
            throttle_caller(studio.id, "api")
        return True
