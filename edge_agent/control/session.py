"""What the link says and how it takes what it hears: pure, without sockets, clocks or disks.

`ConfigFilter` decides which of the pushed configurations is new; `Session` is one connection's conversation on top of it.
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
from shared.protocol.status import AgentStatus, Reported, status_in_words_of
from shared.protocol.version import OLDEST_SPOKEN, PROTOCOL_VERSION


@dataclass(frozen=True)
class Opened:
    """The control plane has answered: it speaks `protocol`, and its time is `server_time_at`."""

    protocol: int
    server_time_at: datetime


@dataclass(frozen=True)
class Candidate:
    """A configuration newer than all before it: to be applied, then reported."""

    config: AgentConfig


@dataclass(frozen=True)
class Repeated:
    """What we have already, or something older: nothing to do but to report what is in force."""


@dataclass(frozen=True)
class Refusal:
    """A configuration that must not be applied; to be reported as failed. `alarm`: somebody has to look at it.

    `version` is None where it could not even be read.
    """

    version: int | None
    error: str
    alarm: bool


@dataclass(frozen=True)
class RequeueRequest:
    """Committed segments that the control plane has lost: to be sent again where they are still here."""

    segment_ids: tuple[SegmentId, ...]


@dataclass(frozen=True)
class Revocation:
    """The end of this agent, if the signature is good: a compact JWT."""

    jwt: str


@dataclass(frozen=True)
class Ended:
    """The control plane gave up this connection: it could not use our last frame."""

    code: Code
    detail: str


@dataclass(frozen=True)
class Ignored:
    """A frame that this version does not know."""

    detail: str


Verdict = Candidate | Repeated | Refusal
Event = Opened | Candidate | Repeated | Refusal | RequeueRequest | Revocation | Ended | Ignored


class ConfigFilter:
    """The newest configuration this agent has met, and the judgement of each further one against it.

    Lives as long as the agent: a push by websocket, the same by HTTP and the same after a reconnect are one thing.
    """

    def __init__(self, agent_id: AgentId, studio_id: StudioId, newest: tuple[int, str] | None) -> None:
        self._agent_id = agent_id
        self._studio_id = studio_id
        self._newest = newest

    @property
    def newest(self) -> tuple[int, str] | None:
        """Version and hash of the newest configuration met, or None before the first."""
        return self._newest

    def check(self, config: AgentConfig) -> Verdict:
        """Returns what to do with `config`; a `Candidate` is the newest from then on."""
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
        """Returns what to do with an `AgentConfig` in JSON."""
        try:
            config = decode(data, AgentConfig)
        except msgspec.DecodeError as error:
            return Refusal(_version_of(data), f"the configuration cannot be read: {error}", alarm=False)
        return self.check(config)


class State(Enum):
    """How far a conversation is."""

    GREETING = auto()
    OPEN = auto()
    CLOSED = auto()


class Session:
    """One connection: frames in, events out; and the frames to send.

    `hello` is sent first. Nothing but it may be sent before `Opened` (state `OPEN`), nothing at all once `CLOSED`.
    """

    def __init__(self, config_filter: ConfigFilter, agent_version: str) -> None:
        self._config_filter = config_filter
        self._agent_version = agent_version
        self._peer = OLDEST_SPOKEN
        self.state = State.GREETING

    def hello(self, reported: Reported) -> bytes:
        """Returns the first frame."""
        return _frame(Hello(protocol=PROTOCOL_VERSION, agent_version=self._agent_version, reported=reported))

    def report(self, reported: Reported) -> bytes:
        """Returns the frame that states which configuration is in force."""
        return _frame(Report(reported=reported))

    def heartbeat(self, status: AgentStatus) -> bytes:
        """Returns the frame that states how the agent is."""
        return _frame(Heartbeat(status=status_in_words_of(self._peer, status)))

    def requeue_answer(self, answer: SendingAgain) -> bytes:
        """Returns the frame that says what of the segments that were wanted again is coming."""
        return _frame(answer)

    def receive(self, data: bytes) -> Event:
        """Returns what a frame of the control plane means for us."""
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
                if not message.is_whole:
                    # Not refused: it is sent once more where it is not acknowledged.
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
    """As much of a frame or a document as names it, whatever else it holds."""

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
