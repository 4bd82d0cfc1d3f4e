"""Turns are shared: the party with the least load goes first, also in the middle, and nobody holds more than their own."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from control_plane.common import turns as module
from control_plane.common.errors import Busy
from control_plane.common.turns import ACTIVE_S, HALF_LIFE_S, FairTurns, Party, Turn, give_way

WAIT_S = 20.0


class Clock:
    """Monotonic seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Room:
    """Turns, and who holds one."""

    def __init__(
        self,
        *,
        in_all: int = 2,
        kept: int = 0,
        crowded: int | None = None,
        most_waiting: int = 256,
        waiting_in_all: int = 2048,
    ) -> None:
        self.clock = Clock()
        self.turns = FairTurns(
            in_all=in_all,
            kept=kept,
            crowded=crowded,
            most_waiting=most_waiting,
            waiting_in_all=waiting_in_all,
            now=self.clock,
        )
        self.order: list[object] = []
        self._ends: dict[asyncio.Task[None], asyncio.Event] = {}
        self._newest: asyncio.Task[None] | None = None

    async def begin(
        self, *parties: Party, used_s: float = 0.0, within_s: float = WAIT_S
    ) -> asyncio.Task[None]:
        """Begins to wait for a turn, and holds it until `end`."""
        end = asyncio.Event()

        async def hold() -> None:
            async with self.turns.taken(parties, within_s=within_s) as turn:
                self.order.append(parties[0].name)
                self._newest = asyncio.current_task()
                await end.wait()
                turn.used_s += used_s

        task = asyncio.create_task(hold())
        self._ends[task] = end
        await settle()
        return task

    async def end(self, task: asyncio.Task[None]) -> None:
        """Ends a turn that is held."""
        self._ends[task].set()
        await task
        await settle()

    async def end_newest(self) -> None:
        """Ends the turn that was given last."""
        assert self._newest is not None
        await self.end(self._newest)

    async def use(self, *parties: Party, used_s: float) -> None:
        """Has a turn at once and ends it."""
        await self.end(await self.begin(*parties, used_s=used_s))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def party(name: str, *, most: int = 8) -> Party:
    return Party(name, most)


@contextlib.asynccontextmanager
async def all_held(room: Room, count: int) -> AsyncIterator[Sequence[asyncio.Task[None]]]:
    tasks = [await room.begin(party(f"holder {n}")) for n in range(count)]
    room.order.clear()
    yield tasks


async def work(room: Room, name: str, *, seconds: float, each_s: float = 0.1) -> None:
    """Has a party use this much, in requests of the expected cost."""
    for _ in range(round(seconds / each_s)):
        await room.use(party(name), used_s=each_s)


async def test_the_party_with_the_least_load_goes_first() -> None:
    room = Room(in_all=2)
    heavy, light = await room.begin(party("heavy"), used_s=5.0), await room.begin(party("light"), used_s=0.1)
    await room.end(heavy)
    await room.end(light)
    async with all_held(room, 2) as holders:
        for name in ("heavy", "light", "heavy"):
            await room.begin(party(name))
        await room.end(holders[0])
        for _ in range(3):
            await room.end_newest()
        await room.end(holders[1])
    assert room.order == ["light", "heavy", "heavy"]


async def test_a_flood_goes_behind_others_before_it_has_cost_anything() -> None:
    room = Room(in_all=1)
    async with all_held(room, 1) as (holder,):
        for name in (*["flood"] * 5, "other"):
            await room.begin(party(name))
        await room.end(holder)
        for _ in range(6):
            await room.end_newest()
    assert room.order == ["other", *["flood"] * 5]


async def test_a_newcomer_does_not_go_ahead_of_a_party_that_has_been_working() -> None:
    room = Room(in_all=1)
    await work(room, "working", seconds=1.0)
    async with all_held(room, 1) as (holder,):
        for name in ("working", "newcomer"):
            await room.begin(party(name))
        await room.end(holder)
        for _ in range(2):
            await room.end_newest()
    assert room.order == ["working", "newcomer"]


async def test_beside_a_lighter_party_a_clearly_heavier_one_holds_few_turns() -> None:
    room = Room(in_all=8, crowded=2)
    await room.use(party("light"), used_s=0.0)
    flood = [await room.begin(party("flood", most=4)) for _ in range(8)]
    assert room.order == ["light", "flood", "flood"]
    await room.end(flood[0])
    assert len(room.order) == 1 + 2 + 1, "one for the one that ended"
    room.clock.now_s += ACTIVE_S
    await room.end(flood[1])
    assert len(room.order) == 1 + 2 + 4, "the light one is gone: as many as it may hold"
    for task in flood[2:]:
        await room.end(task)
    assert room.turns.waiting() == 0


async def test_a_request_that_ends_in_any_way_no_longer_counts_as_outstanding() -> None:
    room = Room(in_all=1, waiting_in_all=3)
    async with all_held(room, 1) as (holder,):
        late = await room.begin(party("many"), within_s=0.01)
        with pytest.raises(Busy):
            await late
        many = [await room.begin(party("many")) for _ in range(3)]
        await room.begin(party("other"))
        with pytest.raises(Busy):
            await many[2]
        many[1].cancel()
        await settle()
        await room.end(holder)
        for _ in range(2):
            await room.end_newest()
    assert not any(use.waiting + use.turns for use in room.turns._uses.values())


async def test_parties_that_have_used_the_same_go_in_the_order_of_their_coming() -> None:
    room = Room(in_all=1)
    async with all_held(room, 1) as (holder,):
        tasks = [await room.begin(party(name)) for name in "abc"]
        for task in (holder, *tasks):
            await room.end(task)
    assert room.order == ["a", "b", "c"]


async def test_use_is_forgotten_by_halves() -> None:
    room = Room(in_all=2)
    active = await room.begin(party("once heavy"))
    await work(room, "once heavy", seconds=8.0)
    room.clock.now_s += 5 * HALF_LIFE_S
    await work(room, "now", seconds=1.0)
    async with all_held(room, 1) as (holder,):
        now, once = await room.begin(party("now")), await room.begin(party("once heavy"))
        for task in (holder, once, now, active):
            await room.end(task)
    assert room.order == ["once heavy", "now"]


async def test_a_party_holds_no_more_turns_than_it_may_and_others_go_past_it() -> None:
    room = Room(in_all=4)
    greedy = [await room.begin(party("greedy", most=2)) for _ in range(5)]
    other = await room.begin(party("other", most=2))
    assert room.order == ["greedy", "greedy", "other"]
    await room.end(greedy[0])
    assert room.order[3:] == ["greedy"]
    for task in (*greedy[1:], other):
        await room.end(task)


async def test_all_parties_of_a_turn_bound_it() -> None:
    room, kind = Room(in_all=8), party("agents", most=2)
    tasks = [await room.begin(party(f"agent {n}", most=1), kind) for n in range(4)]
    page = await room.begin(party("page"))
    assert room.order == ["agent 0", "agent 1", "page"]
    for task in (*tasks, page):
        await room.end(task)
    assert len(room.order) == 5


async def test_some_turns_are_kept_for_those_who_hold_none() -> None:
    room = Room(in_all=4, kept=2)
    greedy = [await room.begin(party("greedy")) for _ in range(4)]
    others = [await room.begin(party(name)) for name in ("one", "two", "three")]
    assert room.order == ["greedy", "greedy", "one", "two"]
    await room.end(greedy[0])
    assert room.order[4:] == ["three"], "who holds one already comes behind"
    for task in (*others, *greedy[1:]):
        await room.end(task)
    assert len(room.order) == 7


CLOCK = Clock()


def loaded(name: str, load_s: float, *, used_s: float = 0.0) -> Turn:
    """Returns a turn of a party with this load, to which the turn itself adds `used_s`."""
    return Turn(name, module._Use(CLOCK(), load_s), used_s)


class Working:
    """Turns that threads work in."""

    def __init__(self) -> None:
        self.turns = FairTurns(in_all=4, now=CLOCK)

    def light(self, turn: Turn, seconds: float = WAIT_S) -> threading.Event:
        """Has a thread work in a turn until the event that is returned is set."""
        began, end = threading.Event(), threading.Event()

        def work() -> None:
            with self.turns.working(turn):
                began.set()
                assert end.wait(seconds)

        threading.Thread(target=work).start()
        assert began.wait(WAIT_S)
        return end


def test_a_clearly_heavier_party_pauses_until_the_lighter_one_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STOP_S", WAIT_S)
    monkeypatch.setattr(module, "STOPS_S", WAIT_S)
    working, heavy = Working(), loaded("heavy", 5.0)
    end = working.light(loaded("light", 1.0))
    timer = threading.Timer(0.05, end.set)
    timer.start()
    with working.turns.working(heavy):
        give_way()
    timer.join()
    assert end.is_set(), "it went on only when the other was done"
    assert 0 < heavy.stopped_s < WAIT_S


@pytest.mark.parametrize(
    "other",
    [
        loaded("about as heavy", 5.0 - 0.9 * module.CLEARLY_S),
        loaded("heavier", 50.0),
        loaded("light, and has just used a lot", 0.0, used_s=6.0),
        loaded("heavy", 0.0),
    ],
    ids=lambda turn: str(turn.party),
)
def test_nobody_pauses_for_a_party_about_as_heavy_or_for_their_own(other: Turn) -> None:
    working, heavy = Working(), loaded("heavy", 5.0)
    end = working.light(other)
    with working.turns.working(heavy):
        give_way()
    end.set()
    assert heavy.stopped_s == 0


def test_stops_end_by_themselves_for_what_has_stopped_may_hold_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.01)
    monkeypatch.setattr(module, "STOPS_S", 0.03)
    working, heavy = Working(), loaded("heavy", 5.0)
    end = working.light(Turn("light"))
    with working.turns.working(heavy):
        for _ in range(100):
            give_way()
        assert 0.03 <= heavy.stopped_s < 0.2
        heavy.used_s = 0.1
        give_way()
        assert heavy.stopped_s < 1
    end.set()


def test_outside_of_a_turn_nothing_stops() -> None:
    working = Working()
    end = working.light(Turn("light"))
    give_way()
    assert module.current_turn() is None
    end.set()


async def test_so_many_of_a_party_wait_and_no_more() -> None:
    room = Room(in_all=1, most_waiting=2)
    async with all_held(room, 1) as (holder,):
        tasks = [await room.begin(party("many")) for _ in range(3)]
        with pytest.raises(Busy):
            await tasks[2]
        other = await room.begin(party("other"))
        for task in (holder, other, tasks[0], tasks[1]):
            await room.end(task)
    assert room.turns.waiting() == 0


async def test_what_may_not_go_yet_stops_nothing_else_of_its_party() -> None:
    room = Room(in_all=3)
    uploads = party("uploads", most=1)
    first = await room.begin(party("other"), uploads)
    upload = await room.begin(party("studio"), uploads)
    page = await room.begin(party("studio"))
    assert room.order == ["other", "studio"], "the page waits behind the upload"
    await room.end(page)
    await room.end(first)
    await room.end(upload)
    assert room.turns.waiting() == 0


async def test_of_all_that_wait_the_party_with_most_loses_its_newest() -> None:
    room = Room(in_all=1, waiting_in_all=4)
    async with all_held(room, 1) as (holder,):
        many = [await room.begin(party("many")) for _ in range(4)]
        other = await room.begin(party("other"))
        with pytest.raises(Busy):
            await many[3]
        assert room.turns.waiting() == 4
        for task in (holder, other, many[0], many[1], many[2]):
            await room.end(task)
    assert room.order == ["other", "many", "many", "many"]
    assert room.turns.waiting() == 0


async def test_who_waits_too_long_is_told_to_come_again_and_leaves_no_trace() -> None:
    room = Room(in_all=1)
    async with all_held(room, 1) as (holder,):
        late = await room.begin(party("late"), within_s=0.01)
        with pytest.raises(Busy) as busy:
            await late
        assert busy.value.retry_after_s == 5
        assert room.turns.waiting() == 0
        await room.end(holder)
    await room.use(party("next"), used_s=0.0)
    assert room.order == ["next"]


async def test_who_goes_while_waiting_or_while_being_given_a_turn_gives_it_back() -> None:
    room = Room(in_all=1)
    async with all_held(room, 1) as (holder,):
        gone, given = await room.begin(party("gone")), await room.begin(party("given"))
        gone.cancel()
        await settle()
        room._ends[holder].set()
        await holder
        given.cancel()  # the turn is given, and it has not run yet
        for task in (gone, given):
            with contextlib.suppress(asyncio.CancelledError):
                await task
    await room.use(party("next"), used_s=0.0)
    assert room.order[-1] == "next"


async def test_parties_are_forgotten_and_never_those_that_hold_a_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_PARTIES", 3)
    room = Room(in_all=2)
    held = await room.begin(party("held", most=1))
    for number in range(20):
        await room.use(party(f"{number}"), used_s=1.0)
    assert len(room.turns._uses) <= 4
    more = await room.begin(party("held", most=1))
    assert room.order.count("held") == 1
    await room.end(held)
    await room.end(more)
