"""What travels over the agent's websocket, one tagged union for each direction."""

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
"""So many segments are asked for at a time: the box reads each back before it answers."""
SEND_AGAIN_SINCE = 3
"""The first version that knows `SendAgain`."""

CLOSE_STOPPED = 1001
"""The close code ("going away", RFC 6455, section 7.4.1) of an agent that was stopped and will not come back by itself."""

Segments = Annotated[tuple[SegmentId, ...], Meta(max_length=SEND_AGAIN_MOST)]


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A frame of the link."""


class Hello(_Message, tag="hello", frozen=True):
    """First frame of the agent: what it speaks and which configuration it has."""

    protocol: int
    agent_version: str
    reported: Reported


class Report(_Message, tag="report", frozen=True):
    """The agent's configuration changed, or failed to."""

    reported: Reported


class Heartbeat(_Message, tag="heartbeat", frozen=True):
    """The agent's status, every `status.HEARTBEAT_S` and at once when a state in it changes."""

    status: AgentStatus


class SendingAgain(_Message, tag="sending_again", frozen=True):
    """The answer to `SendAgain`: what is on its way as if it had never been sent, what is no longer on the disk, and what
    is there and damaged. Losing or doubling it is harmless: what was not answered is asked for again.
    """

    coming: Segments = ()
    gone: Segments = ()
    damaged: Segments = ()


class Welcome(_Message, tag="welcome", frozen=True):
    """First frame of the control plane: its time, and what it speaks."""

    protocol: int
    server_time_at: Instant


class Desired(_Message, tag="desired", frozen=True):
    """The newest desired configuration. Losing, doubling or reordering these frames is harmless.

    `check` is of what the document's own hash is not of: with a digit of its number changed on the way, a box would take
    all that comes later for older. Versions before 3 do not write it; it is made by `pushed`.
    """

    config: AgentConfig
    check: Sha256Hex | UnsetType = UNSET

    @property
    def is_whole(self) -> bool:
        """Whether it came as it was sent, as far as it says so."""
        return self.check is UNSET or self.check == _check(self.config)


def pushed(config: AgentConfig, *, protocol: int) -> Desired:
    """Returns the frame that brings a configuration to an agent that speaks `protocol`."""
    return Desired(config=config, check=_check(config) if protocol >= 3 else UNSET)


def _check(config: AgentConfig) -> str:
    return document_hash([config.agent_id, config.version, config.hash])


class SendAgain(_Message, tag="send_again", frozen=True):
    """Segments that were committed and whose objects the control plane has lost since: the box is to send what it still has.

    Losing, doubling or reordering these frames is harmless.
    """

    segment_ids: Segments


class Revoked(_Message, tag="revoked", frozen=True):
    """The end of this agent: a signed `pairing.Revocation` as compact JWT."""

    revocation: str


class Fault(_Message, tag="fault", frozen=True):
    """The control plane could not use the last frame; it closes the link after this."""

    code: Code
    detail: str


FromAgent = Hello | Report | Heartbeat | SendingAgain
ToAgent = Welcome | Desired | SendAgain | Revoked | Fault
