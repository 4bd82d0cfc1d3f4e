"""Announces changes of agents over Valkey; the process that holds the socket of the agent then reads the database.

A message never carries the changed data: a lost one costs time (the sweep repeats it), a duplicated or reordered one
costs nothing.
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
    """The part of an agent's state to read again."""

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
    """Announces now. An unavailable Valkey is logged, not raised: the sweep announces again."""
    try:
        with valkey.answering():
            valkey.client().publish(CHANNEL, msgspec.json.encode(announcement))
    except Unavailable as error:
        log.warning("announcement not published", extra={"error": error.detail, "topic": announcement.topic})
