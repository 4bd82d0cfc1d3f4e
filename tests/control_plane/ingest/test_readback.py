"""Objects are read back in turn between studios, once, and no request waits for them without end."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from control_plane.common.errors import Busy
from control_plane.common.fair_threads import FairThreads
from control_plane.common.result_cache import ResultCache
from control_plane.common.scoping import studio_scope
from control_plane.ingest import readback, services, verification
from control_plane.ingest.models import PendingSegment
from control_plane.ingest.readback import CACHE_S, CommitSlots, results_within
from control_plane.ingest.targets import LIFETIME
from control_plane.recordings import services as recordings
from control_plane.recordings.footage_limits import FootageLimits
from control_plane.storage.configured import object_store
from shared.protocol.codec import decode, encode
from shared.protocol.errors import Code, Problem
from shared.protocol.upload import CommitRequest
from tests.control_plane.footage import Cut
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, codes, commit, item_of, put

ONE, TWO = UUID(int=1), UUID(int=2)
WAIT_S = 20


class Held:
    """Calls that run until they are let go, and how many do at once."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.go, self.changed = threading.Event(), threading.Condition()

    def __call__(self) -> str:
        with self.changed:
            self.running += 1
            self.most = max(self.most, self.running)
            self.changed.notify_all()
        assert self.go.wait(WAIT_S)
        with self.changed:
            self.running -= 1
        return "read"

    def wait_for(self, running: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.running == running, WAIT_S)


def test_one_studio_leaves_readers_to_the_others() -> None:
    readers, held = FairThreads("test", threads=3, of_one=2), Held()
    futures = readers.submit(ONE, [held] * 20)
    held.wait_for(2)
    (other,) = readers.submit(TWO, [lambda: "at once"])
    assert other.result(WAIT_S) == "at once"
    held.go.set()
    assert [future.result(WAIT_S) for future in futures] == ["read"] * 20
    assert held.most == 2


def test_studios_take_turns() -> None:
    readers, held, order = FairThreads("test", threads=1, of_one=1), Held(), list[str]()

    def noted(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    readers.submit(ONE, [held])
    held.wait_for(1)
    rest = readers.submit(ONE, [noted("one")] * 3) + readers.submit(TWO, [noted("two")] * 2)
    held.go.set()
    for future in rest:
        future.result(WAIT_S)
    assert order == ["one", "two", "one", "two", "one"]


def test_a_call_that_fails_gives_its_reader_back() -> None:
    readers = FairThreads("test", threads=1, of_one=1)

    def broken() -> None:
        raise OSError("the disk is away")

    failed = readers.submit(ONE, [broken] * 3)
    assert all(isinstance(future.exception(WAIT_S), OSError) for future in failed)
    assert readers.submit(ONE, [lambda: 7])[0].result(WAIT_S) == 7


def test_who_waits_gets_what_came_in_time_and_what_had_not_begun_never_does() -> None:
    readers, held = FairThreads("test", threads=1, of_one=1), Held()
    begun: list[int] = []
    futures: list[Future[Any]] = readers.submit(ONE, [lambda: "quick"])
    assert futures[0].result(WAIT_S) == "quick"
    futures += readers.submit(ONE, [held, lambda: begun.append(1)])
    held.wait_for(1)
    assert results_within(futures, within_s=0.01) == ["quick", None, None]
    held.go.set()
    assert futures[1].result(WAIT_S) == "read"
    assert readers.submit(ONE, [lambda: "next"])[0].result(WAIT_S) == "next"
    assert begun == []


def test_an_agent_has_one_commit_under_way_and_a_studio_two() -> None:
    turns = CommitSlots(of_one_studio=2)
    agents = [UUID(int=n) for n in range(10, 14)]
    with turns.hold(ONE, agents[0]):
        with pytest.raises(Busy), turns.hold(ONE, agents[0]):
            pass
        with turns.hold(ONE, agents[1]):
            with pytest.raises(Busy), turns.hold(ONE, agents[2]):
                pass
            with turns.hold(TWO, agents[3]):
                pass
        with turns.hold(ONE, agents[2]):
            pass
    with turns.hold(ONE, agents[0]):
        pass


def test_what_is_remembered_is_bounded_in_number_and_time() -> None:
    now = 0.0
    kept: ResultCache[int] = ResultCache(most=2, for_s=CACHE_S, now=lambda: now)
    for number in range(3):
        kept.put(number, number)
    assert [kept.get(number) for number in range(3)] == [None, 1, 2]
    kept.forget(1)
    assert kept.get(1) is None
    now = CACHE_S + 1
    assert kept.get(2) is None


def test_nothing_is_remembered_for_longer_than_an_object_that_is_let_go_stays() -> None:
    assert LIFETIME.total_seconds() > CACHE_S


def test_a_second_commit_of_an_agent_is_told_when_to_come_again(scene: Scene, tmp_path: Path) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    body = encode(CommitRequest(items=(item_of(made),)))
    with services._commit_slots.hold(scene.caller.studio_id, scene.caller.agent_id):
        refused = Client().post(
            "/agent/v1/commit",
            body,
            content_type="application/json",
            headers={"Authorization": scene.agent_client.authorization()},
        )
    assert (refused.status_code, refused["Retry-After"]) == (503, "2")
    assert decode(refused.content, Problem).code is Code.UNAVAILABLE


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of objects that were read back, each time they were."""
    keys: list[str] = []
    store = type(object_store())
    whole = store.sha256

    def counted(self: Any, key: str) -> str:
        keys.append(key)
        return whole(self, key)

    monkeypatch.setattr(store, "sha256", counted)
    return keys


def sent(scene: Scene, tmp_path: Path) -> Cut:
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = announce(scene, made)
    put(target, made.content)
    return made


def test_what_was_read_back_and_refused_for_another_reason_is_not_read_again(
    scene: Scene, tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sent(scene, tmp_path)
    with monkeypatch.context() as full:
        full.setattr(recordings, "footage_limits", lambda **_: FootageLimits(0, 0, 0))
        for _ in range(3):
            assert codes(commit(scene, made)) == [Code.TOO_MANY_REQUESTS]
    assert codes(commit(scene, made)) == [None]
    assert len(hashed) == 1


def test_what_is_not_read_in_time_is_refused_for_now_and_found_by_the_next_commit(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, held, looked_up = sent(scene, tmp_path), Held(), verification._check_object
    done = threading.Event()

    def slow(*what: Any) -> Any:
        held()
        found = looked_up(*what)
        done.set()
        return found

    monkeypatch.setattr(verification, "_check_object", slow)
    monkeypatch.setattr(
        verification, "results_within", lambda futures: results_within(futures, within_s=0.01)
    )
    (answer,) = commit(scene, made)
    assert (answer.code, answer.retryable) == (Code.UNAVAILABLE, True)
    held.go.set()
    assert done.wait(WAIT_S)
    monkeypatch.undo()
    monkeypatch.setattr(type(object_store()), "sha256", lambda *_: pytest.fail("it was read again"))
    assert codes(commit(scene, made)) == [None]


def test_an_object_that_is_gone_is_missed_although_it_was_read_once(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sent(scene, tmp_path)
    with monkeypatch.context() as full:
        full.setattr(recordings, "footage_limits", lambda **_: FootageLimits(0, 0, 0))
        commit(scene, made)
    with studio_scope(scene.cast.studio.id):
        object_store().delete(PendingSegment.objects.get().object_key)
    assert codes(commit(scene, made)) == [Code.SEGMENT_MISSING]


def test_readers_run_behind_the_threads_that_answer_pages() -> None:
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    readers = FairThreads("readers", threads=3, of_one=1, nice=readback.NICE)
    # The second call is begun by the thread of the first, which has a lower priority itself.
    found = [one.result(WAIT_S) for one in readers.submit(ONE, [priority, priority, priority])]
    assert set(found) == {min(19, priority() + readback.NICE)}
