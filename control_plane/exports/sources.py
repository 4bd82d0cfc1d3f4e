"""The input of the media engine: the footage of one track, in order, decrypted when it is asked for; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

MOST_ANGLES = 9
"""Cameras of one grid."""


@dataclass(frozen=True, slots=True)
class SourceFragment:
    """One moof+mdat. `read` returns its plain bytes; `from_at`, `to_at` are the class time of its pictures, in UTC."""

    from_at: datetime
    to_at: datetime
    size_bytes: int
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class SourceSegment:
    """One stored segment of one track. `init` is its plain init section (ftyp+moov)."""

    init: bytes
    fragments: Sequence[SourceFragment]
