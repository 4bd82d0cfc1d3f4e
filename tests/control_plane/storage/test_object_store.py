"""One contract for every object store: whole and verified, or not at all."""

import hashlib
import os
import stat
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from control_plane.storage.configured import store_at
from control_plane.storage.errors import (
    BadKey,
    ObjectExists,
    ObjectMismatch,
    ObjectMissing,
    StoreRefused,
    StoreUnavailable,
)
from control_plane.storage.local import INCOMING, LocalStore
from control_plane.storage.objects import CHUNK_BYTES, ObjectStore
from control_plane.storage.s3 import S3Store
from shared.protocol.ids import new_id
from tests.rigs.radosgw import S3Server

BODY = os.urandom(3 * CHUNK_BYTES + 17)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "objects")
    server: S3Server = request.getfixturevalue("radosgw")
    s3 = S3Store(server.url("contract"))
    s3.ensure_bucket()
    return s3


@pytest.fixture
def key() -> str:
    return f"{new_id()}/{new_id()}/segment.bin"


def put(store: ObjectStore, key: str, body: bytes = BODY) -> None:
    store.put(
        key,
        (body[at : at + 5000] for at in range(0, len(body), 5000)),
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )


def read(store: ObjectStore, key: str, offset: int = 0, size: int | None = None) -> bytes:
    with store.open(key, offset_bytes=offset, size_bytes=size) as chunks:
        return b"".join(chunks)


def test_what_is_put_comes_back_whole_and_in_ranges(store: ObjectStore, key: str) -> None:
    put(store, key)
    assert read(store, key) == BODY
    assert store.sha256(key) == SHA
    assert read(store, key, 5) == BODY[5:]
    assert read(store, key, 0, 1) == BODY[:1]
    assert read(store, key, CHUNK_BYTES - 1, 2) == BODY[CHUNK_BYTES - 1 : CHUNK_BYTES + 1]
    assert read(store, key, len(BODY) - 1, 1) == BODY[-1:]


def test_the_head_gives_size_and_time(store: ObjectStore, key: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    put(store, key)
    facts = store.head(key)
    assert facts.size_bytes == len(BODY)
    assert before <= facts.modified_at <= datetime.now(UTC) + timedelta(seconds=5)


def test_an_object_is_never_overwritten(store: ObjectStore, key: str) -> None:
    put(store, key)
    with pytest.raises(ObjectExists):
        put(store, key, b"other")
    assert store.sha256(key) == SHA


@pytest.mark.parametrize(
    ("sent", "size", "sha"),
    [
        (BODY[:-1], len(BODY), SHA),
        (BODY + b"x", len(BODY), SHA),
        (b"x" + BODY[1:], len(BODY), SHA),
        (b"", len(BODY), SHA),
        (BODY, len(BODY), "0" * 64),
    ],
    ids=["too short", "too long", "changed", "empty", "other hash"],
)
def test_other_bytes_than_announced_are_not_kept(
    store: ObjectStore, key: str, sent: bytes, size: int, sha: str
) -> None:
    with pytest.raises(ObjectMismatch):
        store.put(key, iter([sent]), size_bytes=size, sha256=sha)
    with pytest.raises(ObjectMissing):
        store.head(key)
    put(store, key)


def test_a_source_that_breaks_leaves_nothing(store: ObjectStore, key: str) -> None:
    def broken() -> Iterator[bytes]:
        yield BODY[:1000]
        raise ConnectionResetError("the agent went away")

    with pytest.raises((ConnectionResetError, StoreUnavailable)):
        store.put(key, broken(), size_bytes=len(BODY), sha256=SHA)
    with pytest.raises(ObjectMissing):
        store.head(key)


def test_what_is_missing_is_said_to_be(store: ObjectStore, key: str) -> None:
    with pytest.raises(ObjectMissing):
        store.head(key)
    with pytest.raises(ObjectMissing):
        store.sha256(key)
    with pytest.raises(ObjectMissing), store.open(key):
        pass


def test_a_range_past_the_end_is_refused(store: ObjectStore, key: str) -> None:
    put(store, key)
    for offset_bytes in (len(BODY) - 1, len(BODY), len(BODY) + 1):
        with pytest.raises(ObjectMismatch), store.open(key, offset_bytes=offset_bytes, size_bytes=2):
            pass
    with store.open(key, size_bytes=0) as chunks:
        assert list(chunks) == []


def test_deleting_is_final_and_may_be_repeated(store: ObjectStore, key: str) -> None:
    put(store, key)
    store.delete(key)
    with pytest.raises(ObjectMissing):
        store.head(key)
    store.delete(key)
    put(store, key)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "/",
        "a//b",
        "../a",
        "a/../b",
        "a/..",
        ".hidden",
        "a/.b",
        "/a",
        "a/",
        "a b",
        "a\\b",
        "a\0",
        "é",
        "x" * 513,
    ],
)
def test_a_key_that_is_no_plain_path_is_refused(store: ObjectStore, bad: str) -> None:
    for call in (store.head, store.sha256, store.delete, store.open):
        with pytest.raises(BadKey):
            call(bad)
    with pytest.raises(BadKey):
        store.put(bad, iter([b"x"]), size_bytes=1, sha256="0" * 64)


def test_of_parallel_writers_of_one_key_one_wins(store: ObjectStore, key: str) -> None:
    bodies = [bytes([number]) * 70_000 for number in range(8)]

    def write(body: bytes) -> bool:
        try:
            put(store, key, body)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(write, bodies))
    assert results.count(True) == 1
    assert read(store, key) == bodies[results.index(True)]


def test_a_signed_put_takes_exactly_the_announced_bytes(store: ObjectStore, key: str) -> None:
    request = store.presign_put(key, size_bytes=len(BODY), sha256=SHA, lifetime=timedelta(minutes=10))
    if request is None:
        assert isinstance(store, LocalStore)
        return
    assert request.expires_at <= datetime.now(UTC) + timedelta(minutes=15)
    http = urllib3.PoolManager(retries=False)
    other = b"x" + BODY[1:]
    assert http.request("PUT", request.url, body=other, headers=request.headers).status in (400, 403)
    with pytest.raises(ObjectMissing):
        store.head(key)
    tampered = request.headers | {"x-amz-content-sha256": hashlib.sha256(other).hexdigest()}
    assert http.request("PUT", request.url, body=other, headers=tampered).status == 403
    unconditional = {
        name: value for name, value in request.headers.items() if name.lower() != "if-none-match"
    }
    assert http.request("PUT", request.url, body=BODY, headers=unconditional).status == 403
    assert http.request("PUT", request.url, body=BODY, headers=request.headers).status == 200
    assert http.request("PUT", request.url, body=BODY, headers=request.headers).status == 412
    assert store.sha256(key) == SHA


def test_a_signed_get_reads(store: ObjectStore, key: str) -> None:
    put(store, key)
    request = store.presign_get(key, lifetime=timedelta(minutes=1))
    if request is None:
        assert isinstance(store, LocalStore)
        return
    with urllib.request.urlopen(request.url) as answer:  # noqa: S310
        assert answer.read() == BODY


@pytest.mark.s3
def test_wrong_credentials_are_told_from_an_absent_server(radosgw: S3Server, key: str) -> None:
    wrong = f"s3+http://{radosgw.access_key}:wrong@{radosgw.host}:{radosgw.port}/contract?region=default"
    with pytest.raises(StoreRefused):
        S3Store(wrong).head(key)
    with pytest.raises(StoreUnavailable):
        S3Store("s3+http://a:b@127.0.0.1:9/contract").head(key)


def test_files_are_for_their_owner_alone_and_nothing_is_left_over(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path / "objects")
    put(store, key)
    path = store.root / key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list((store.root / INCOMING).iterdir()) == []
    assert path.stat().st_nlink == 1


def test_a_link_inside_the_folder_leads_nowhere_new(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "objects")
    put(store, "a/b")
    with pytest.raises(BadKey):
        store.head("a/../../outside")


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "file://", "s3+http://host/bucket", "s3+http://a:b@host/", "s3+http://a:b@host/x/y"]
)
def test_an_address_of_no_store_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        store_at(url)
    assert "a:b" not in str(caught.value)
