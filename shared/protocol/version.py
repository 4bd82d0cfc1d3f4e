"""The version of the wire. A change of any type in this package bumps it and adds a dated line."""

from typing import Final

PROTOCOL_VERSION: Final = 4
"""What this code speaks.

1 (2026-11-21): pairing, desired and reported configuration, recording orders, segment upload, gaps, status.
2 (2026-11-21): how the uploads are, in the status; a PUT counts only where its answer has an ETag.
3 (2026-11-21): the upload window, in the configuration and in the status; each request names the
    version the agent speaks, and a configuration is written in the words of the version that reads it,
    and pushed with a checksum of its number. The status says how the last update of the box ended.
    Footage that was committed and lost is asked for again (`SendAgain`, `SendingAgain`).
4 (2026-11-30): more reasons why a camera gives no pictures; the secret end of a camera's address travels sealed.
"""

PROTOCOL_HEADER: Final = "threedance-protocol"
"""Names in each request of an agent what it speaks. Versions 1 and 2 do not send it: their `Hello` alone says so."""
LAST_WITHOUT_HEADER: Final = 2

OLDEST_SPOKEN: Final = 1
"""The oldest version this code still answers; a peer older than this is told to update."""
