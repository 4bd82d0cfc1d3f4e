"""How often something may be tried: `SIGNIN_RATE_LIMITS`, counted in the cache as allauth counts its own."""

from allauth.core.internal import ratelimit
from django.conf import settings
from django.http import HttpRequest

from control_plane.common.errors import TooManyRequests

APP = "threedance"


def require_within(request: HttpRequest, action: str, *, key: str = "") -> None:
    """Counts a try.

    Raises:
        TooManyRequests: there were too many.
    """
    # allauth's own `consume` never counts a GET, and some of ours look something up.
    for rate in ratelimit.get_rates(app=APP, action=action, config=settings.SIGNIN_RATE_LIMITS):
        if not ratelimit._consume_single_rate(request, app=APP, action=action, rate=rate, key=key or None):
            raise TooManyRequests("Too many tries. Wait a minute, then try again.")
