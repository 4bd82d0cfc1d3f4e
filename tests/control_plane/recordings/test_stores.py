"""Where footage may lie: in stores that were found fit, in the pinned region, encrypted as asked, their secrets sealed."""

from pathlib import Path
from typing import Any

import pytest

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.recordings.object_deletion import delete_due, retire_store
from control_plane.recordings.store_migration import cancel_migration, start_migration
from control_plane.storage import services
from control_plane.storage.models import ProbeState, StoreProbe, StudioStore
from control_plane.storage.s3_config import ServerSide
from control_plane.storage.stores import open_store
from shared.protocol.errors import Code
from shared.protocol.upload import PutTarget, Refused
from tests.control_plane.scenes import Scene
from tests.control_plane.sending import announce, commit, put, upload
from tests.control_plane.stores import grace_is_over, named, replayed, where
from tests.rigs.lax_s3 import LaxServer

pytestmark = pytest.mark.usefixtures("stores")


def test_a_store_that_is_given_up_takes_no_announced_segment_with_it(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    store, alice = named(scene, lax.place()), scene.cast.alice.actor
    move = start_migration(scene.cast.studio, store, actor=alice)
    (early,) = announce(scene, made)
    assert isinstance(early, PutTarget)
    assert put(early, made.content).status_code == 200
    cancel_migration(move, actor=alice)
    with pytest.raises(Conflict, match="not deleted yet"):
        retire_store(store, actor=alice)
    (late,) = commit(scene, made)
    assert isinstance(late, Refused)
    assert late.retryable, "the agent keeps it and sends it again"
    grace_is_over(scene)
    delete_due(scene.cast.studio.id, most=10)
    assert lax.objects == {}, "nothing is left behind in a store whose keys are forgotten"
    retire_store(store, actor=alice)
    upload(scene, made)
    assert set(where(scene).values()) == {None}


def test_nothing_goes_to_a_store_that_was_not_found_fit(scene: Scene, lax: LaxServer) -> None:
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    store = named(scene, lax.place())
    with studio_scope(studio.id):
        StoreProbe.objects.update(state=ProbeState.REFUSED)
    with pytest.raises(Conflict, match="probe of the store failed"):
        start_migration(studio, store, actor=alice)
    lax.ways.checks_hashes = False
    with studio_scope(studio.id):
        probe = services.request_probe(studio, store, actor=alice)
    services.run_probe(studio.id, probe.id)
    with pytest.raises(Conflict, match="checksum"):
        start_migration(studio, store, actor=alice)
    lax.ways.checks_hashes = True
    services.change_store(store, actor=alice, name="Renamed")
    with pytest.raises(Conflict, match="not been probed"):
        start_migration(studio, store, actor=alice)
    for person in (scene.cast.ivan, scene.cast.vera):
        with pytest.raises(Forbidden):
            start_migration(studio, store, actor=person.actor)
    with pytest.raises(NotFound):
        start_migration(studio, store, actor=scene.cast.sam.actor)


def test_a_pinned_region_keeps_footage_in(
    scene: Scene, lax: LaxServer, settings: Any, tmp_path: Path
) -> None:
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    settings.OBJECT_STORE_REGION = "eu-test-1"
    services.set_region(studio, "eu-test-1", actor=alice)
    with pytest.raises(Conflict, match="eu-test-1"):
        services.set_region(studio, "us-east-1", actor=alice)
    with pytest.raises(Conflict, match="must stay in eu-test-1"):
        named(scene, lax.place(region="us-east-1"), "Elsewhere")
    (made,) = scene.cuts(tmp_path, each=2)
    settings.OBJECT_STORE_REGION = "us-east-1"
    (refused,) = announce(scene, made)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert "eu-test-1" in refused.detail
    settings.OBJECT_STORE_REGION = "eu-test-1"
    upload(scene, made)
    store = named(scene, lax.place())
    start_migration(studio, store, actor=alice)
    lax.ways.about["location"] = "<LocationConstraint>ap-far-1</LocationConstraint>"
    with studio_scope(studio.id):
        probe = services.request_probe(studio, store, actor=alice)
    services.run_probe(studio.id, probe.id)
    (made,) = scene.cuts(tmp_path, "right", each=2)
    (refused,) = announce(scene, made)
    assert isinstance(refused, Refused), "the store is found to be elsewhere: nothing more goes there"
    assert "ap-far-1" in refused.detail


def test_an_address_from_before_the_region_was_set_leads_nowhere(
    scene: Scene, lax: LaxServer, settings: Any, tmp_path: Path
) -> None:
    """It is signed for 15 minutes, and the old store takes it all the while."""
    alice, studio = scene.cast.alice.actor, scene.cast.studio
    settings.OBJECT_STORE_REGION = "us-east-1"
    (made,) = scene.cuts(tmp_path, each=2)
    (early,) = announce(scene, made)
    assert isinstance(early, PutTarget)
    start_migration(studio, named(scene, lax.place()), actor=alice)
    services.set_region(studio, "eu-test-1", actor=alice)
    assert put(early, made.content).status_code == 201
    (refused,) = commit(scene, made)
    assert isinstance(refused, Refused), refused
    assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert "must stay in eu-test-1" in refused.detail
    assert not list((tmp_path / "ours").rglob("*.seg")), "nothing of it stays there"
    upload(scene, made)
    assert None not in where(scene).values(), "the agent sends it to where it may go"


def test_a_studio_names_only_so_many_stores_at_a_time(
    scene: Scene, lax: LaxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is tried every night, from our servers."""
    monkeypatch.setattr(services, "MAX_STORES", 2)
    first = named(scene, lax.place(), "One")
    named(scene, lax.place(), "Two")
    with pytest.raises(Conflict, match="2 stores in use"):
        named(scene, lax.place(), "Three")
    retire_store(first, actor=scene.cast.alice.actor)
    named(scene, lax.place(), "Three")


def test_a_store_inside_our_network_is_refused_when_it_is_named(
    scene: Scene, lax: LaxServer, settings: Any
) -> None:
    settings.STORE_NETWORKS = ()
    for endpoint in (f"http://127.0.0.1:{lax.port}", "https://169.254.169.254", "https://localhost:1"):
        with pytest.raises(BadRequest, match="private network"):
            services.add_store(
                scene.cast.studio, actor=scene.cast.alice.actor, name="x", endpoint=endpoint, bucket="footage",
                region="eu-test-1", access_key="someone", secret_key="something",
            )  # fmt: skip


def test_no_receipt_before_the_store_says_that_it_encrypted_what_it_was_asked_to(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    lax.ways.server_side = "AES256"
    store = named(scene, lax.place(server_side=ServerSide.SSE_S3))
    start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    (made,) = scene.cuts(tmp_path, each=2)
    (target,) = announce(scene, made)
    assert isinstance(target, PutTarget)
    assert target.headers["x-amz-server-side-encryption"] == "AES256", "the agent asks the store for it"
    assert "x-amz-server-side-encryption" in target.headers["Authorization"], "and cannot leave it out"
    assert put(target, made.content).status_code == 200
    lax.ways.server_side = ""
    (refused,) = commit(scene, made)
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retryable) == (Code.STORE_UNAVAILABLE, True)
    assert "reports none for the object" in refused.detail
    assert where(scene) == {}
    assert lax.objects == {}, "what lies there as it should not is taken away, and sent again"
    lax.ways.server_side = "AES256"
    upload(scene, made)


def test_a_secret_is_sealed_and_never_shown(scene: Scene, lax: LaxServer) -> None:
    store = named(scene, lax.place(secret_key="a-very-secret-key"))
    with studio_scope(scene.cast.studio.id):
        row = StudioStore.objects.get()
        entries = str(list(Entry.objects.values_list("details", flat=True)))
        probes = str(list(StoreProbe.objects.values_list("findings", flat=True)))
        opened = open_store(row.id)
    assert b"a-very-secret-key" not in bytes(row.wrapped_secret)
    assert "a-very-secret-key" not in entries + probes + repr(opened) + repr(opened.config)  # type: ignore[attr-defined]
    services.change_store(store, actor=scene.cast.alice.actor, name="New name")
    with studio_scope(scene.cast.studio.id):
        assert open_store(row.id).config.secret_key == "a-very-secret-key", "an empty field leaves it"  # type: ignore[attr-defined]
    with pytest.raises(BadRequest, match="secret_key"):
        services.change_store(store, actor=scene.cast.alice.actor, access_key="another")
    with pytest.raises(BadRequest, match="bucket"):
        services.change_store(store, actor=scene.cast.alice.actor, bucket="another")


def test_bytes_of_a_store_that_browsers_may_not_read_pass_through_us(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    store = named(scene, lax.place())
    assert not store.direct_reads, "this server does not speak CORS"
    start_migration(scene.cast.studio, store, actor=scene.cast.alice.actor)
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    assert replayed(scene, made) == made.content
