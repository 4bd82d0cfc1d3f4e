"""The cache of playlists and timelines: bounded in bytes, each made once, and nobody waits at the cost of others."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as configured

from control_plane.common.errors import Busy
from control_plane.config import handler
from control_plane.recordings.playback import playback_cache
from control_plane.recordings.playback.playback_cache import ClassDocuments, DocumentCache
from shared.protocol.codec import decode
from shared.protocol.errors import Code, Problem
from tests.control_plane.conftest import Cast, as_person, make_cast
from tests.control_plane.live import serve
from tests.control_plane.scenes import make_scene
from tests.control_plane.sending import upload

WAIT_S = 20


def kept(*, most_bytes: int = 100, makers: int = 2) -> DocumentCache[str]:
    return DocumentCache(most_bytes=most_bytes, makers=makers, size=len)


def text(made: list[str], value: str) -> Any:
    def make() -> str:
        made.append(value)
        return value

    return make


def test_the_value_that_was_asked_for_longest_ago_is_forgotten_first() -> None:
    of_two, made = kept(most_bytes=2), list[str]()
    for key in ("a", "b", "a", "c", "a", "b"):
        assert of_two.get(key, text(made, key), owner="studio") == key
    assert made == ["a", "b", "c", "b"]
    assert of_two.held_bytes == 2


def test_who_asks_for_much_pushes_out_nothing_of_others() -> None:
    all_values, made = kept(most_bytes=30), list[str]()
    all_values.get("small", text(made, "s" * 5), owner="one")
    for number in range(20):
        all_values.get(number, text(made, "x" * 10), owner="other")
    assert all_values.held_bytes <= 30
    made.clear()
    all_values.get("small", text(made, "again"), owner="one")
    assert made == []


def test_a_value_larger_than_all_that_may_be_kept_is_given_and_not_kept() -> None:
    small, made = kept(most_bytes=3), list[str]()
    assert small.get("large", text(made, "four"), owner="studio") == "four"
    assert small.held_bytes == 0


class Slow:
    """A value that is being made until it is let go."""

    def __init__(self, of: DocumentCache[str], key: str, owner: str) -> None:
        self.began, self.finish = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: of.get(key, self._make, owner=owner))
        self._thread.start()
        assert self.began.wait(WAIT_S)

    def _make(self) -> str:
        self.began.set()
        assert self.finish.wait(WAIT_S)
        return "slow"

    def end(self) -> None:
        self.finish.set()
        self._thread.join(WAIT_S)


def test_who_asks_while_it_is_made_is_told_to_come_again_and_when() -> None:
    values = kept()
    slow = Slow(values, "class", "studio")
    waits = []
    for key in ("class", "another class of the studio"):
        with pytest.raises(Busy) as busy:
            values.get(key, lambda: "made twice", owner="studio")
        assert busy.value.until is not None
        waits.append(busy.value.until)
    assert not any(until.done() for until in waits)
    assert values.get("elsewhere", lambda: "fine", owner="other studio") == "fine"
    slow.end()
    assert all(until.done() for until in waits)
    assert values.get("class", lambda: "made twice", owner="studio") == "slow"


def test_only_so_many_are_made_at_once() -> None:
    values = kept(makers=2)
    makers = [Slow(values, name, name) for name in ("one", "two")]
    with pytest.raises(Busy):
        values.get("three", lambda: "three", owner="three")
    for slow in makers:
        slow.end()
    assert values.get("three", lambda: "three", owner="three") == "three"


def test_what_could_not_be_made_is_made_by_the_next_who_asks() -> None:
    values = kept()

    def fail() -> str:
        raise LookupError("no picture yet")

    with pytest.raises(LookupError):
        values.get("class", fail, owner="studio")
    assert values.get("class", lambda: "made", owner="studio") == "made"


class SlowDocuments:
    """Documents whose writing ends when a test says so; `made` says how often it began."""

    def __init__(self) -> None:
        self.made, self.began, self.finish = 0, threading.Event(), threading.Event()
        self._write = playback_cache._render

    def __call__(self, *what: Any) -> ClassDocuments:
        self.made += 1
        self.began.set()
        assert self.finish.wait(WAIT_S)
        return self._write(*what)


@pytest.fixture
def slow_documents(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDocuments]:
    slow = SlowDocuments()
    monkeypatch.setattr(playback_cache, "_render", slow)
    yield slow
    slow.finish.set()


def test_viewers_who_wait_for_a_playlist_keep_no_page_of_others_waiting(
    committed: Cast, tmp_path: Path, slow_documents: SlowDocuments
) -> None:
    """Eight of them took all threads and all connections, and another studio's pages were errors after 20 s."""
    other = make_cast()
    scene = make_scene(committed)
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    timeline = f"/studio/{committed.studio.slug}/classes/{scene.session.id}/timeline.json"
    with serve() as address, ThreadPoolExecutor(24) as threads:

        def get(cookie: str, path: str) -> httpx.Response:
            return httpx.get(
                f"{address}{path}", cookies={configured.SESSION_COOKIE_NAME: cookie}, timeout=WAIT_S
            )

        viewer, neighbour = (
            as_person(user).cookies[configured.SESSION_COOKIE_NAME].value
            for user in (committed.vera, other.alice)
        )
        viewers = [threads.submit(get, viewer, timeline) for _ in range(3 * handler.THREADS)]
        page = get(neighbour, f"/studio/{other.studio.slug}/classes/")
        assert page.status_code == 200
        assert not any(one.done() for one in viewers)
        slow_documents.finish.set()
        assert wait(viewers, WAIT_S).not_done == set()
        assert {one.result().status_code for one in viewers} == {200}
        assert slow_documents.made == 1


def test_who_has_waited_long_enough_is_told_when_to_come_again(
    committed: Cast,
    tmp_path: Path,
    slow_documents: SlowDocuments,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handler, "BUSY_WAIT_S", 0.05)
    scene = make_scene(committed)
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    timeline = f"/studio/{committed.studio.slug}/classes/{scene.session.id}/timeline.json"
    cookie = as_person(committed.vera).cookies[configured.SESSION_COOKIE_NAME].value
    with serve() as address, ThreadPoolExecutor(1) as threads:
        cookies = {configured.SESSION_COOKIE_NAME: cookie}
        first = threads.submit(httpx.get, f"{address}{timeline}", cookies=cookies, timeout=WAIT_S)
        assert slow_documents.began.wait(WAIT_S)
        refused = httpx.get(f"{address}{timeline}", cookies=cookies, timeout=WAIT_S)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert decode(refused.content, Problem).code is Code.UNAVAILABLE
        slow_documents.finish.set()
        assert first.result(WAIT_S).status_code == 200
