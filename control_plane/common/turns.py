"""Fair scheduling of scarce slots between parties: threads of requests, uploads, upgrades of sockets.

A request waits for its turn in the event loop, where waiting costs neither a thread nor a connection. The party with the
least load goes first, and no party holds more turns than its limit. Load is recent use plus the expected cost of all
requests that the party has outstanding: a flood shows in it with its first requests, before any of them has cost
anything. While a lighter party is active, a clearly heavier one may be held to fewer turns, and its work in a thread,
which calls `give_way`, pauses briefly wherever the lighter one works. A flood gets the capacity that others leave.
"""

import asyncio
import contextlib
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from control_plane.common.errors import Busy

T = TypeVar("T")

HALF_LIFE_S = 2.0
"""Recorded use halves in this time. Short, so that within a second a flood outweighs a studio that has worked for
minutes; with 20 s, the flood went first for as long."""
FIRST_COST_S, COST_WEIGHT = 0.1, 0.2
"""The expected cost of a party's first request, and the weight of each finished one in the moving average after it."""
ACTIVE_S = 2.0
"""A party that made a request within this time counts as active."""
TOO_MANY = "Too many requests are waiting."
RETRY_AFTER_S = 5
MOST_PARTIES = 4096
"""Parties whose use is kept; the least recently active one is dropped first."""
CLEARLY_S = 0.25
"""A party has clearly less load where the difference exceeds this."""
STOP_S = 0.05
"""Longest single pause. It ends earlier with the turn that it waits for."""
STOPS_S, STOPS_EACH = 1.0, 4.0
"""The longest total pause of a turn: a constant, plus this multiple of its use. Bounded because the turn may hold locks."""


@dataclass(frozen=True, slots=True)
class Party:
    """One of the parties that a turn counts for."""

    name: Hashable
    most: int
    """Turns that it may hold at once."""
    takes: int = 1
    """Amount that this turn takes: for a party whose `most` is in bytes, its bytes. At most `most`."""


@dataclass(slots=True, eq=False)
class Turn:
    """A turn that is held. Threads read each other's turns; each writes only its own.

    `used_s` is its cost so far, added by its holder.
    """

    party: Hashable = None
    use: "_Use | None" = None
    """The use of its party, or None."""
    used_s: float = 0.0
    stopped_s: float = 0.0
    cpu_at_s: float = 0.0
    """The thread's processor time when it was last counted."""

    def count_cpu(self) -> None:
        """Adds the processor time since the last count. Runs in the turn's thread."""
        now_s = time.thread_time()
        self.used_s += now_s - self.cpu_at_s
        self.cpu_at_s = now_s

    def load_s(self, now_s: float) -> float:
        """Returns the load of its party with what this turn has used so far."""
        return self.used_s + (self.use.load_s(now_s) if self.use else 0.0)


@dataclass(slots=True)
class _Use:
    """The requests of a party and their cost. Written in the event loop; threads read it for `stop_for_others`."""

    at_s: float
    used_s: float = 0.0
    """Halves every `HALF_LIFE_S` from `at_s` on."""
    held: int = 0
    """Sum of `Party.takes` of its turns."""
    waiting: int = 0
    turns: int = 0
    """Waiting requests, and turns that are held; counted for the first party of a turn only."""
    cost_s: float = FIRST_COST_S
    """The expected cost of one request."""
    asked_s: float = -math.inf

    def load_s(self, now_s: float) -> float:
        """Returns its recent use and the expected cost of its outstanding requests."""
        return self.by(now_s) + (self.waiting + self.turns) * self.cost_s

    def is_active(self, now_s: float) -> bool:
        """Returns whether it has outstanding requests, or asked recently."""
        return self.waiting + self.turns > 0 or now_s - self.asked_s < ACTIVE_S

    def by(self, now_s: float) -> float:
        """Returns the rest of its use at `now_s`."""
        return self.used_s * math.exp2((self.at_s - now_s) / HALF_LIFE_S)

    def add(self, used_s: float, now_s: float) -> None:
        """Adds use and updates the expected cost."""
        self.used_s, self.at_s = self.by(now_s) + used_s, now_s
        self.cost_s += COST_WEIGHT * (used_s - self.cost_s)


_Waiter = tuple[Sequence[Party], "asyncio.Future[Turn]"]


class FairTurns:
    """`in_all` turns. Belongs to one event loop at a time; all but `give_way` runs in it.

    A turn is counted for several parties. The first one's load decides the order; the others (a person, a kind of work) only
    bound how many turns are held at once.

    Args:
        in_all: number of turns.
        kept: number of turns reserved for parties that hold none.
        crowded: turns that a clearly heavier party may hold while a lighter one is active; None: as many as otherwise.
        most_waiting: waiting requests of one party.
        waiting_in_all: waiting requests of all parties; beyond it, the party with most of them loses its newest.
    """

    def __init__(
        self,
        *,
        in_all: int,
        kept: int = 0,
        crowded: int | None = None,
        most_waiting: int = 256,
        waiting_in_all: int = 2048,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free, self._kept, self._now = in_all, kept, now
        self._crowded = crowded if crowded is not None else in_all
        self._most_waiting, self._waiting_in_all = most_waiting, waiting_in_all
        self._waiting = 0
        self._uses: OrderedDict[Hashable, _Use] = OrderedDict()
        self._active: OrderedDict[Hashable, _Use] = OrderedDict()
        """Uses of the parties that are first of a turn and active, or were recently; the least recent first."""
        self._lines: OrderedDict[tuple[Hashable, ...], deque[_Waiter]] = OrderedDict()
        """Waiting requests by their parties' names: an upload that must wait does not block a page of the same studio."""
        self._working: tuple[Turn, ...] = ()
        """Turns whose holders work in a thread; replaced whole, so that threads read it without a lock."""
        self._ended = threading.Condition()

    @contextlib.asynccontextmanager
    async def taken(self, parties: Sequence[Party], *, within_s: float) -> AsyncIterator[Turn]:
        """Holds a turn until the block ends.

        Raises:
            Busy: too many requests of the party, or in total, are waiting, or no turn was free within the time.
        """
        turn = await self._wait(parties, within_s)
        try:
            yield turn
        finally:
            self._give_back(parties, turn)

    @contextlib.contextmanager
    def working(self, turn: Turn) -> Iterator[None]:
        """Makes others give way to a turn, and this thread to others, and counts its processor time, until the block ends.

        Runs in the turn's thread.
        """
        with self._ended:
            self._working = (*self._working, turn)
        _way.turns, _way.turn = self, turn
        turn.cpu_at_s = time.thread_time()
        try:
            yield
        finally:
            turn.count_cpu()
            _way.turns = _way.turn = None
            with self._ended:
                self._working = tuple(other for other in self._working if other is not turn)
                self._ended.notify_all()

    def stop_for_others(self, turn: Turn) -> None:
        """Pauses briefly while a party with clearly less load works. Runs in the turn's thread."""
        turn.count_cpu()
        before = self._lighter(turn)
        if before is None or turn.stopped_s >= STOPS_S + STOPS_EACH * turn.used_s:
            return
        began_s = time.monotonic()
        with self._ended:
            self._ended.wait_for(lambda: before not in self._working, STOP_S)
        turn.stopped_s += time.monotonic() - began_s

    def waiting(self) -> int:
        """Returns the number of waiting requests."""
        return self._waiting

    def _lighter(self, turn: Turn) -> Turn | None:
        now_s = self._now()
        most_s = turn.load_s(now_s) - CLEARLY_S
        for other in self._working:
            if other.load_s(now_s) < most_s and other.party != turn.party:
                return other
        return None

    async def _wait(self, parties: Sequence[Party], within_s: float) -> Turn:
        use = self._use(parties[0].name)
        if use.waiting >= self._most_waiting:
            raise Busy(TOO_MANY, retry_after_s=RETRY_AFTER_S)
        names = tuple(party.name for party in parties)
        line = self._lines.setdefault(names, deque())
        given: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        entry = (parties, given)
        line.append(entry)
        self._join(parties[0].name, use)
        self._dispatch()
        self._drop_surplus()
        try:
            async with asyncio.timeout(within_s):
                return await given
        except BaseException as error:
            if given.done() and not given.cancelled():
                if given.exception() is None:
                    # The turn was given at the very moment at which the wait ended.
                    self._give_back(parties, given.result())
            elif entry in line:
                line.remove(entry)
                self._left(names)
            if isinstance(error, TimeoutError):
                raise Busy(
                    "Other requests of yours are still under way.", retry_after_s=RETRY_AFTER_S
                ) from error
            raise

    def _give_back(self, parties: Sequence[Party], turn: Turn) -> None:
        self._free += 1
        self._use(parties[0].name).turns -= 1
        now_s = self._now()
        for party in parties:
            use = self._use(party.name)
            use.held -= party.takes
            use.add(turn.used_s, now_s)
        self._dispatch()

    def _dispatch(self) -> None:
        now_s = self._now()
        while self._free > 0 and (names := self._next(now_s)) is not None:
            parties, given = self._lines[names].popleft()
            # To the end: behind all others with the same load.
            self._lines.move_to_end(names)
            self._left(names)
            if given.done():
                continue  # the caller has gone
            self._free -= 1
            for party in parties:
                self._use(party.name).held += party.takes
            first = self._use(parties[0].name)
            first.turns += 1
            given.set_result(Turn(parties[0].name, first))

    def _next(self, now_s: float) -> tuple[Hashable, ...] | None:
        """Returns the queue that goes next, or None if no waiting request may have a turn now."""
        best: tuple[Hashable, ...] | None = None
        best_s = math.inf
        lightest_s = min((use.load_s(now_s) for use in self._active_uses(now_s)), default=0.0)
        # 200 viewers of a class wait in 200 queues of one first party: its part of the answer is computed once.
        loads: dict[Hashable, float] = {}
        for names, line in self._lines.items():
            parties = line[0][0]
            load_s = loads.get(names[0])
            if load_s is None:
                load_s = loads[names[0]] = self._eligible_load_s(parties[0], lightest_s, now_s)
            if load_s < best_s and all(self._fits(party, party.takes) for party in parties):
                best, best_s = names, load_s
        return best

    def _eligible_load_s(self, first: Party, lightest_s: float, now_s: float) -> float:
        """Returns the load of a first party, or infinity if none of its requests may have a turn now."""
        use = self._uses[first.name]
        if not self._fits(first, 1) or (self._free <= self._kept and use.turns):
            return math.inf
        load_s = use.load_s(now_s)
        is_heavier = load_s > lightest_s + CLEARLY_S
        return math.inf if is_heavier and use.turns >= self._crowded else load_s

    def _fits(self, party: Party, takes: int) -> bool:
        return self._held(party) + takes <= party.most

    def _join(self, name: Hashable, use: _Use) -> None:
        """Counts a waiting request. A party that was idle starts with the use of the lightest active one."""
        now_s = self._now()
        if not use.is_active(now_s):
            # Idle time earns no credit; otherwise a flood that starts would go ahead of a studio that has been working.
            others = (other.by(now_s) for other in self._active_uses(now_s))
            use.used_s, use.at_s = max(use.by(now_s), min(others, default=0.0)), now_s
        self._waiting += 1
        use.waiting += 1
        use.asked_s = now_s
        self._active[name] = use
        self._active.move_to_end(name)

    def _active_uses(self, now_s: float) -> list[_Use]:
        while self._active and not next(iter(self._active.values())).is_active(now_s):
            self._active.popitem(last=False)
        return [use for use in self._active.values() if use.is_active(now_s)]

    def _held(self, party: Party) -> int:
        use = self._uses.get(party.name)
        return use.held if use else 0

    def _use(self, name: Hashable) -> _Use:
        use = self._uses.get(name)
        if use is None:
            use = self._uses[name] = _Use(self._now())
            self._forget_oldest()
        self._uses.move_to_end(name)
        return use

    def _forget_oldest(self) -> None:
        over = len(self._uses) - MOST_PARTIES
        if over > 0:
            idle = [name for name, use in self._uses.items() if not (use.held or use.waiting or use.turns)]
            for name in idle[:over]:
                del self._uses[name]
                self._active.pop(name, None)

    def _drop_surplus(self) -> None:
        while self._waiting > self._waiting_in_all:
            longest = max(
                self._lines, key=lambda names: (self._uses[names[0]].waiting, len(self._lines[names]))
            )
            _, given = self._lines[longest].pop()
            self._left(longest)
            if not given.done():
                given.set_exception(Busy(TOO_MANY, retry_after_s=RETRY_AFTER_S))

    def _left(self, names: tuple[Hashable, ...]) -> None:
        self._waiting -= 1
        self._uses[names[0]].waiting -= 1
        if not self._lines[names]:
            del self._lines[names]


class _Way(threading.local):
    """The turn of the current thread."""

    turns: FairTurns | None = None
    turn: Turn | None = None


_way = _Way()


def current_turn() -> Turn | None:
    """Returns the turn of the current thread, or None."""
    return _way.turn


def in_passing(items: Iterable[T], *, every: int = 256) -> Iterator[T]:
    """Yields items and gives way before every `every` of them; for long computing loops."""
    for number, item in enumerate(items):
        if number % every == 0:
            give_way()
        yield item


def give_way() -> None:
    """Pauses briefly while a party with clearly less load is working; does nothing outside of a turn.

    Call it between statements, and in loops whose length an agent or a studio determines.
    """
    if _way.turns is not None and _way.turn is not None:
        _way.turns.stop_for_others(_way.turn)
