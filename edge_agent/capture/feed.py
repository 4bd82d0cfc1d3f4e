"""Distributes a camera's packets to its subscribers through bounded queues, without ever waiting for one."""

import threading
from collections import deque
from typing import Protocol

import msgspec

from edge_agent.sources.packet import Kind, MediaPacket, StreamInfo
from shared.protocol.media import ClockEstimate
from shared.protocol.status import CameraError


class RunClock(Protocol):
    """Maps the media clock of one run to UTC; fed by the reader, readable by any thread. Implemented in `sync`."""

    def observe(self, packet: MediaPacket) -> bool:
        """Observes a packet. Returns True if the clock stepped, so that a new run must start with this packet."""
        ...

    def estimate(self) -> ClockEstimate | None:
        """Returns the current estimate, or None before the first packet."""
        ...


class RunStarted(msgspec.Struct, frozen=True):
    """A new media timeline starts: the camera (re)connected, its clock stepped, or its format changed."""

    info: StreamInfo
    clock: RunClock
    because: str
    """`connected`, `clock_step` or `format_change`."""


class RunEnded(msgspec.Struct, frozen=True):
    """The timeline ends. `error` is the camera's failure; None: the agent stopped it, or another run follows at once."""

    error: CameraError | None
    detail: str = ""


class Dropped(msgspec.Struct, frozen=True):
    """This subscriber was too slow and lost packets here. The next item is a key frame or a new run."""

    packets: int


Item = RunStarted | RunEnded | Dropped | MediaPacket

QUEUE_LIMIT_BYTES = 32 << 20
"""About 50 s of a 5 Mb/s camera: a disk that stalls longer loses packets, which is reported."""
BACKLOG_NS = 5_000_000_000
"""How much of the past a new subscriber gets, in whole GOPs: the time that a start button's command takes to arrive."""
BACKLOG_LIMIT_BYTES = 16 << 20


class Subscription:
    """One subscriber's queue. The feed offers from the reader's thread; one other thread takes.

    It wakes up per GOP, not per packet: a recorder needs no more, at half the cost.
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
        """Queues an item without waiting. Returns the number of packets dropped: 0 or 1."""
        with self._ready:
            if isinstance(item, MediaPacket):
                if not self._admits(item):
                    return 1
                self._bytes += item.size_bytes
                self._urgent |= item.keyframe and item.kind is Kind.VIDEO
            else:
                # Before the end of the run: the loss belongs to the run in which it happened.
                self._report_dropped()
                self._dropping = False
                self._urgent = True
            self._items.append(item)
            if self._urgent or self._bytes * 2 > self._limit_bytes:
                self._ready.notify()
            return 0

    def _admits(self, packet: MediaPacket) -> bool:
        starts = packet.kind is Kind.VIDEO and packet.keyframe
        # After one lost packet the rest of its GOP cannot be decoded: drop everything up to the next key frame.
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
        """Returns the queued items, waiting up to `timeout_s` for a key frame or an event; may be empty.

        A loss is reported once it is over, or at once with `last`, for a subscriber that takes for the last time.
        """
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
        """Makes a waiting `take` return now. Any thread may call it."""
        with self._ready:
            self._urgent = True
            self._ready.notify()

    def close(self) -> None:
        """Ends the subscription: later items are not queued."""
        with self._ready:
            self.closed = True
            self._items.clear()
            self._bytes = 0
            self._ready.notify()


class Feed:
    """Fans out one camera. The reader calls `publish`; any thread may call `subscribe` and `unsubscribe`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._run: RunStarted | None = None
        self._groups: deque[list[MediaPacket]] = deque()
        self._group_bytes: deque[int] = deque()

    def subscribe(self, *, limit_bytes: int = QUEUE_LIMIT_BYTES, backlog: bool = True) -> Subscription:
        """Returns a queue that starts with the current run and, with `backlog`, the last few GOPs."""
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
        """Ends a subscription; idempotent."""
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
        subscription.close()

    def publish(self, item: Item) -> int:
        """Queues an item for every subscriber; returns the number of packets dropped in all queues."""
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
