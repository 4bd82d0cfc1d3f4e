"""Deadlines of connections: decisions about times and sizes, without sockets.

A request head must be complete within `head_s` of its first byte. The peer must read what we send: at least
`drain_bytes` in each `drain_s`, or everything. `ingest.gate` controls the pace of request bodies, because it knows them.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of every connection. Sizes in bytes, times in seconds."""

    head_bytes: int = 32 * 1024
    """Request line and headers together. Node's default is 16 KiB, nginx's 32 KiB; SAML sends long URLs."""
    target_bytes: int = 16 * 1024
    header_count: int = 100
    upgrade_line_bytes: int = 4096
    """Longest header or target of a websocket upgrade; the library closes at 8 KiB without a response."""
    pipelined: int = 16
    """Requests that wait on one connection behind the current one. Browsers do not pipeline."""
    head_s: float = 10.0
    handshake_s: float = 30.0
    """From the upgrade until the gateway accepts or refuses a websocket."""
    drain_s: float = 60.0
    """The kernel reports sent data in steps of up to its own buffer; a shorter window would end slow but honest readers."""
    drain_bytes: int = 30_000
    framing_bytes: int = 64 * 1024
    """Bytes of a chunked body without content (chunk extensions, trailers) between two chunks of content."""
    fragments: int = 1024
    """Frames of one websocket message."""
    unread_bytes: int = 256 * 1024
    """Pongs that a websocket may leave unread, in bytes."""
    unsent_per_share: int = 64 << 20
    unsent_in_all: int = 512 << 20
    """Bytes of responses not yet read by the peers, per address and in total."""


class Reason(Enum):
    """Why a connection is ended."""

    TOO_MANY = "There are too many connections."
    SLOW_HEAD = "The head was not complete in time."
    SLOW_HANDSHAKE = "The handshake was not complete in time."
    UNREAD = "The answer was not read in time."


class Phase(Enum):
    """Stage of a connection, by the event it is waiting for."""

    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "the answer, from us"
    IDLE = "the next request"
    HANDSHAKE = "the decision on a websocket, from us"
    LINK = "frames"


class Pace:
    """Progress of one connection. Times are monotonic, in seconds."""

    __slots__ = ("_floor_bytes", "_limits", "_since_s", "_unsent_s", "phase")

    def __init__(self, limits: Limits, now_s: float, phase: Phase = Phase.HEAD) -> None:
        self._limits = limits
        self.phase = phase
        self._since_s = now_s
        self._unsent_s = now_s
        self._floor_bytes = 0

    def enter(self, phase: Phase, now_s: float) -> None:
        """Changes to `phase`; starts its clock unless the connection is in it already."""
        if phase is not self.phase:
            self.phase = phase
            self._since_s = now_s

    def read(self, now_s: float) -> None:
        """Records that the peer has read everything, or nearly."""
        self._unsent_s = now_s
        self._floor_bytes = 0

    def overdue(self, now_s: float, unsent_bytes: int) -> Reason | None:
        """Returns why the connection must end, or None.

        Args:
            now_s: the current time; must not decrease between calls.
            unsent_bytes: bytes in the transport's write buffer.
        """
        waited_s = now_s - self._since_s
        if self.phase is Phase.HEAD and waited_s > self._limits.head_s:
            return Reason.SLOW_HEAD
        if self.phase is Phase.HANDSHAKE and waited_s > self._limits.handshake_s:
            return Reason.SLOW_HANDSHAKE
        return self._stalled(now_s, unsent_bytes)

    def _stalled(self, now_s: float, unsent_bytes: int) -> Reason | None:
        if not unsent_bytes:
            self.read(now_s)
        elif not self._floor_bytes or unsent_bytes <= self._floor_bytes - self._limits.drain_bytes:
            # The first check of a response, or the peer has read enough since the last one.
            self._floor_bytes = unsent_bytes
            self._unsent_s = now_s
        elif now_s - self._unsent_s > self._limits.drain_s:
            return Reason.UNREAD
        return None
