"""What is kept of playlists and timelines: the newest, each made once, and nothing of what failed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from control_plane.recordings.documents import Kept


def test_the_value_that_was_asked_for_longest_ago_is_forgotten_first() -> None:
    kept: Kept[str] = Kept(2)
    made: list[str] = []

    def ask(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key

        return kept.get(key, make)

    for key in ("a", "b", "a", "c", "a", "b"):
        assert ask(key) == key
    assert made == ["a", "b", "c", "b"]


def test_what_several_ask_for_at_once_is_made_by_one() -> None:
    kept: Kept[int] = Kept(2)
    made: list[int] = []
    together, finish = threading.Barrier(4), threading.Event()

    def make() -> int:
        made.append(1)
        finish.wait(10)
        return len(made)

    def ask(_: int) -> int:
        together.wait(10)
        return kept.get("class", make)

    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(ask, range(4))
        finish.set()
        assert list(answers) == [1] * 4


def test_what_could_not_be_made_is_made_by_the_next_who_asks() -> None:
    kept: Kept[int] = Kept(2)

    def fail() -> int:
        raise LookupError("no picture yet")

    with pytest.raises(LookupError):
        kept.get("class", fail)
    assert kept.get("class", lambda: 7) == 7
