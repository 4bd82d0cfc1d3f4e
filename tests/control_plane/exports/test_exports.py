"""Exports, end to end: requested, written by the job, downloaded; and all that must not happen."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from control_plane.access import services as grants
from control_plane.access.services import grant_permission
from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, ControlPlaneError, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.exports import removal, writing
from control_plane.exports.attempt import Attempt
from control_plane.exports.downloads import open_download
from control_plane.exports.models import Export, ExportPart, ExportState, Failure
from control_plane.exports.services import ExportFacts, approve_export, delete_export, request_export
from control_plane.exports.tasks import sweep_exports
from control_plane.exports.writing import write_package
from control_plane.keys.models import KeyTombstone, TombstoneKind
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.events import DancerErased
from control_plane.people.models import Relation
from control_plane.recordings.object_deletion import delete_due
from control_plane.recordings.permissions import EXPORT
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import remove_shredded, shred_class, shred_studio
from control_plane.sharing.egress import EgressRefused
from control_plane.sharing.models import EgressPolicy, EgressUse
from control_plane.storage.errors import StoreUnavailable
from control_plane.storage.local import LocalStore
from control_plane.storage.stores import open_store
from control_plane.tenancy.models import Membership
from shared import __version__
from tests.control_plane.conftest import Cast, make_cast
from tests.control_plane.people.consents import says
from tests.control_plane.scenes import Scene
from tests.media import numbers_in

pytestmark = pytest.mark.django_db(transaction=True)
HOME = "203.0.113.7"


def requested(scene: Scene, **facts: Any) -> Export:
    return request_export(scene.session, ExportFacts(**facts), actor=scene.cast.alice.actor)


def written(scene: Scene, **facts: Any) -> Export:
    """Returns an export that the job has written."""
    export = requested(scene, **facts)
    write_package(export.studio_id, export.id)
    return reread(export)


def reread(export: Export) -> Export:
    with studio_scope(export.studio_id):
        found: Export = Export.objects.select_related("class_session").get(pk=export.pk)
        return found


def downloaded(scene: Scene, export: Export) -> bytes:
    download = open_download(export, actor=scene.cast.alice.actor, address=HOME)
    return b"".join(download.chunks(0, export.size_bytes - 1))


def files_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as package:
        assert package.testzip() is None
        return {name: package.read(name) for name in package.namelist()}


def parts_of(export: Export) -> list[tuple[str, bytes]]:
    """Returns key and stored bytes of each part."""
    with studio_scope(export.studio_id):
        found = []
        for part in ExportPart.objects.filter(export=export):
            with open_store(part.store_id).open(part.object_key) as chunks:
                found.append((part.object_key, b"".join(chunks)))
        return found


def allow_approval(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        EgressPolicy.objects.create(studio=cast.studio, export_approval=True)


# --- what is in it --------------------------------------------------------------------------------------------------


def test_a_package_holds_each_angle_its_sums_and_a_manifest(scene: Scene) -> None:
    export = written(scene)
    assert (export.state, export.percent) == (ExportState.READY, 100)
    files = files_of(downloaded(scene, export))
    films = sorted(name for name in files if name.endswith(".mp4"))
    assert len(films) == 2
    for name in films:
        assert numbers_in(files[name]) == list(range(180))
    lines = [line.partition("  ") for line in files["SHA256SUMS"].decode().splitlines()]
    sums = {name: digest for digest, _, name in lines}
    assert sums == {
        name: hashlib.sha256(data).hexdigest() for name, data in files.items() if name != "SHA256SUMS"
    }
    manifest = json.loads(files["manifest.json"])
    assert manifest["class"]["title"] == "Ballet"
    assert manifest["software"] == f"3Dance {__version__}"
    assert [one["frames"] for one in manifest["files"]] == [180, 180]
    assert [len(one["fragments"]) for one in manifest["files"]] == [6, 6]


def test_a_part_of_one_camera_is_cut_to_the_picture(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        track = scene.session.tracks.get(camera_id=scene.cameras["left"].id)
    export = written(scene, track_ids=[track.id], from_s=1.5, to_s=4.2)
    files = files_of(downloaded(scene, export))
    (film,) = [data for name, data in files.items() if name.endswith(".mp4")]
    assert numbers_in(film) == list(range(45, 126))


def test_side_by_side_and_the_roster_are_there_on_request(scene: Scene) -> None:
    cast = scene.cast
    dora = people.add_dancer(cast.studio, NewDancer("=Dora"), actor=cast.alice.actor)
    says_yes(cast, dora)
    save_roster(scene.session, [dora.id], confirm=True, actor=cast.alice.actor)
    files = files_of(
        downloaded(scene, written(scene, side_by_side=True, burn_in_time=True, with_roster=True))
    )
    assert files["roster.csv"].decode().splitlines()[1].strip('"').lstrip("'") == "=Dora"
    assert not files["roster.csv"].decode().splitlines()[1].startswith("=")
    manifest = json.loads(files["manifest.json"])
    assert manifest["files"][-1] == {"name": "side-by-side.mp4", "frames": 180, "fps": 30}
    assert "roster.csv" not in files_of(downloaded(scene, written(scene)))


def says_yes(cast: Cast, dancer: Any) -> None:
    people.start_guardianship(dancer, cast.gita, Relation.GUARDIAN, actor=cast.alice.actor)
    for purpose in (ConsentPurpose.EXPORT, ConsentPurpose.RECORD, ConsentPurpose.REPLAY):
        says(cast, dancer, purpose, ConsentAnswer.GRANTED)


# --- where it lies --------------------------------------------------------------------------------------------------


def test_no_part_of_a_package_is_stored_in_clear(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 4096)
    export = written(scene)
    stored = parts_of(export)
    assert len(stored) > 3
    for _, data in stored:
        for sign in (b"ftyp", b"moov", b"moof", b"Ballet", b"manifest.json", b"PK\x03\x04"):
            assert sign not in data


def test_a_part_that_was_changed_is_refused(scene: Scene) -> None:
    export = written(scene)
    ((key, data),) = parts_of(export)
    with studio_scope(export.studio_id):
        store = open_store(None)
        store.delete(key)
        broken = data[:-1] + bytes([data[-1] ^ 1])
        store.put(key, [broken], size_bytes=len(broken), sha256=hashlib.sha256(broken).hexdigest())
    with pytest.raises(ControlPlaneError, match="damaged"):
        downloaded(scene, export)


def test_a_range_of_a_package_is_that_range(scene: Scene) -> None:
    export = written(scene)
    whole = downloaded(scene, export)
    download = open_download(export, actor=scene.cast.alice.actor, address=HOME)
    assert b"".join(download.chunks(1000, 5000)) == whole[1000:5001]


# --- who, and when --------------------------------------------------------------------------------------------------


def leave(scene: Scene) -> None:
    """Alice, who requested it, leaves the studio."""
    cast = scene.cast
    studios.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        studios.remove_member(Membership.objects.get(user=cast.alice), actor=cast.ivan.actor)


def refuse_consent(scene: Scene) -> None:
    """A dancer turns out to be in the class whose family has refused."""
    cast = scene.cast
    dora = people.add_dancer(cast.studio, NewDancer("Dora"), actor=cast.alice.actor)
    people.start_guardianship(dora, cast.gita, Relation.GUARDIAN, actor=cast.alice.actor)
    says(cast, dora, ConsentPurpose.EXPORT, ConsentAnswer.REFUSED)
    save_roster(scene.session, [dora.id], confirm=True, actor=cast.alice.actor)


def protect(scene: Scene) -> None:
    """A protected dancer is in the class."""
    dora = people.add_dancer(
        scene.cast.studio, NewDancer("Dora", protected=True), actor=scene.cast.alice.actor
    )
    save_roster(scene.session, [dora.id], confirm=True, actor=scene.cast.alice.actor)


def switch_off(scene: Scene) -> None:
    """The studio switches exports off."""
    with studio_scope(scene.cast.studio.id):
        EgressPolicy.objects.create(studio=scene.cast.studio, export_enabled=False)


CHANGES = [leave, refuse_consent, protect, switch_off]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_after_the_request_stops_the_job(scene: Scene, change: Callable[[Scene], None]) -> None:
    export = requested(scene)
    change(scene)
    write_package(export.studio_id, export.id)
    export = reread(export)
    assert (export.state, export.failure) == (ExportState.FAILED, Failure.REFUSED)
    assert parts_of(export) == []
    assert bytes(export.wrapped_key) == b""


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_while_it_is_written_stops_the_job(
    scene: Scene, change: Callable[[Scene], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 4096)
    export = requested(scene)
    real = Attempt.store_part

    def changing(attempt: Any, plain: bytes) -> None:
        if attempt.parts == 1:
            change(scene)
            monkeypatch.setattr(Attempt, "store_part", real)
        real(attempt, plain)

    monkeypatch.setattr(Attempt, "store_part", changing)
    write_package(export.studio_id, export.id)
    export = reread(export)
    assert (export.state, export.failure) == (ExportState.FAILED, Failure.REFUSED)
    assert parts_of(export) == []


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_later_stops_the_next_download(scene: Scene, change: Callable[[Scene], None]) -> None:
    export = written(scene)
    change(scene)
    with pytest.raises((Forbidden, NotFound)):
        downloaded(scene, export)


def test_a_consent_withdrawn_during_a_download_stops_it(scene: Scene) -> None:
    export = written(scene)
    download = open_download(export, actor=scene.cast.alice.actor, address=HOME)
    refuse_consent(scene)
    with pytest.raises(EgressRefused):
        b"".join(download.chunks(0, export.size_bytes - 1))


def test_another_studio_and_other_roles_cannot(scene: Scene) -> None:
    export = written(scene)
    for person, error in (
        (make_cast().alice, NotFound),
        (scene.cast.vera, Forbidden),
        (scene.cast.sam, NotFound),
    ):
        with pytest.raises(error):
            open_download(export, actor=person.actor, address=HOME)
        with pytest.raises(error):
            request_export(scene.session, ExportFacts(), actor=person.actor)


def test_downloads_count_as_bytes_that_left_and_are_on_record(scene: Scene) -> None:
    export = written(scene)
    downloaded(scene, export)
    with studio_scope(export.studio_id):
        used = EgressUse.objects.filter(source_id=export.id).values_list("size_bytes", flat=True)
        assert list(used) == [export.size_bytes]
        actions = list(Entry.objects.filter(action__startswith="export.").values_list("action", "actor_id"))
    alice = scene.cast.alice.id
    assert actions.count(("export.downloaded", alice)) == 1
    assert {action for action, _ in actions} == {"export.requested", "export.started", "export.downloaded"}
    assert reread(export).downloads == 1


def test_the_daily_amount_stops_a_download(scene: Scene) -> None:
    export = written(scene)
    with studio_scope(export.studio_id):
        EgressPolicy.objects.create(studio=scene.cast.studio, gb_per_day=1)
        EgressUse.objects.create(
            studio=scene.cast.studio, day=timezone.now().date(), source_id=export.id, size_bytes=10**9 - 10
        )
    with pytest.raises(EgressRefused):
        downloaded(scene, export)


def test_a_second_person_approves_where_the_studio_says_so(scene: Scene) -> None:
    cast = scene.cast
    allow_approval(cast)
    export = requested(scene)
    assert export.state == ExportState.WAITING
    write_package(export.studio_id, export.id)
    assert reread(export).state == ExportState.WAITING
    with pytest.raises(Forbidden, match="second person"):
        approve_export(export, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        grant_permission(cast.ivan, EXPORT, cast.studio, actor=cast.alice.actor)
    with pytest.raises(Forbidden):
        approve_export(export, actor=cast.ivan.actor)
    studios.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    approve_export(export, actor=cast.ivan.actor)
    with pytest.raises(Conflict):
        approve_export(export, actor=cast.ivan.actor)
    write_package(export.studio_id, export.id)
    assert (reread(export).state, reread(export).approved_by) == (ExportState.READY, cast.ivan.id)


def test_bad_wishes_are_refused(scene: Scene) -> None:
    for facts in ({"from_s": 5, "to_s": 2}, {"from_s": 100}, {"track_ids": [scene.session.id]}):
        with pytest.raises(BadRequest):
            requested(scene, **facts)
    for _ in range(5):
        requested(scene)
    with pytest.raises(Conflict, match="open"):
        requested(scene)


def with_dora(scene: Scene) -> Any:
    """Returns a dancer who is in the class, and whose family has consented."""
    dora = people.add_dancer(scene.cast.studio, NewDancer("Dora"), actor=scene.cast.alice.actor)
    says_yes(scene.cast, dora)
    save_roster(scene.session, [dora.id], confirm=True, actor=scene.cast.alice.actor)
    return dora


def test_names_of_dancers_go_only_to_who_may_see_them(scene: Scene) -> None:
    cast = scene.cast
    with_dora(scene)
    grants.grant_permission(cast.vera, EXPORT, scene.session, actor=cast.alice.actor)
    with pytest.raises(Forbidden):
        request_export(scene.session, ExportFacts(with_roster=True), actor=cast.vera.actor)
    named, plain = written(scene, with_roster=True), written(scene)
    with pytest.raises(Forbidden):
        open_download(named, actor=cast.vera.actor, address=HOME)
    open_download(plain, actor=cast.vera.actor, address=HOME)


def test_who_may_not_see_dancers_any_more_gets_no_more_names(scene: Scene) -> None:
    cast = scene.cast
    with_dora(scene)
    studios.change_role(cast.membership(cast.ivan), Role.ADMIN, actor=cast.alice.actor)
    export = written(scene, with_roster=True)
    download = open_download(export, actor=cast.ivan.actor, address=HOME)
    studios.change_role(cast.membership(cast.ivan), Role.VIEWER, actor=cast.alice.actor)
    grants.grant_permission(cast.ivan, EXPORT, scene.session, actor=cast.alice.actor)
    with pytest.raises(Forbidden):
        b"".join(download.chunks(0, export.size_bytes - 1))


# --- its end --------------------------------------------------------------------------------------------------------


def objects_left(stored: list[tuple[str, bytes]], export: Export) -> list[str]:
    """Returns the keys that are still in the store once the deletion queue has run."""
    delete_due(export.studio_id, most=50)
    left = []
    with studio_scope(export.studio_id):
        for key, _ in stored:
            try:
                open_store(None).head(key)
            except ControlPlaneError:
                continue
            left.append(key)
    return left


def cancel(scene: Scene, export: Export) -> None:
    """Alice deletes it."""
    delete_export(export, actor=scene.cast.alice.actor)


def expire(scene: Scene, export: Export) -> None:
    """Its time is over."""
    with studio_scope(export.studio_id):
        Export.objects.filter(pk=export.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotFound):
        downloaded(scene, export)
    sweep_exports()


def shred(scene: Scene, export: Export) -> None:
    """Its class is destroyed."""
    alice = scene.cast.alice.actor
    shred_class(scene.session, confirmation=scene.session.title, reason="", actor=alice)
    with pytest.raises((NotFound, Forbidden)):
        downloaded(scene, export)
    with studio_scope(export.studio_id):
        remove_shredded()


def test_the_keys_of_packages_go_with_the_footage_in_one_transaction(scene: Scene) -> None:
    ready, queued = written(scene), requested(scene)
    shred_class(scene.session, confirmation=scene.session.title, reason="", actor=scene.cast.alice.actor)
    assert [reread(row).state for row in (ready, queued)] == [ExportState.CANCELLED] * 2
    with studio_scope(ready.studio_id):
        assert not Export.objects.exclude(wrapped_key=b"").exists()


def test_no_new_key_of_a_destroyed_studio_wraps_the_key_of_a_package(scene: Scene) -> None:
    export, studio = written(scene), scene.cast.studio
    stored = parts_of(export)
    shred_studio(studio, confirmation=studio.name, reason="", actor=scene.cast.alice.actor)
    assert bytes(reread(export).wrapped_key) == bytes(reread(export).wrapped_content_key) == b""
    with studio_scope(export.studio_id):
        while remove_shredded():
            pass
        assert not Export.objects.exists()
        tombstone = KeyTombstone.objects.get(kind=TombstoneKind.EXPORT)
        assert tombstone.share_destroyed_at is not None
    assert objects_left(stored, export) == []


def test_packages_that_show_an_erased_dancer_end_also_where_the_class_is_kept(scene: Scene) -> None:
    dora = with_dora(scene)
    ready, queued = written(scene, with_roster=True), requested(scene)
    stored = parts_of(ready)
    with studio_scope(ready.studio_id):
        DancerErased(dora.id).publish()
    assert [reread(row).state for row in (ready, queued)] == [ExportState.CANCELLED] * 2
    with studio_scope(ready.studio_id):
        assert not Export.objects.exclude(wrapped_key=b"").exists()
    assert objects_left(stored, ready) == []


@pytest.mark.parametrize("end", [cancel, expire, shred], ids=lambda end: end.__name__)
def test_an_export_that_ends_has_neither_key_nor_objects(
    scene: Scene, end: Callable[[Scene, Export], None]
) -> None:
    export = written(scene)
    download = open_download(export, actor=scene.cast.alice.actor, address=HOME)
    stored = parts_of(export)
    end(scene, export)
    with pytest.raises((NotFound, Forbidden)):
        b"".join(download.chunks(0, export.size_bytes - 1))
    with studio_scope(export.studio_id):
        assert not Export.objects.exclude(wrapped_key=b"").exists()
        tombstone = KeyTombstone.objects.get(kind=TombstoneKind.EXPORT)
        assert tombstone.share_destroyed_at is not None
        assert not ExportPart.objects.exists()
    assert objects_left(stored, export) == []


def test_who_neither_made_it_nor_is_admin_cannot_delete_it(scene: Scene) -> None:
    export = written(scene)
    with pytest.raises(Forbidden):
        delete_export(export, actor=scene.cast.vera.actor)
    assert reread(export).state == ExportState.READY


# --- a worker that dies, a store that is away -----------------------------------------------------------------------


def test_a_worker_that_dies_at_any_part_is_followed_by_a_whole_package(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 8192)
    export = requested(scene)
    real = Attempt.store_part
    for most in (0, 1, 2):
        count = 0

        def dying(attempt: Any, plain: bytes, most: int = most) -> None:
            nonlocal count
            if count == most:
                raise KeyboardInterrupt
            count += 1
            real(attempt, plain)

        monkeypatch.setattr(Attempt, "store_part", dying)
        with pytest.raises(KeyboardInterrupt):
            write_package(export.studio_id, export.id)
        stored = parts_of(export)
        assert len(stored) == most
        # Its lease runs out.
        with studio_scope(export.studio_id):
            Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    monkeypatch.setattr(Attempt, "store_part", real)
    write_package(export.studio_id, export.id)
    assert reread(export).state == ExportState.READY
    assert objects_left(stored, export) == [], "what the dead worker left is gone"
    monkeypatch.setattr("control_plane.exports.downloads.PART_BYTES", 8192)
    assert len(files_of(downloaded(scene, reread(export)))) == 4


def test_a_cancelled_export_stops_within_a_part(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_BYTES", 4096)
    export = requested(scene)
    real = Attempt.store_part

    def cancelling(attempt: Any, plain: bytes) -> None:
        real(attempt, plain)
        if attempt.parts == 1:
            delete_export(export, actor=scene.cast.alice.actor)

    monkeypatch.setattr(Attempt, "store_part", cancelling)
    write_package(export.studio_id, export.id)
    assert reread(export).state == ExportState.CANCELLED
    assert parts_of(export) == []


def test_an_export_cancelled_during_an_upload_leaves_no_object(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = requested(scene)
    stored: list[tuple[str, bytes]] = []
    real = LocalStore.put

    def slow(store: LocalStore, key: str, *rest: Any, **more: Any) -> None:
        if "/exports/" in key:
            delete_export(export, actor=scene.cast.alice.actor)
            # The deletion runs before the object is there.
            delete_due(export.studio_id, most=50)
            stored.append((key, b""))
        real(store, key, *rest, **more)

    monkeypatch.setattr(LocalStore, "put", slow)
    write_package(export.studio_id, export.id)
    assert reread(export).state == ExportState.CANCELLED
    assert len(stored) == 1
    assert objects_left(stored, export) == []


def test_an_export_that_kills_its_workers_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    export = requested(scene)

    class Killed(BaseException):
        pass

    def dying(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(Attempt, "store_part", dying)
    for _ in range(writing.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            write_package(export.studio_id, export.id)
        with studio_scope(export.studio_id):
            Export.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    with suppress(Killed):
        write_package(export.studio_id, export.id)
    assert (reread(export).state, reread(export).failure) == (ExportState.FAILED, Failure.BROKEN)


def test_two_workers_do_not_write_one_export(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    export = requested(scene)
    real, rivals = Attempt.store_part, []

    def meeting(attempt: Any, plain: bytes) -> None:
        monkeypatch.setattr(Attempt, "store_part", real)
        write_package(export.studio_id, export.id)
        rivals.append(reread(export).state)
        real(attempt, plain)

    monkeypatch.setattr(Attempt, "store_part", meeting)
    write_package(export.studio_id, export.id)
    assert rivals == [ExportState.RUNNING]
    assert reread(export).state == ExportState.READY


def test_a_store_that_is_away_is_tried_again_and_then_given_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    export = requested(scene)

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(Attempt, "store_part", away)
    for attempt in range(1, 6):
        write_package(export.studio_id, export.id)
        found = reread(export)
        assert found.attempts == attempt
        assert found.state == (ExportState.QUEUED if attempt < 5 else ExportState.FAILED)
    assert found.failure == Failure.STORE
    with studio_scope(export.studio_id):
        assert not Export.objects.exclude(wrapped_key=b"").exists()


def test_damaged_footage_fails_with_its_reason(scene: Scene, tmp_path: Path) -> None:
    with studio_scope(scene.cast.studio.id):
        segment: Any = scene.session.segments.order_by("sequence").first()
        store = open_store(segment.store_id)
        with store.open(segment.object_key) as chunks:
            data = bytearray(b"".join(chunks))
        data[segment.fragments[0].offset_bytes + 5] ^= 1
        store.delete(segment.object_key)
        digest = hashlib.sha256(data).hexdigest()
        store.put(segment.object_key, [bytes(data)], size_bytes=len(data), sha256=digest)
    export = written(scene)
    assert (export.state, export.failure) == (ExportState.FAILED, Failure.DAMAGED)


def test_an_end_happens_once(scene: Scene) -> None:
    export = written(scene)
    with studio_scope(export.studio_id):
        for first in (True, False):
            assert removal.end_export(export, ExportState.EXPIRED, reason="x", actor=removal.SYSTEM) is first
        assert Entry.objects.filter(action="export.ended").count() == 1
