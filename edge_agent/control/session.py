"""The conversation with the control plane: pure, without sockets, clocks or disks.

`ConfigFilter` decides which pushed configuration is new; `Session` is the protocol of one connection.
Source: protocols.md, section 2.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

import msgspec

from shared.protocol.codec import decode, document_hash, encode
from shared.protocol.config import AgentConfig
from shared.protocol.errors import Code
from shared.protocol.ids import AgentId, SegmentId, StudioId
from shared.protocol.messages import (
    Desired,
    Fault,
    FromAgent,
    Heartbeat,
    Hello,
    Report,
    Revoked,
    SendAgain,
    SendingAgain,
    ToAgent,
    Welcome,
)
from shared.protocol.status import AgentStatus, Reported, status_for_version
from shared.protocol.version import OLDEST_VERSION, PROTOCOL_VERSION


@dataclass(frozen=True)
class Opened:
    """The control plane has answered with its protocol version and its time."""

    protocol: int
    server_time_at: datetime


@dataclass(frozen=True)
class Candidate:
    """A configuration newer than all before: to be applied, then reported."""

    config: AgentConfig


@dataclass(frozen=True)
class Repeated:
    """A configuration that is known or older: only report what is in force."""


@dataclass(frozen=True)
class Refusal:
    """A configuration that must not be applied, to be reported as failed. `alarm`: a person has to look into it.

    `version` is None if it could not be read.
    """

    version: int | None
    error: str
    alarm: bool


@dataclass(frozen=True)
class RequeueRequest:
    """Committed segments that the control plane has lost and requests again."""

    segment_ids: tuple[SegmentId, ...]


@dataclass(frozen=True)
class Revocation:
    """A revocation of this agent as a compact JWT, to be verified."""

    jwt: str


@dataclass(frozen=True)
class Ended:
    """The control plane ended the connection because of our last frame."""

    code: Code
    detail: str


@dataclass(frozen=True)
class Ignored:
    """A frame that this version does not know."""

    detail: str


Verdict = Candidate | Repeated | Refusal
Event = Opened | Candidate | Repeated | Refusal | RequeueRequest | Revocation | Ended | Ignored


class ConfigFilter:
    """Remembers the newest configuration received, and checks each further one against it.

    Lives as long as the agent, so that one configuration by websocket, by HTTP and after a reconnect is applied once.
    """

    def __init__(self, agent_id: AgentId, studio_id: StudioId, newest: tuple[int, str] | None) -> None:
        self._agent_id = agent_id
        self._studio_id = studio_id
        self._newest = newest

    @property
    def newest(self) -> tuple[int, str] | None:
        """Version and hash of the newest configuration received; None before the first."""
        return self._newest

    def check(self, config: AgentConfig) -> Verdict:
        """Returns the verdict on `config`; a `Candidate` becomes the newest."""
        if config.agent_id != self._agent_id or config.body.studio_id != self._studio_id:
            return Refusal(config.version, "this configuration is for another agent", alarm=True)
        if document_hash(config.body) != config.hash:
            return Refusal(config.version, "the configuration does not match its hash", alarm=True)
        if self._newest is None or config.version > self._newest[0]:
            self._newest = (config.version, config.hash)
            return Candidate(config)
        if config.version == self._newest[0] and config.hash != self._newest[1]:
            return Refusal(
                config.version,
                f"version {config.version} came twice with different content: two control planes own this agent, "
                "or a backup was restored",
                alarm=True,
            )
        return Repeated()

    def check_bytes(self, data: bytes) -> Verdict:
        """Returns the verdict on an `AgentConfig` in JSON."""
        try:
            config = decode(data, AgentConfig)
        except msgspec.DecodeError as error:
            return Refusal(_version_of(data), f"the configuration cannot be read: {error}", alarm=False)
        return self.check(config)


class State(Enum):
    """The state of a connection: GREETING -> OPEN -> CLOSED."""

    GREETING = auto()
    OPEN = auto()
    CLOSED = auto()


class Session:
    """The protocol of one connection: turns frames into events, and builds the frames to send.

    `hello` is sent first. Nothing but it may be sent before `Opened` (state `OPEN`), nothing at all once `CLOSED`.
    """

    def __init__(self, config_filter: ConfigFilter, agent_version: str) -> None:
        self._config_filter = config_filter
        self._agent_version = agent_version
        self._peer = OLDEST_VERSION
        self.state = State.GREETING

    def hello(self, reported: Reported) -> bytes:
        """Returns the first frame."""
        return _frame(Hello(protocol=PROTOCOL_VERSION, agent_version=self._agent_version, reported=reported))

    def report(self, reported: Reported) -> bytes:
        """Returns the frame that states which configuration is in force."""
        return _frame(Report(reported=reported))

    def heartbeat(self, status: AgentStatus) -> bytes:
        """Returns the frame with the agent's status."""
        return _frame(Heartbeat(status=status_for_version(self._peer, status)))

    def requeue_answer(self, answer: SendingAgain) -> bytes:
        """Returns the frame that answers a request for lost segments."""
        return _frame(answer)

    def receive(self, data: bytes) -> Event:
        """Returns the event of a frame from the control plane."""
        try:
            message: ToAgent = decode(data, ToAgent)  # type: ignore[arg-type]  # to msgspec a union is a type
        except msgspec.DecodeError as error:
            if _kind_of(data) == "desired":
                return Refusal(_version_of(data), f"the configuration cannot be read: {error}", alarm=False)
            return Ignored(str(error))
        match message:
            case Welcome():
                self.state = State.OPEN
                self._peer = message.protocol
                return Opened(message.protocol, message.server_time_at)
            case Desired():
                if not message.is_intact:
                    # Not refused: an unacknowledged configuration is sent again.
                    return Ignored("a configuration was damaged on the way")
                return self._config_filter.check(message.config)
            case SendAgain():
                return RequeueRequest(message.segment_ids)
            case Revoked():
                self.state = State.CLOSED
                return Revocation(message.revocation)
            case Fault():
                self.state = State.CLOSED
                return Ended(message.code, message.detail)


class _Outline(msgspec.Struct, frozen=True):
    """The identifying fields of a frame or document, whatever else it holds."""

    type: str = ""
    version: int | None = None
    config: "_Outline | None" = None


def _outline(data: bytes) -> _Outline:
    try:
        return msgspec.json.decode(data, type=_Outline)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Outline()


def _kind_of(data: bytes) -> str:
    return _outline(data).type


def _version_of(data: bytes) -> int | None:
    outline = _outline(data)
    return outline.config.version if outline.config else outline.version


def _frame(message: FromAgent) -> bytes:
    return encode(message)
