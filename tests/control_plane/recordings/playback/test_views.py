"""Playback over HTTP: who gets what, with what headers, and what is on record before a key is given."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from time_machine import travel

from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.common.errors import Busy, StoreUnavailable
from control_plane.common.scoping import studio_scope
from control_plane.keys import keyring
from control_plane.keys.roots.root_key import RootKeyring
from control_plane.keys.shares.folder import FolderShareStore
from control_plane.recordings.models import ClassSession, Segment, Track
from control_plane.recordings.playback import views
from control_plane.recordings.playback.view_sessions import REPLAY_IDLE_LIMIT
from control_plane.storage import configured as stores
from control_plane.storage.local import LocalStore
from control_plane.tenancy.models import Membership
from shared.protocol.codec import decode
from shared.protocol.errors import Code, Problem
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.footage import Cut, film
from tests.control_plane.live import serve
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload

STATEMENTS = {"timeline": 8, "playlist": 9, "init": 11, "key": 11, "bytes": 9, "check": 7}
"""Queries of a viewer's request besides its scopes, once a replay is under way. One asks for the dancers' consent."""
PARTS = ["timeline", "playlist", "init", "key", "bytes", "check"]


class Played:
    """A class with two segments of one camera, and the addresses of its parts."""

    def __init__(self, scene: Scene, made: list[Cut]) -> None:
        self.scene, self.made = scene, made
        with studio_scope(scene.cast.studio.id):
            self.track = Track.objects.get(camera_id=scene.cameras["left"].id)
            self.segment = Segment.objects.order_by("sequence")[0]
        self.folder = f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}"

    @property
    def addresses(self) -> dict[str, str]:
        segment = f"{self.folder}/segments/{self.segment.id}"
        return {
            "timeline": f"{self.folder}/timeline.json",
            "playlist": f"{self.folder}/tracks/{self.track.id}/playlist.m3u8",
            "init": f"{self.folder}/tracks/{self.track.id}/init/{self.segment.id}.mp4",
            "key": f"{segment}/key",
            "bytes": f"{segment}/bytes.m4s",
            "check": f"{self.folder}/check",
        }


@pytest.fixture
def played(cast: Cast, tmp_path: Path) -> Played:
    scene = make_scene(cast)
    made = scene.cuts(tmp_path, seconds=2)
    upload(scene, *made)
    scene.stop()
    return Played(scene, made)


def replays(cast: Cast) -> int:
    with studio_scope(cast.studio.id):
        return Entry.objects.filter(action="class.replayed").count()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("who", "status"),
    [("alice", 200), ("ivan", 200), ("vera", 200), ("gita", 404), ("pat", 404), ("sam", 404)],
)
def test_each_part_is_for_those_who_may_replay(played: Played, part: str, who: str, status: int) -> None:
    response = as_person(getattr(played.scene.cast, who)).get(played.addresses[part])
    assert response.status_code == (204 if (status, part) == (200, "check") else status)
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("part", PARTS)
def test_signed_out_is_401_and_another_studio_is_404(played: Played, other: Cast, part: str) -> None:
    address = played.addresses[part]
    signed_out = Client().get(address)
    assert signed_out.status_code == 401
    assert decode(signed_out.content, Problem).code is Code.SIGN_IN_REQUIRED
    assert as_person(other.alice).get(address).status_code == 404
    under_own_name = address.replace(played.scene.cast.studio.slug, other.studio.slug)
    assert as_person(other.alice).get(under_own_name).status_code == 404


def test_a_right_that_is_taken_away_is_gone_at_the_next_request(played: Played) -> None:
    cast = played.scene.cast
    vera = as_person(cast.vera)
    assert vera.get(played.addresses["key"]).status_code == 200
    with studio_scope(cast.studio.id):
        studios.remove_member(Membership.objects.get(user=cast.vera), actor=cast.alice.actor)
    assert vera.get(played.addresses["key"]).status_code == 404
    assert vera.get(played.addresses["bytes"]).status_code == 404
    assert vera.get(played.addresses["check"]).status_code == 404


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("begun", [True, False], ids=["replay under way", "first request"])
def test_a_request_reads_the_facts_of_access_once(played: Played, part: str, *, begun: bool) -> None:
    vera = as_person(played.scene.cast.vera)
    if begun:
        assert vera.get(played.addresses[part]).status_code < 300
    with CaptureQueriesContext(connection) as asked:
        assert vera.get(played.addresses[part]).status_code < 300
    assert sum("access_objectpermission" in query["sql"] for query in asked) == 1


@pytest.mark.parametrize(("part", "most"), STATEMENTS.items())
def test_a_request_makes_few_statements(played: Played, part: str, most: int) -> None:
    vera = as_person(played.scene.cast.vera)
    assert vera.get(played.addresses[part]).status_code < 300, "the replay is begun, the timeline laid out"
    with CaptureQueriesContext(connection) as asked:
        assert vera.get(played.addresses[part]).status_code < 300
    # In a test the transactions are savepoints, and the scope around them is put back by a statement of its own.
    own = [
        one["sql"] for one in asked if "SAVEPOINT" not in one["sql"] and "SELECT set_config" not in one["sql"]
    ]
    assert len(own) == most, own


@pytest.mark.parametrize("part", ["init", "key"])
def test_nobody_waits_for_root_key_shelf_or_store_at_the_chain(
    played: Played, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first key of a replay writes its entry, which locks the chain of the studio: what is far away is asked before."""
    written: list[tuple[str, bool]] = []

    def noted(name: str, call: Any) -> Any:
        def asked(*args: Any, **kwargs: Any) -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM audit_entry WHERE action = 'class.replayed'")
                written.append((name, bool(cursor.fetchone()[0])))
            return call(*args, **kwargs)

        return asked

    keyring.key_cache.forget()
    monkeypatch.setattr(RootKeyring, "unwrap", noted("root key", RootKeyring.unwrap))
    monkeypatch.setattr(FolderShareStore, "get", noted("share store", FolderShareStore.get))
    monkeypatch.setattr(LocalStore, "open", noted("store", LocalStore.open))
    assert as_person(played.scene.cast.vera).get(played.addresses[part]).status_code == 200
    assert {name for name, _ in written} >= {"root key", "share store"}
    assert [name for name, is_written in written if is_written] == []
    assert replays(played.scene.cast) == 1


def test_the_parts_are_the_segment_as_the_agent_made_it(played: Played, tmp_path: Path) -> None:
    vera, made = as_person(played.scene.cast.vera), played.made[0]
    assert vera.get(played.addresses["key"]).content == made.key
    assert vera.get(played.addresses["init"]).content == film(tmp_path, seconds=2).init
    whole = vera.get(played.addresses["bytes"])
    assert (whole.status_code, whole.content) == (200, made.content)
    blob = made.manifest.fragments[0].blob
    last = blob.offset_bytes + blob.size_bytes - 1
    part = vera.get(played.addresses["bytes"], headers={"Range": f"bytes={blob.offset_bytes}-{last}"})
    assert part.status_code == 206
    assert part.content == made.content[blob.offset_bytes : last + 1]
    assert part["Content-Range"] == f"bytes {blob.offset_bytes}-{last}/{len(made.content)}"
    rest = vera.get(played.addresses["bytes"], headers={"Range": f"bytes={blob.offset_bytes}-"})
    assert rest.content == made.content[blob.offset_bytes :]
    beyond = vera.get(played.addresses["bytes"], headers={"Range": f"bytes={10**9}-"})
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(made.content)}")
    end = vera.get(played.addresses["bytes"], headers={"Range": "bytes=-500"})
    assert (end.status_code, end.content) == (206, made.content[-500:])
    turned = vera.get(played.addresses["bytes"], headers={"Range": "bytes=5-2"})
    assert (turned.status_code, turned.content) == (200, made.content)


def test_what_is_kept_of_a_class_is_not_shown_once_more_of_it_came(cast: Cast, tmp_path: Path) -> None:
    scene = make_scene(cast)
    first, second = scene.cuts(tmp_path, seconds=2)
    upload(scene, first)
    scene.stop()
    vera, addresses = as_person(cast.vera), Played(scene, [first]).addresses
    before = [vera.get(addresses[part]).content for part in ("timeline", "playlist")]
    assert before == [vera.get(addresses[part]).content for part in ("timeline", "playlist")]
    upload(scene, second)
    after = [vera.get(addresses[part]).content for part in ("timeline", "playlist")]
    assert [new != text for text, new in zip(before, after, strict=True)] == [True, True]


def test_every_address_in_the_playlist_leads_to_its_part(played: Played) -> None:
    vera = as_person(played.scene.cast.vera)
    base = played.addresses["playlist"]
    text = vera.get(base).content.decode()
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text, "its upload has not been declared finished"
    quoted = {line.split('URI="')[1].split('"')[0] for line in text.split("\n") if 'URI="' in line}
    plain = {line for line in text.split("\n") if line and not line.startswith("#")}
    assert len(quoted) == 2
    assert len(plain) == 1, "the last fragment waits for the next, which says where it ends"
    for address in quoted | plain:
        assert vera.get(urljoin(base, address)).status_code == 200


def test_a_replay_is_on_record_before_its_first_key_and_once(played: Played) -> None:
    cast = played.scene.cast
    vera = as_person(cast.vera)
    vera.get(played.addresses["timeline"])
    for _ in range(3):
        assert vera.get(played.addresses["check"]).status_code == 204
    assert replays(cast) == 0, "neither gives anything to see"
    assert vera.get(played.addresses["bytes"]).status_code == 200
    assert replays(cast) == 1
    for part in ("playlist", "key", "init", "bytes"):
        vera.get(played.addresses[part])
    assert replays(cast) == 1
    as_person(cast.ivan).get(played.addresses["playlist"])
    assert replays(cast) == 2
    with studio_scope(cast.studio.id):
        last = Entry.objects.filter(action="class.replayed").order_by("-sequence")[0]
    assert (last.actor_id, last.object_id) == (cast.ivan.id, str(played.scene.session.id))
    with travel(timezone.now() + REPLAY_IDLE_LIMIT * 1.5):
        vera.get(played.addresses["key"])
    assert replays(cast) == 3


def test_no_entry_no_key(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the audit log cannot be written")

    monkeypatch.setattr("control_plane.recordings.playback.view_sessions.record_for", broken)
    vera = as_person(played.scene.cast.vera)
    vera.raise_request_exception = False
    response = vera.get(played.addresses["key"])
    assert response.status_code == 500
    assert played.made[0].key not in response.content


def test_a_class_whose_key_is_destroyed_plays_no_more(played: Played) -> None:
    cast = played.scene.cast
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(wrapped_key=b"")
    vera = as_person(cast.vera)
    for part in PARTS:
        refused = vera.get(played.addresses[part])
        assert (refused.status_code, decode(refused.content, Problem).code) == (410, Code.FOOTAGE_DESTROYED)


def test_a_store_elsewhere_is_pointed_at_for_seconds(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = stores.store_at("s3+http://access:secret@s3.example:9000/bucket")
    monkeypatch.setattr("control_plane.recordings.playback.views.open_store", lambda store_id: bucket)
    response = as_person(played.scene.cast.vera).get(played.addresses["bytes"])
    assert response.status_code == 302
    assert response["Location"].startswith(f"http://s3.example:9000/bucket/{played.segment.object_key}?")
    assert "X-Amz-Expires=4&" in response["Location"]
    assert "secret" not in response["Location"]


def test_what_a_head_asks_is_answered_here_wherever_the_bytes_lie(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = stores.store_at("s3+http://access:secret@s3.example:9000/bucket")
    monkeypatch.setattr("control_plane.recordings.playback.views.open_store", lambda store_id: bucket)
    vera = as_person(played.scene.cast.vera)
    whole = vera.head(played.addresses["bytes"])
    assert (whole.status_code, whole["Content-Length"]) == (200, str(len(played.made[0].content)))
    part = vera.head(played.addresses["bytes"], headers={"Range": "bytes=0-15"})
    assert (part.status_code, part["Content-Length"]) == (206, "16")
    assert vera.head(played.addresses["bytes"], headers={"Range": "bytes=-0"}).status_code == 416


def test_a_long_answer_breaks_off_when_the_right_is_taken_away(
    committed: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(committed)
    upload(scene, *scene.cuts(tmp_path, seconds=2))
    played = Played(scene, [])
    size = played.segment.size_bytes
    monkeypatch.setattr(views, "BUFFERED_RESPONSE_BYTES", 1000)
    monkeypatch.setattr(views, "REAUTHORIZE_EVERY_S", 0.0)
    opened = views._chunks

    def leaving(*where: Any) -> Iterator[bytes]:
        data = b"".join(opened(*where))
        for at in range(0, len(data), 500):
            if at == 1500 and is_taken_away:
                with studio_scope(committed.studio.id):
                    studios.remove_member(
                        Membership.objects.get(user=committed.vera), actor=committed.alice.actor
                    )
            yield data[at : at + 500]

    monkeypatch.setattr(views, "_chunks", leaving)
    cookies = {
        configured.SESSION_COOKIE_NAME: as_person(committed.vera)
        .cookies[configured.SESSION_COOKIE_NAME]
        .value
    }
    with serve() as address:
        for is_taken_away in (False, True):
            got = 0
            with httpx.stream("GET", f"{address}{played.addresses['bytes']}", cookies=cookies) as answer:
                assert answer.status_code == 200
                assert answer.headers["content-length"] == str(size)
                try:
                    for piece in answer.iter_raw():
                        got += len(piece)
                except httpx.RemoteProtocolError:
                    pass
            assert got <= 2000 if is_taken_away else got == size


def test_the_timeline_tells_what_the_player_needs(played: Played) -> None:
    body = as_person(played.scene.cast.vera).get(played.addresses["timeline"]).json()
    assert body["class"] == {
        "id": str(played.scene.session.id),
        "title": "Ballet",
        "start_at": "2026-11-21T12:03:00Z",
        "duration_s": 2.0,
        "state": "finishing",
    }
    left = next(track for track in body["tracks"] if track["position"] == "left")
    assert left == {
        "id": str(played.track.id),
        "name": "left wall",
        "position": "left",
        "playlist_url": played.addresses["playlist"],
        "video": {
            "codec": "h264",
            "codec_string": "avc1.42c00d",
            "width": 320,
            "height": 180,
            "fps": 30.0,
        },
        "audio": False,
        "clock": {"method": "rtcp_sr", "error_bound_ms": 0.6},
        "fragments": [[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]],
        "gaps": [],
    }
    right = next(track for track in body["tracks"] if track["position"] == "right")
    assert (right["video"], right["clock"], right["fragments"]) == (None, None, [])
    assert right["gaps"] == [{"from_s": 0.0, "to_s": 2.0, "reason": "pending", "label": "still on the agent"}]


@pytest.mark.parametrize(
    ("same_run", "method", "bound_ms"), [(True, "rtcp_sr", 0.6), (False, "arrival", 44.0)]
)
def test_the_clock_of_a_track_is_that_which_dates_it_and_no_provisional_one(
    played: Played, same_run: bool, method: str, bound_ms: float
) -> None:
    """The first segment closes before two sender reports agree; the settled line of its run dates it all the same."""
    with studio_scope(played.scene.cast.studio.id):
        first, _ = Segment.objects.filter(track=played.track).order_by("sequence")
        Segment.objects.filter(pk=first.pk).update(
            clock_method="arrival", clock_error_bound_us=44_000, clock_provisional=True,
            run=first.run if same_run else first.run + 1,
        )  # fmt: skip
    body = as_person(played.scene.cast.vera).get(played.addresses["timeline"]).json()
    left = next(track for track in body["tracks"] if track["position"] == "left")
    assert left["clock"] == {"method": method, "error_bound_ms": bound_ms}


def test_an_init_section_larger_than_any_is_not_even_read(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 240 MB was decrypted whole, and stayed in memory for as long as its reader was slow."""

    def read(*_: Any) -> Iterator[bytes]:
        pytest.fail("it was read")

    monkeypatch.setattr(views, "_chunks", read)
    with studio_scope(played.scene.cast.studio.id):
        Segment.objects.filter(pk=played.segment.pk).update(init_size_bytes=(64 << 10) + 16)
    refused = as_person(played.scene.cast.vera).get(played.addresses["init"])
    assert (refused.status_code, decode(refused.content, Problem).code) == (422, Code.SEGMENT_CORRUPT)


def test_an_init_section_with_wrong_padding_is_damaged_footage_and_no_fault_of_ours(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_chunks", lambda *_: iter([bytes(32)]))
    viewer = as_person(played.scene.cast.vera)
    viewer.raise_request_exception = False  # a fault of ours is an answer with status 500, as on the server
    refused = viewer.get(played.addresses["init"])
    assert refused.status_code == 422
    assert decode(refused.content, Problem).code == Code.SEGMENT_CORRUPT


def test_a_slow_reader_of_a_large_answer_holds_one_piece_of_it(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    def pieces(*_: Any) -> Iterator[bytes]:
        nonlocal read
        for _piece in range(1000):
            read += 1
            yield b"x" * 16

    monkeypatch.setattr(views, "_chunks", pieces)
    monkeypatch.setattr(views, "BUFFERED_RESPONSE_BYTES", 16)
    answer: Any = as_person(played.scene.cast.vera).get(played.addresses["bytes"])
    assert answer.streaming

    async def take_one() -> bytes:
        return bytes(await anext(aiter(answer.streaming_content)))

    assert asyncio.run(take_one()) == b"x" * 16
    assert read == 1


class SlowStore:
    """A store of a studio's own that gives nothing until it is let."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked, self.give = 0, threading.Event()
        monkeypatch.setattr(views, "_read", self._read)
        monkeypatch.setattr(views, "STORE_READ_TIMEOUT_S", 0.05)

    def _read(self, segment: Segment, offset_bytes: int, size_bytes: int) -> Iterator[bytes]:
        def chunks() -> Iterator[bytes]:
            self.asked += 1
            assert self.give.wait(20)
            yield bytes(size_bytes)

        return chunks()


def test_a_store_of_a_studios_own_that_is_slow_keeps_no_thread_of_a_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, segment = SlowStore(monkeypatch), Segment(studio_id=new_id(), store_id=new_id(), object_key="key")
    waits = []
    for _ in range(3):
        with pytest.raises(Busy) as busy:
            views.read_buffered(segment, 0, 16)
        waits.append(busy.value.until)
    store.give.set()
    for until in waits:
        assert until is not None
        until.result(20)
    assert views.read_buffered(segment, 0, 16) == bytes(16)
    assert store.asked == 1, "a repeated request gets what was read"


def test_a_store_that_fails_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(studio_id=new_id(), store_id=new_id(), object_key="key")

    def broken(*_: Any) -> Iterator[bytes]:
        yield b"half"
        raise StoreUnavailable("away")

    monkeypatch.setattr(views, "_read", broken)
    with pytest.raises(StoreUnavailable):
        views.read_buffered(segment, 0, 16)
    monkeypatch.setattr(views, "_read", lambda *_: iter([b"here"]))
    assert views.read_buffered(segment, 0, 16) == b"here"


def test_a_studio_whose_stores_are_slow_leaves_the_others_their_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, studio_id = SlowStore(monkeypatch), new_id()
    for number in range(views.READERS):
        segment = Segment(studio_id=studio_id, store_id=new_id(), object_key=f"{number}")
        with pytest.raises(Busy):
            views.read_buffered(segment, 0, 16)
    monkeypatch.setattr(views, "_read", lambda *_: iter([b"quick"]))
    monkeypatch.setattr(views, "STORE_READ_TIMEOUT_S", 20)
    assert (
        views.read_buffered(Segment(studio_id=new_id(), store_id=new_id(), object_key="x"), 0, 5) == b"quick"
    )
    store.give.set()
