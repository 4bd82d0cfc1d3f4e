"""Messages of the agent's websocket, one tagged union for each direction."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from shared.protocol.codec import document_hash
from shared.protocol.config import AgentConfig
from shared.protocol.errors import Code
from shared.protocol.ids import SegmentId
from shared.protocol.media import Instant, Sha256Hex
from shared.protocol.status import AgentStatus, Reported

SEND_AGAIN_MOST = 64
"""Segments per request, because the agent reads each from disk before it answers."""
SEND_AGAIN_SINCE = 3
"""First protocol version with `SendAgain`."""

CLOSE_STOPPED = 1001
"""The close code ("going away", RFC 6455, section 7.4.1) of an agent that was stopped and will not reconnect by itself."""

Segments = Annotated[tuple[SegmentId, ...], Meta(max_length=SEND_AGAIN_MOST)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame of the websocket."""


class Hello(_Message, tag="hello", frozen=True):
    """First frame of the agent: its protocol version and its configuration."""

    protocol: int
    agent_version: str
    reported: Reported


class Report(_Message, tag="report", frozen=True):
    """The agent applied a configuration, or failed to."""

    reported: Reported


class Heartbeat(_Message, tag="heartbeat", frozen=True):
    """The agent's status, every `status.HEARTBEAT_S` and immediately when a state in it changes."""

    status: AgentStatus


class SendingAgain(_Message, tag="sending_again", frozen=True):
    """The answer to `SendAgain`: segments that will be uploaded again, segments that are no longer on the disk, and damaged
    ones. A lost or repeated answer is harmless: segments without an answer are requested again.
    """

    coming: Segments = ()
    gone: Segments = ()
    damaged: Segments = ()


class Welcome(_Message, tag="welcome", frozen=True):
    """First frame of the control plane: its protocol version and its time."""

    protocol: int
    server_time_at: Instant


class Desired(_Message, tag="desired", frozen=True):
    """The newest desired configuration. Lost, repeated or reordered frames are harmless.

    `check` covers the version number, which the document's hash does not: with one digit of it corrupted, an agent would
    treat all later configurations as older. Protocol versions before 3 do not have it; `pushed` computes it.
    """

    config: AgentConfig
    check: Sha256Hex | UnsetType = UNSET

    @property
    def is_intact(self) -> bool:
        """Whether the frame arrived unchanged; true without a `check`."""
        return self.check is UNSET or self.check == _check(self.config)


def pushed(config: AgentConfig, *, protocol: int) -> Desired:
    """Returns the frame with a configuration for an agent of protocol version `protocol`."""
    return Desired(config=config, check=_check(config) if protocol >= 3 else UNSET)


def _check(config: AgentConfig) -> str:
    return document_hash([config.agent_id, config.version, config.hash])


class SendAgain(_Message, tag="send_again", frozen=True):
    """Requests committed segments again whose objects are lost or damaged in the store.

    Lost, repeated or reordered frames are harmless.
    """

    segment_ids: Segments


class Revoked(_Message, tag="revoked", frozen=True):
    """Revokes this agent: a signed `pairing.Revocation` as compact JWT."""

    revocation: str


class Fault(_Message, tag="fault", frozen=True):
    """The control plane could not process the last frame; it closes the websocket after this."""

    code: Code
    detail: str


FromAgent = Hello | Report | Heartbeat | SendingAgain
ToAgent = Welcome | Desired | SendAgain | Revoked | Fault
