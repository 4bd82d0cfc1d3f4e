"""The server's time in an answer, and the check that it answers the agent's own request.

Each request of an agent carries a nonce; the answer's header holds the server's time and that nonce. A `Date` is computed
once a second and may be minutes old in a server that was paused. A proxy or cache answers with its own time or a stored
one, and does not know the nonce of this request.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

TIME_PATH: Final = "/agent/v1/time"
"""Answers any GET with 204 and the time. Needs no token, because a token needs the time."""
NONCE_HEADER: Final = "threedance-nonce"
TIME_HEADER: Final = "threedance-time"
"""`MICROSECONDS NONCE`: the server's time since 1970, read as late as possible, and the request's nonce."""

ERROR_BOUND_MOST_US: Final = 1_800_000_000
"""The largest error bound of a `ClockEstimate`, half an hour. It means "unknown"; control planes refuse values above
2^31 - 1."""

_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TIME = re.compile(r"([0-9]{1,18}) ([A-Za-z0-9_-]{8,64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stated_time(now_ns: int, nonce: str) -> str | None:
    """Returns the header that states `now_ns` (nanoseconds since 1970); None for an invalid nonce."""
    return f"{now_ns // 1000} {nonce}" if _NONCE.fullmatch(nonce) else None


def read_time(header: str, nonce: str) -> datetime | None:
    """Returns the time in an answer; None without one, or if it answers another request."""
    match = _TIME.fullmatch(header)
    if match is None or match[2] != nonce:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(match[1]))
    except OverflowError:
        return None
