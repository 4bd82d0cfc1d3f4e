"""One suite for every key shelf, and the cache of unwrapped keys: durable, shared, and what is destroyed is gone."""

import contextlib
import os
import secrets
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from control_plane.keys.configured import shelf_at
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused, KeysUnavailable
from control_plane.keys.key_cache import AWAY_S, MOST, UnwrappedKeys
from control_plane.keys.shelf.database import DatabaseShelf
from control_plane.keys.shelf.folder import FolderShelf
from control_plane.keys.shelf.shelf import KeyShelf, copy_shelf
from tests.servers import POSTGRES, drop_database

Shelves = FolderShelf | DatabaseShelf


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = f"threedance_shelf_{secrets.token_hex(4)}"
    POSTGRES.create_database(name)
    url = POSTGRES.urls(name).owner
    DatabaseShelf(url).prepare()
    yield url
    drop_database(name)


@pytest.fixture(params=["folder", "database"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelves]:
    if request.param == "folder":
        yield FolderShelf(tmp_path / "shelf")
        return
    made = DatabaseShelf(request.getfixturevalue("database"))
    yield made
    made.close()


def test_a_half_is_made_once_and_found_again(shelf: Shelves) -> None:
    one, two = uuid4(), uuid4()
    half = shelf.place(one)
    assert len(half) == 32
    assert shelf.place(two) != half
    assert shelf.take(one) == half
    with pytest.raises(KeyRefused, match="already"):
        shelf.place(one)
    assert shelf.take(one) == half


def test_a_shelf_of_its_own_is_where_it_should_be(shelf: Shelves) -> None:
    shelf.place(uuid4())
    assert shelf.misplaced() == ""


def test_what_was_never_there_is_lost_and_not_destroyed(shelf: Shelves) -> None:
    with pytest.raises(KeyLost, match="copy"):
        shelf.take(uuid4())


def test_what_is_destroyed_is_gone_for_good_and_once_more_is_harmless(shelf: Shelves) -> None:
    ids = [uuid4() for _ in range(20)]
    halves = [shelf.place(id_) for id_ in ids]
    stranger = uuid4()
    assert shelf.destroy([*ids[:10], stranger]) == 10
    assert shelf.destroy(ids[:10]) == 0
    for id_ in (*ids[:10], stranger):
        with pytest.raises(KeyDestroyed):
            shelf.take(id_)
        with pytest.raises(KeyDestroyed):
            shelf.place(id_)
        shelf.keep(id_, secrets.token_bytes(32))
        with pytest.raises(KeyDestroyed):
            shelf.take(id_)
    assert [shelf.take(id_) for id_ in ids[10:]] == halves[10:]
    left = dict(shelf.entries())
    assert left[stranger] is None
    assert left[ids[-1]] == halves[-1]


def test_two_that_place_the_same_make_one(shelf: Shelves) -> None:
    id_ = uuid4()
    made: list[bytes] = []

    def place() -> None:
        with contextlib.suppress(KeyRefused):
            made.append(shelf.place(id_))

    threads = [threading.Thread(target=place) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert made == [shelf.take(id_)]


def test_a_copy_follows_and_brings_nothing_back(shelf: Shelves, tmp_path: Path) -> None:
    alive, gone = uuid4(), uuid4()
    half, copy = shelf.place(alive), FolderShelf(tmp_path / "copy")
    shelf.place(gone)
    copy_shelf(shelf, copy)
    assert copy.take(alive) == half
    copy.take(gone)
    shelf.destroy([gone])
    copy_shelf(shelf, copy)
    with pytest.raises(KeyDestroyed):
        copy.take(gone)
    # Back from the copy: what is lost comes, what was destroyed since does not.
    shelf.destroy([alive])
    copy_shelf(copy, shelf)
    with pytest.raises(KeyDestroyed):
        shelf.take(alive)


def test_a_shelf_that_cannot_be_used_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for shelf in (
        FolderShelf(tmp_path / "file" / "shelf"),
        DatabaseShelf(f"postgresql://nobody@/none?host={tmp_path}&connect_timeout=1"),
    ):
        with pytest.raises(KeysUnavailable):
            shelf.place(uuid4())
        with pytest.raises(KeysUnavailable):
            shelf.take(uuid4())


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_is_its_owners_alone_and_says_what_it_is(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    shelf.place(uuid4())
    assert stat.S_IMODE((tmp_path / "shelf").stat().st_mode) == 0o700
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shelf").glob("??/*")]
    assert [mode & 0o077 for mode in modes] == [0]
    assert (tmp_path / "shelf" / ".nobackup").is_file()
    assert "OUT of the backups" in (tmp_path / "shelf" / "README").read_text()
    assert not list((tmp_path / "shelf").rglob(".*.*")), "no part is left"


def test_what_is_destroyed_is_overwritten_where_it_lies(tmp_path: Path) -> None:
    shelf, id_ = FolderShelf(tmp_path / "shelf"), uuid4()
    half = shelf.place(id_)
    (path,) = (tmp_path / "shelf").rglob(id_.hex)
    keeper = path.with_name("hard-link")
    os.link(path, keeper)  # the same bytes on the disk, whatever becomes of the name
    shelf.destroy([id_])
    assert path.stat().st_size == 0
    assert half not in keeper.read_bytes()


def test_a_damaged_entry_is_lost_and_not_used(tmp_path: Path) -> None:
    shelf, id_ = FolderShelf(tmp_path / "shelf"), uuid4()
    shelf.place(id_)
    (path,) = (tmp_path / "shelf").rglob(id_.hex)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(KeyLost, match="damaged"):
        shelf.take(id_)


def test_another_process_sees_what_is_destroyed_at_its_next_look(shelf: Shelves, database: str) -> None:
    """No process keeps a half: the bound of five seconds is met by the next request."""
    url = f"file://{shelf.folder}" if isinstance(shelf, FolderShelf) else database
    id_ = uuid4()
    half = shelf.place(id_)
    program = (
        "import sys; from uuid import UUID\n"
        "from control_plane.keys.configured import shelf_at\n"
        "shelf = shelf_at(sys.argv[1])\n"
        "for line in sys.stdin:\n"
        "    try: print(shelf.take(UUID(sys.argv[2])).hex(), flush=True)\n"
        "    except Exception as error: print(type(error).__name__, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, url, str(id_)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None

        def look() -> str:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdin.write("\n")
            other.stdin.flush()
            return other.stdout.readline().strip()

        assert look() == half.hex()
        shelf.destroy([id_])
        assert look() == "KeyDestroyed"
        other.stdin.close()
        assert other.wait(timeout=20) == 0


def test_a_half_under_the_name_of_a_part_dies_with_its_entry(tmp_path: Path) -> None:
    """As a copy leaves it that was cut short between writing and naming."""
    shelf, id_ = FolderShelf(tmp_path / "shelf"), uuid4()
    half = shelf.place(id_)
    (path,) = (tmp_path / "shelf").rglob(id_.hex)
    part = path.with_name(f".{id_.hex}.0a0b0c0d")
    part.write_bytes(path.read_bytes())
    os.link(part, tmp_path / "the bytes on the disk")
    shelf.destroy([id_])
    assert not part.exists()
    assert half not in (tmp_path / "the bytes on the disk").read_bytes()


def test_an_entry_that_comes_while_it_is_destroyed_does_not_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, copy, id_ = FolderShelf(tmp_path / "shelf"), FolderShelf(tmp_path / "copy"), uuid4()
    half = copy.place(id_)
    real = Path.exists

    def meanwhile(path: Path) -> bool:
        found = real(path)
        if path.name == id_.hex and not found:
            shelf.keep(id_, half)
        return found

    monkeypatch.setattr(Path, "exists", meanwhile)
    shelf.destroy([id_])
    shelf.keep(id_, half)
    with pytest.raises(KeyDestroyed):
        shelf.take(id_)


def test_what_somebody_left_in_the_folder_stops_no_copy(tmp_path: Path) -> None:
    shelf, id_ = FolderShelf(tmp_path / "shelf"), uuid4()
    half = shelf.place(id_)
    (path,) = (tmp_path / "shelf").rglob(id_.hex)
    path.with_name("notes.txt").write_text("do not delete")
    (path.parent / "folder").mkdir()
    assert dict(shelf.entries()) == {id_: half}


# --- the database ---------------------------------------------------------------------------------------------------


def test_a_dump_of_the_shelfs_database_holds_nothing_of_what_was_destroyed(database: str) -> None:
    shelf, id_ = DatabaseShelf(database), uuid4()
    half = shelf.place(id_)
    shelf.destroy([id_])
    shelf.close()
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT id, half, destroyed_at FROM key_shelf WHERE id = %s", [id_]
        ).fetchall()
        assert [(row[0], row[1]) for row in rows] == [(id_, None)]
        whole = connection.execute("SELECT string_agg(half, ''::bytea) FROM key_shelf").fetchone()
    assert whole is not None
    assert half not in (whole[0] or b"")


@pytest.mark.parametrize("url", ["", "file:", "http://host/shelf", "sqlite:///shelf"])
def test_a_wrong_address_of_a_shelf_is_refused_with_the_right_forms(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///folder or postgresql://"):
        shelf_at(url)


def test_both_are_shelves(tmp_path: Path) -> None:
    shelves: list[KeyShelf] = [FolderShelf(tmp_path), DatabaseShelf("postgresql://nobody@/none")]
    assert len(shelves) == 2


# --- unwrapped keys -------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_root_key_is_asked_once_in_a_lifetime_and_by_one_of_many() -> None:
    clock, asked = Clock(), []
    kept = UnwrappedKeys(lifetime_s=5, now=clock)

    def unwrap() -> bytes:
        asked.append(1)
        time.sleep(0.05)
        return b"k" * 32

    threads = [threading.Thread(target=lambda: kept.get("root", b"w", unwrap)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(asked) == 1
    clock.now_s = 4.9
    kept.get("root", b"w", unwrap)
    assert len(asked) == 1
    clock.now_s = 5.1
    assert kept.get("root", b"w", unwrap) == b"k" * 32
    assert len(asked) == 2
    kept.forget()


def test_what_was_rewrapped_or_is_under_another_root_key_is_asked_anew() -> None:
    kept, asked = UnwrappedKeys(), []

    def unwrap() -> bytes:
        asked.append(1)
        return b"k"

    for root, wrapped in (("a", b"1"), ("a", b"2"), ("b", b"1"), ("a", b"1")):
        kept.get(root, wrapped, unwrap)
    assert len(asked) == 3
    kept.forget()


def test_a_failure_is_not_kept_and_the_cache_has_a_bound_and_wipes() -> None:
    clock = Clock()
    kept = UnwrappedKeys(lifetime_s=60, now=clock)

    def broken() -> bytes:
        raise KeysUnavailable("away")

    with pytest.raises(KeysUnavailable):
        kept.get("root", b"w", broken)
    clock.now_s += AWAY_S
    assert kept.get("root", b"w", lambda: b"k" * 32) == b"k" * 32
    for index in range(MOST + 10):
        kept.get("root", str(index).encode(), lambda: b"k" * 32)
    assert len(kept) == MOST
    (_, held) = next(iter(kept._kept.values()))
    kept.forget()
    assert not any(held)
    assert len(kept) == 0


def test_a_holder_that_is_away_keeps_one_waiting_and_not_every_viewer_in_turn() -> None:
    clock, kept, asked, refused = Clock(), None, [], []
    kept = UnwrappedKeys(now=clock)
    hangs = threading.Event()

    def away() -> bytes:
        asked.append(1)
        hangs.wait(10)
        raise KeysUnavailable("away")

    def view(wrapped: bytes) -> None:
        try:
            kept.get("root", wrapped, away)
        except KeysUnavailable:
            refused.append(1)

    first = [threading.Thread(target=view, args=(b"same",)) for _ in range(16)]
    for thread in first:
        thread.start()
    hangs.set()
    for thread in first:
        thread.join(timeout=10)
    assert (len(asked), len(refused)) == (1, 16)
    # Others of the same holder are told at once, and so is everybody while one looks whether it is back.
    with pytest.raises(KeysUnavailable):
        kept.get("root", b"another", lambda: b"k")
    assert kept.get("another root", b"another", lambda: b"k") == b"k"
    clock.now_s += AWAY_S
    hangs.clear()
    looks = threading.Thread(target=view, args=(b"look",))
    looks.start()
    while len(asked) < 2:
        time.sleep(0.01)
    with pytest.raises(KeysUnavailable):
        kept.get("root", b"look", lambda: b"k")
    hangs.set()
    looks.join(timeout=10)
    clock.now_s += AWAY_S
    assert kept.get("root", b"look", lambda: b"k") == b"k"
    assert kept.get("root", b"another", lambda: b"k") == b"k"
    kept.forget()


def test_nobody_asks_any_more_and_it_is_empty_all_the_same() -> None:
    kept = UnwrappedKeys(lifetime_s=0.05)
    kept.get("root", b"w", lambda: b"k" * 32)
    deadline_s = time.monotonic() + 5
    while len(kept) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert len(kept) == 0


def test_ids_are_spread_over_folders_by_their_random_end(tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    shelf.place(UUID("01a1fe95-0c1e-7d45-89c1-6c6e98c49833"))
    assert (tmp_path / "shelf" / "33" / "01a1fe950c1e7d4589c16c6e98c49833").is_file()
