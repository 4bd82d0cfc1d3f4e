"""One suite for every key share store, and the cache of unwrapped keys: durable, shared, and what is destroyed is gone."""

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

from control_plane.keys.configured import share_store_at
from control_plane.keys.errors import KeyDestroyed, KeyLost, KeyRefused, KeysUnavailable
from control_plane.keys.key_cache import MAX_ENTRIES, UNAVAILABLE_S, KeyCache
from control_plane.keys.shares.database import DatabaseShareStore
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.keys.shares.store import KeyShareStore, copy_shares
from tests.servers import POSTGRES, drop_database

Stores = FolderShareStore | DatabaseShareStore


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = f"threedance_shares_{secrets.token_hex(4)}"
    POSTGRES.create_database(name)
    url = POSTGRES.urls(name).owner
    DatabaseShareStore(url).prepare()
    yield url
    drop_database(name)


@pytest.fixture(params=["folder", "database"])
def share_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    if request.param == "folder":
        yield FolderShareStore(tmp_path / "shares")
        return
    made = DatabaseShareStore(request.getfixturevalue("database"))
    yield made
    made.close()


def test_a_half_is_made_once_and_found_again(share_store: Stores) -> None:
    one, two = uuid4(), uuid4()
    share = share_store.create(one)
    assert len(share) == 32
    assert share_store.create(two) != share
    assert share_store.get(one) == share
    with pytest.raises(KeyRefused, match="already"):
        share_store.create(one)
    assert share_store.get(one) == share


def test_a_shelf_of_its_own_is_where_it_should_be(share_store: Stores) -> None:
    share_store.create(uuid4())
    assert share_store.backup_risk() == ""


def test_what_was_never_there_is_lost_and_not_destroyed(share_store: Stores) -> None:
    with pytest.raises(KeyLost, match="copy"):
        share_store.get(uuid4())


def test_what_is_destroyed_is_gone_for_good_and_once_more_is_harmless(share_store: Stores) -> None:
    ids = [uuid4() for _ in range(20)]
    shares = [share_store.create(id_) for id_ in ids]
    stranger = uuid4()
    assert share_store.destroy([*ids[:10], stranger]) == 10
    assert share_store.destroy(ids[:10]) == 0
    for id_ in (*ids[:10], stranger):
        with pytest.raises(KeyDestroyed):
            share_store.get(id_)
        with pytest.raises(KeyDestroyed):
            share_store.create(id_)
        share_store.restore(id_, secrets.token_bytes(32))
        with pytest.raises(KeyDestroyed):
            share_store.get(id_)
    assert [share_store.get(id_) for id_ in ids[10:]] == shares[10:]
    left = dict(share_store.entries())
    assert left[stranger] is None
    assert left[ids[-1]] == shares[-1]


def test_two_that_place_the_same_make_one(share_store: Stores) -> None:
    id_ = uuid4()
    made: list[bytes] = []

    def place() -> None:
        with contextlib.suppress(KeyRefused):
            made.append(share_store.create(id_))

    threads = [threading.Thread(target=place) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert made == [share_store.get(id_)]


def test_a_copy_follows_and_brings_nothing_back(share_store: Stores, tmp_path: Path) -> None:
    alive, gone = uuid4(), uuid4()
    share, copy = share_store.create(alive), FolderShareStore(tmp_path / "copy")
    share_store.create(gone)
    copy_shares(share_store, copy)
    assert copy.get(alive) == share
    copy.get(gone)
    share_store.destroy([gone])
    copy_shares(share_store, copy)
    with pytest.raises(KeyDestroyed):
        copy.get(gone)
    # Back from the copy: what is lost comes, what was destroyed since does not.
    share_store.destroy([alive])
    copy_shares(copy, share_store)
    with pytest.raises(KeyDestroyed):
        share_store.get(alive)


def test_a_shelf_that_cannot_be_used_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for share_store in (
        FolderShareStore(tmp_path / "file" / "shares"),
        DatabaseShareStore(f"postgresql://nobody@/none?host={tmp_path}&connect_timeout=1"),
    ):
        with pytest.raises(KeysUnavailable):
            share_store.create(uuid4())
        with pytest.raises(KeysUnavailable):
            share_store.get(uuid4())


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_is_its_owners_alone_and_says_what_it_is(tmp_path: Path) -> None:
    share_store = FolderShareStore(tmp_path / "shares")
    share_store.create(uuid4())
    assert stat.S_IMODE((tmp_path / "shares").stat().st_mode) == 0o700
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "shares").glob("??/*")]
    assert [mode & 0o077 for mode in modes] == [0]
    assert (tmp_path / "shares" / ".nobackup").is_file()
    assert "OUT of the backups" in (tmp_path / "shares" / "README").read_text()
    assert not list((tmp_path / "shares").rglob(".*.*")), "no part is left"


def test_what_is_destroyed_is_overwritten_where_it_lies(tmp_path: Path) -> None:
    share_store, id_ = FolderShareStore(tmp_path / "shares"), uuid4()
    share = share_store.create(id_)
    (path,) = (tmp_path / "shares").rglob(id_.hex)
    keeper = path.with_name("hard-link")
    os.link(path, keeper)  # the same bytes on the disk, whatever becomes of the name
    share_store.destroy([id_])
    assert path.stat().st_size == 0
    assert share not in keeper.read_bytes()


def test_a_damaged_entry_is_lost_and_not_used(tmp_path: Path) -> None:
    share_store, id_ = FolderShareStore(tmp_path / "shares"), uuid4()
    share_store.create(id_)
    (path,) = (tmp_path / "shares").rglob(id_.hex)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(KeyLost, match="damaged"):
        share_store.get(id_)


def test_another_process_sees_what_is_destroyed_at_its_next_look(share_store: Stores, database: str) -> None:
    """No process keeps a share: the bound of five seconds is met by the next request."""
    url = f"file://{share_store.folder}" if isinstance(share_store, FolderShareStore) else database
    id_ = uuid4()
    share = share_store.create(id_)
    program = (
        "import sys; from uuid import UUID\n"
        "from control_plane.keys.configured import share_store_at\n"
        "share_store = share_store_at(sys.argv[1])\n"
        "for line in sys.stdin:\n"
        "    try: print(share_store.get(UUID(sys.argv[2])).hex(), flush=True)\n"
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

        assert look() == share.hex()
        share_store.destroy([id_])
        assert look() == "KeyDestroyed"
        other.stdin.close()
        assert other.wait(timeout=20) == 0


def test_a_half_under_the_name_of_a_part_dies_with_its_entry(tmp_path: Path) -> None:
    """As a copy leaves it that was cut short between writing and naming."""
    share_store, id_ = FolderShareStore(tmp_path / "shares"), uuid4()
    share = share_store.create(id_)
    (path,) = (tmp_path / "shares").rglob(id_.hex)
    part = path.with_name(f".{id_.hex}.0a0b0c0d")
    part.write_bytes(path.read_bytes())
    os.link(part, tmp_path / "the bytes on the disk")
    share_store.destroy([id_])
    assert not part.exists()
    assert share not in (tmp_path / "the bytes on the disk").read_bytes()


def test_an_entry_that_comes_while_it_is_destroyed_does_not_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_store, copy, id_ = (
        FolderShareStore(tmp_path / "shares"),
        FolderShareStore(tmp_path / "copy"),
        uuid4(),
    )
    share = copy.create(id_)
    real = Path.exists

    def meanwhile(path: Path) -> bool:
        found = real(path)
        if path.name == id_.hex and not found:
            share_store.restore(id_, share)
        return found

    monkeypatch.setattr(Path, "exists", meanwhile)
    share_store.destroy([id_])
    share_store.restore(id_, share)
    with pytest.raises(KeyDestroyed):
        share_store.get(id_)


def test_what_somebody_left_in_the_folder_stops_no_copy(tmp_path: Path) -> None:
    share_store, id_ = FolderShareStore(tmp_path / "shares"), uuid4()
    share = share_store.create(id_)
    (path,) = (tmp_path / "shares").rglob(id_.hex)
    path.with_name("notes.txt").write_text("do not delete")
    (path.parent / "folder").mkdir()
    assert dict(share_store.entries()) == {id_: share}


# --- the database ---------------------------------------------------------------------------------------------------


def test_a_dump_of_the_shelfs_database_holds_nothing_of_what_was_destroyed(database: str) -> None:
    share_store, id_ = DatabaseShareStore(database), uuid4()
    share = share_store.create(id_)
    share_store.destroy([id_])
    share_store.close()
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT id, share, destroyed_at FROM key_shares WHERE id = %s", [id_]
        ).fetchall()
        assert [(row[0], row[1]) for row in rows] == [(id_, None)]
        whole = connection.execute("SELECT string_agg(share, ''::bytea) FROM key_shares").fetchone()
    assert whole is not None
    assert share not in (whole[0] or b"")


@pytest.mark.parametrize("url", ["", "file:", "http://host/shelf", "sqlite:///shelf"])
def test_a_wrong_address_of_a_shelf_is_refused_with_the_right_forms(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///folder or postgresql://"):
        share_store_at(url)


def test_both_are_shelves(tmp_path: Path) -> None:
    stores: list[KeyShareStore] = [
        FolderShareStore(tmp_path),
        DatabaseShareStore("postgresql://nobody@/none"),
    ]
    assert len(stores) == 2


# --- unwrapped keys -------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_root_key_is_asked_once_in_a_lifetime_and_by_one_of_many() -> None:
    clock, asked, all_ask = Clock(), [], threading.Event()
    kept = KeyCache(lifetime_s=5, now=clock)

    def unwrap() -> bytes:
        asked.append(1)
        assert all_ask.wait(10)
        return b"k" * 32

    threads = [threading.Thread(target=lambda: kept.get("root", b"w", unwrap)) for _ in range(16)]
    for thread in threads:
        thread.start()
    all_ask.set()
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
    kept, asked = KeyCache(), []

    def unwrap() -> bytes:
        asked.append(1)
        return b"k"

    for root, wrapped in (("a", b"1"), ("a", b"2"), ("b", b"1"), ("a", b"1")):
        kept.get(root, wrapped, unwrap)
    assert len(asked) == 3
    kept.forget()


def test_a_failure_is_not_kept_and_the_cache_has_a_bound_and_wipes() -> None:
    clock = Clock()
    kept = KeyCache(lifetime_s=60, now=clock)

    def broken() -> bytes:
        raise KeysUnavailable("away")

    with pytest.raises(KeysUnavailable):
        kept.get("root", b"w", broken)
    clock.now_s += UNAVAILABLE_S
    assert kept.get("root", b"w", lambda: b"k" * 32) == b"k" * 32
    for index in range(MAX_ENTRIES + 10):
        kept.get("root", str(index).encode(), lambda: b"k" * 32)
    assert len(kept) == MAX_ENTRIES
    (_, held) = next(iter(kept._entries.values()))
    kept.forget()
    assert not any(held)
    assert len(kept) == 0


def test_a_holder_that_is_away_keeps_one_waiting_and_not_every_viewer_in_turn() -> None:
    clock, kept, asked, refused = Clock(), None, [], []
    kept = KeyCache(now=clock)
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
    clock.now_s += UNAVAILABLE_S
    hangs.clear()
    looks = threading.Thread(target=view, args=(b"look",))
    looks.start()
    while len(asked) < 2:
        time.sleep(0.01)
    with pytest.raises(KeysUnavailable):
        kept.get("root", b"look", lambda: b"k")
    hangs.set()
    looks.join(timeout=10)
    clock.now_s += UNAVAILABLE_S
    assert kept.get("root", b"look", lambda: b"k") == b"k"
    assert kept.get("root", b"another", lambda: b"k") == b"k"
    kept.forget()


def test_nobody_asks_any_more_and_it_is_empty_all_the_same() -> None:
    kept = KeyCache(lifetime_s=0.05)
    kept.get("root", b"w", lambda: b"k" * 32)
    deadline_s = time.monotonic() + 5
    while len(kept) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert len(kept) == 0


def test_ids_are_spread_over_folders_by_their_random_end(tmp_path: Path) -> None:
    share_store = FolderShareStore(tmp_path / "shares")
    share_store.create(UUID("01a1fe95-0c1e-7d45-89c1-6c6e98c49833"))
    assert (tmp_path / "shares" / "33" / "01a1fe950c1e7d4589c16c6e98c49833").is_file()
