"""How the control plane states its time in an answer, and how an agent knows that it is the answer to its own question.

Each request of an agent carries a nonce; the answer's header holds the server's time and that nonce. A `Date` is made
once a second and may be minutes old in a server that was paused; a proxy or cache answers with a time of its own, or with
one that it has kept. None of them knows the nonce of this request.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

TIME_PATH: Final = "/agent/v1/time"
"""Answers any GET with 204 and the time; needs no token, for a token needs the time."""
NONCE_HEADER: Final = "threedance-nonce"
TIME_HEADER: Final = "threedance-time"
"""`MICROSECONDS NONCE`: the server's time since 1970, taken as late as possible, and the request's own nonce."""

ERROR_BOUND_MOST_US: Final = 1_800_000_000
"""The largest error bound of a `ClockEstimate`, half an hour: it stands for "not known", and no control plane takes more
than 2^31 - 1."""

_NONCE = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TIME = re.compile(r"([0-9]{1,18}) ([A-Za-z0-9_-]{8,64})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stated_time(now_ns: int, nonce: str) -> str | None:
    """Returns the header that states `now_ns` (nanoseconds since 1970); None where the nonce is not one of an agent."""
    return f"{now_ns // 1000} {nonce}" if _NONCE.fullmatch(nonce) else None


def read_time(header: str, nonce: str) -> datetime | None:
    """Returns the time that an answer states; None where it states none, or answers another request."""
    match = _TIME.fullmatch(header)
    if match is None or match[2] != nonce:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(match[1]))
    except OverflowError:
        return None
