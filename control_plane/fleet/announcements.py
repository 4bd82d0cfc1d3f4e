"""Says over Valkey that something about an agent changed; whoever holds its socket then looks into the database.

Only "look again" is said, never the thing itself: a lost message costs time (the sweep says it again), a doubled or
reordered one costs nothing.
"""

import logging
from enum import StrEnum
from uuid import UUID

import msgspec
from django.db import transaction

from control_plane.common import valkey
from control_plane.common.errors import Unavailable

log = logging.getLogger(__name__)

CHANNEL = f"{valkey.PREFIX}announce"


class Topic(StrEnum):
    """What to look at."""

    CONFIG = "config"
    REVOKED = "revoked"
    LINKED = "linked"
    FOOTAGE = "footage"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """One message of `CHANNEL`. `link_id` and `address` are of the new socket, with `linked` only."""

    agent_id: UUID
    topic: Topic
    link_id: UUID | None = None
    address: str = ""


def announce_on_commit(agent_id: UUID, topic: Topic) -> None:
    """Announces when the open transaction commits."""
    transaction.on_commit(lambda: announce(Announcement(agent_id=agent_id, topic=topic)), robust=True)


def announce(announcement: Announcement) -> None:
    """Announces now. Valkey being away is no error of the caller's: the sweep makes up for it."""
    try:
        with valkey.answering():
            valkey.client().publish(CHANNEL, msgspec.json.encode(announcement))
    except Unavailable as error:
        log.warning(
            "an announcement was not made", extra={"error": error.detail, "topic": announcement.topic}
        )
