"""The version of the wire. A change of any type in this package bumps it and adds a dated line."""

from typing import Final

PROTOCOL_VERSION: Final = 2
"""What this code speaks.

1 (2026-11-21): pairing, desired and reported configuration, recording orders, segment upload, gaps, status.
2 (2026-11-21): how the uploads are, in the status; a PUT counts only where its answer has an ETag.
"""

OLDEST_SPOKEN: Final = 1
"""The oldest version this code still answers; a peer older than this is told to update."""
