"""When a connection has taken too long: decisions over times and sizes, without sockets.

A head has to be complete within `head_s` of its first byte. What we send has to be read: at least `drain_bytes` in each
`drain_s`, or all of it. The pace of request bodies is the concern of `ingest.gate`, which knows what they are.
"""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every connection. Sizes in bytes, times in seconds."""

    head_bytes: int = 32 * 1024
    """Request line and headers together. Node's default is 16 KiB, nginx' 32; SAML sends long addresses."""
    target_bytes: int = 16 * 1024
    header_count: int = 100
    upgrade_line_bytes: int = 4096
    """The longest header or target of a websocket upgrade; the library stops at 8 KiB, without an answer."""
    pipelined: int = 16
    """Requests that wait on one connection behind the one that is being answered. Browsers send none."""
    head_s: float = 10.0
    handshake_s: float = 30.0
    """From the upgrade until the gateway accepts or refuses a websocket."""
    drain_s: float = 60.0
    """The kernel hands on what it sent in steps of up to its own buffer; a shorter window would end slow honest readers."""
    drain_bytes: int = 30_000
    framing_bytes: int = 64 * 1024
    """Bytes of a chunked body that carry no content (chunk extensions, trailers) between two pieces of content."""
    fragments: int = 1024
    """Frames of one websocket message."""
    unread_bytes: int = 256 * 1024
    """Pongs that a websocket may leave unread."""
    unsent_per_share: int = 64 << 20
    unsent_in_all: int = 512 << 20
    """Bytes of answers that nobody has read yet, per address and in all."""


class Reason(Enum):
    """Why a connection is ended."""

    TOO_MANY = "There are too many connections."
    SLOW_HEAD = "The head was not complete in time."
    SLOW_HANDSHAKE = "The handshake was not complete in time."
    UNREAD = "The answer was not read in time."


class Phase(Enum):
    """The part of a request or answer that a connection waits for."""

    HEAD = "the rest of a request's head"
    BODY = "the rest of a request's body"
    ANSWER = "the answer, from us"
    IDLE = "the next request"
    HANDSHAKE = "the decision on a websocket, from us"
    LINK = "frames"


class Pace:
    """How far one connection has come. Times are of one monotonic clock, in seconds."""

    __slots__ = ("_floor_bytes", "_limits", "_since_s", "_unsent_s", "phase")

    def __init__(self, limits: Limits, now_s: float, phase: Phase = Phase.HEAD) -> None:
        self._limits = limits
        self.phase = phase
        self._since_s = now_s
        self._unsent_s = now_s
        self._floor_bytes = 0

    def enter(self, phase: Phase, now_s: float) -> None:
        """Goes into `phase`, and starts its time where it is not in it yet."""
        if phase is not self.phase:
            self.phase = phase
            self._since_s = now_s

    def read(self, now_s: float) -> None:
        """Notes that the peer has read what was sent so far, or nearly."""
        self._unsent_s = now_s
        self._floor_bytes = 0

    def overdue(self, now_s: float, unsent_bytes: int) -> Reason | None:
        """Returns why the connection has to end; None where it may go on.

        Args:
            now_s: the time; calls must not go back in time.
            unsent_bytes: what the transport still holds for the peer.
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
            # The first look at an answer, or enough of it read since the last.
            self._floor_bytes = unsent_bytes
            self._unsent_s = now_s
        elif now_s - self._unsent_s > self._limits.drain_s:
            return Reason.UNREAD
        return None
