"""Limits of attempts: `SIGNIN_RATE_LIMITS`, counted in the cache like allauth's own limits."""

from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import HttpRequest

from control_plane.common.errors import TooManyRequests

APP = "threedance"


def require_attempts_left(request: HttpRequest, action: str, *, key: str = "") -> None:
    """Counts an attempt.

    Raises:
        TooManyRequests: the limit is exceeded.
    """
    # allauth's `consume` never counts a GET, but some of our GET requests look something up.
    for rate in ratelimit.get_rates(app=APP, action=action, config=settings.SIGNIN_RATE_LIMITS):
        if not ratelimit._consume_single_rate(request, app=APP, action=action, rate=rate, key=key or None):
            raise TooManyRequests("Too many attempts. Wait a minute, then try again.")
