"""Distinct id types, so that mypy refuses a camera's id in the place of a room's."""

import os
import time
from typing import NewType
from uuid import UUID

StudioId = NewType("StudioId", UUID)
RoomId = NewType("RoomId", UUID)
AgentId = NewType("AgentId", UUID)
CameraId = NewType("CameraId", UUID)
ClassSessionId = NewType("ClassSessionId", UUID)
TrackId = NewType("TrackId", UUID)
SegmentId = NewType("SegmentId", UUID)
GapId = NewType("GapId", UUID)
RecipientKeyId = NewType("RecipientKeyId", UUID)


def new_id() -> UUID:
    """Returns a new UUID version 7: 48 bits of Unix milliseconds, then 74 random bits.

    Ids of one process sort by creation time, which keeps database indexes dense.
    Source: RFC 9562, section 5.7.
    """
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
