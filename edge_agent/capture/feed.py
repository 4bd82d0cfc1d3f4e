"""Hands a camera's packets to its subscribers: bounded, shared, and never waiting for any of them."""

import threading
from collections import deque
from typing import Protocol

import msgspec

from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from shared.protocol.media import ClockEstimate
from shared.protocol.status import CameraError


class RunClock(Protocol):
    """Maps the media clock of one run to UTC; fed by the reader, read by anyone. Implemented in `sync`."""

    def observe(self, packet: MediaPacket) -> bool:
        """Takes a packet into account; True says that the clock stepped and a new run must begin with this packet."""
        ...

    def estimate(self) -> ClockEstimate | None:
        """Returns the line as known now, or None before the first packet."""
        ...


class RunStarted(msgspec.Struct, frozen=True):
    """A new media timeline begins: the camera (re)connected, its clock stepped, or its format changed."""

    info: StreamInfo
    clock: RunClock
    because: str
    """`connected`, `clock_step` or `format_change`."""


class RunEnded(msgspec.Struct, frozen=True):
    """The timeline ends. `error` says why the camera went; None: it was stopped by us, or another run follows at once."""

    error: CameraError | None
    detail: str = ""


class Dropped(msgspec.Struct, frozen=True):
    """This subscriber was too slow: packets were dropped here. What follows it begins with a key frame, or a new run."""

    packets: int


Item = RunStarted | RunEnded | Dropped | MediaPacket

QUEUE_LIMIT_BYTES = 32 << 20
"""About 50 s of a 5 Mb/s camera: a disk that stalls longer than that loses packets, and says so."""
BACKLOG_NS = 5_000_000_000
"""How much of the past a new subscriber gets, in whole groups of pictures: what a button press takes to arrive here."""
BACKLOG_LIMIT_BYTES = 16 << 20


class Subscription:
    """One subscriber's queue. The feed offers from the reader's thread; one other thread takes.

    Wake-ups are per group of pictures, not per packet: whoever records needs no more, and it is half the cost.
    """

    def __init__(self, limit_bytes: int = QUEUE_LIMIT_BYTES) -> None:
        self._ready = threading.Condition(threading.Lock())
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._limit_bytes = limit_bytes
        self._dropped = 0
        self._dropping = False
        self._urgent = False
        self.closed = False

    @property
    def dropping(self) -> bool:
        """Whether packets are being dropped now. Any thread."""
        return self._dropping

    def offer(self, item: Item) -> int:
        """Puts an item in; never waits. Returns how many packets were dropped by it: 0 or 1."""
        with self._ready:
            if isinstance(item, MediaPacket):
                if not self._admits(item):
                    return 1
                self._bytes += item.size_bytes
                self._urgent |= item.keyframe and item.kind is Kind.VIDEO
            else:
                # Before the run ends: whoever records has to hear of the loss in the run that it happened in.
                self._report_dropped()
                self._dropping = False
                self._urgent = True
            self._items.append(item)
            if self._urgent or self._bytes * 2 > self._limit_bytes:
                self._ready.notify()
            return 0

    def _admits(self, packet: MediaPacket) -> bool:
        starts = packet.kind is Kind.VIDEO and packet.keyframe
        if self._bytes + packet.size_bytes > self._limit_bytes or (self._dropping and not starts):
            self._dropping = True
            self._dropped += 1
            return False
        self._report_dropped()
        self._dropping = False
        return True

    def _report_dropped(self) -> None:
        if self._dropped:
            self._items.append(Dropped(self._dropped))
            self._dropped = 0

    def take(self, timeout_s: float, *, last: bool = False) -> list[Item]:
        """Returns all that came since, waiting up to `timeout_s` for something worth waking for; may be empty.

        Packets that are being dropped are told of when the loss is over, or now to one that asks for the `last` time."""
        with self._ready:
            if not (self._urgent or self.closed):
                self._ready.wait(timeout_s)
            if last:
                self._report_dropped()
            items = list(self._items)
            self._items.clear()
            self._bytes = 0
            self._urgent = False
            return items

    def wake(self) -> None:
        """Makes a waiting `take` return now. Any thread."""
        with self._ready:
            self._urgent = True
            self._ready.notify()

    def close(self) -> None:
        """Ends the subscription: nothing is queued any more."""
        with self._ready:
            self.closed = True
            self._items.clear()
            self._bytes = 0
            self._ready.notify()


class Feed:
    """Fans one camera out. `publish` is the reader's; `subscribe` and `unsubscribe` are anyone's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._run: RunStarted | None = None
        self._groups: deque[list[MediaPacket]] = deque()
        self._group_bytes: deque[int] = deque()

    def subscribe(self, *, limit_bytes: int = QUEUE_LIMIT_BYTES, backlog: bool = True) -> Subscription:
        """Returns a queue that begins with the present run and, with `backlog`, the last few groups of pictures."""
        subscription = Subscription(limit_bytes)
        with self._lock:
            if self._run is not None:
                subscription.offer(self._run)
                for group in self._groups if backlog else ():
                    for packet in group:
                        subscription.offer(packet)
            self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; harmless twice."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
        subscription.close()

    def publish(self, item: Item) -> int:
        """Gives an item to every subscriber; returns how many packets were dropped in all of their queues."""
        with self._lock:
            self._remember(item)
            dropped = 0
            for subscription in self._subscriptions:
                dropped += subscription.offer(item)
            return dropped

    def _remember(self, item: Item) -> None:
        if isinstance(item, MediaPacket):
            if item.keyframe and item.kind is Kind.VIDEO:
                self._groups.append([])
                self._group_bytes.append(0)
                self._forget_old(item.arrival_ns)
            if self._groups:
                self._groups[-1].append(item)
                self._group_bytes[-1] += item.size_bytes
                if sum(self._group_bytes) > BACKLOG_LIMIT_BYTES:
                    self._groups.popleft()
                    self._group_bytes.popleft()
        elif not isinstance(item, Dropped):
            self._run = item if isinstance(item, RunStarted) else None
            self._groups.clear()
            self._group_bytes.clear()

    def _forget_old(self, now_ns: int) -> None:
        while (
            len(self._groups) > 1 and self._groups[1] and now_ns - self._groups[1][0].arrival_ns > BACKLOG_NS
        ):
            self._groups.popleft()
            self._group_bytes.popleft()
