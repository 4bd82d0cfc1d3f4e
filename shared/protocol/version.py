"""The protocol version. A change of any encoded form in this package raises it and adds a dated line."""

from typing import Final

PROTOCOL_VERSION: Final = 4
"""Version of this code.

1 (2026-11-21): pairing, desired and reported configuration, recording orders, segment upload, gaps, status.
2 (2026-11-21): the state of uploads in the status; a PUT counts only if its answer has an ETag.
3 (2026-11-21): the upload window, in the configuration and in the status; each request names the
    agent's version, a configuration is encoded for the version that reads it, and it is pushed with a checksum of
    its number. The status has the result of the last update of the agent.
    Footage that was committed and lost is requested again (`SendAgain`, `SendingAgain`).
4 (2026-11-30): more reasons why a camera sends no pictures; the secret end of a camera's address is sent sealed.
"""

PROTOCOL_HEADER: Final = "threedance-protocol"
"""Header of each request with the agent's version. Versions 1 and 2 do not send it: their `Hello` alone names it."""
LAST_WITHOUT_HEADER: Final = 2

OLDEST_VERSION: Final = 1
"""The oldest supported version; an older peer is refused with the request to update."""
