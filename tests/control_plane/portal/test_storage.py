"""The storage page shows what was found and never a secret; only who manages storage, or the platform, gets in."""

from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from control_plane.accounts.models import User
from control_plane.common.scoping import studio_scope
from control_plane.plans.models import Plan, StudioPlan
from control_plane.recordings.store_migration import advance_migration
from control_plane.storage import services
from control_plane.storage.models import MigrationState, StoreMigration, StudioStorage, StudioStore
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.integrity.test_damage import file_of, fsck
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload
from tests.control_plane.stores import named
from tests.rigs.lax_s3 import LaxServer

SECRET = "do-not-show-this-secret"


pytestmark = pytest.mark.usefixtures("stores")


@pytest.fixture
def scene(cast: Cast) -> Scene:
    return make_scene(cast)


def address(scene: Scene, name: str, *args: object) -> str:
    return reverse(f"portal:{name}", args=[scene.cast.studio.slug, *args])


def filled(lax: LaxServer, **changes: str) -> dict[str, str]:
    return {
        "name": "Our bucket", "endpoint": f"http://127.0.0.1:{lax.port}", "bucket": "footage",
        "region": "eu-test-1", "access_key": "someone-0123456789", "secret_key": SECRET, "encryption": "none",
    } | changes  # fmt: skip


def test_a_store_is_named_tried_and_moved_to_on_the_page(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    alice, studio = as_person(scene.cast.alice), scene.cast.studio
    assert alice.get(address(scene, "new_store")).status_code == 200
    assert alice.post(address(scene, "new_store"), filled(lax)).status_code == 302
    page = alice.get(address(scene, "storage")).content.decode()
    assert "Our bucket" in page
    assert "Waiting" in page
    with studio_scope(studio.id):
        (probe_id,) = services.due_probes()
        store = StudioStore.objects.get()
    services.run_probe(studio.id, probe_id)
    page = alice.get(address(scene, "storage")).content.decode()
    assert "The store refuses to overwrite an object." in page
    assert "…6789" in page
    assert alice.post(address(scene, "start_migration", store.id)).status_code == 302
    with studio_scope(studio.id):
        move = StoreMigration.objects.get()
    assert "Migration to Our bucket" in alice.get(address(scene, "storage_state")).content.decode()
    advance_migration(studio.id, move.id, batches=5)
    with studio_scope(studio.id):
        assert StoreMigration.objects.get().state == MigrationState.GRACE
    state = alice.get(address(scene, "storage_state")).content.decode()
    assert "1 old copy" in state
    for name, args in (("storage", ()), ("storage_state", ()), ("store", (store.id,))):
        assert SECRET not in alice.get(address(scene, name, *args)).content.decode()
    assert SECRET not in alice.get(f"/admin/storage/studiostore/{store.id}/change/").content.decode()


def test_a_refused_store_says_what_and_what_to_do(scene: Scene, lax: LaxServer) -> None:
    alice, studio = as_person(scene.cast.alice), scene.cast.studio
    lax.ways.honours_conditions = False
    alice.post(address(scene, "new_store"), filled(lax))
    with studio_scope(studio.id):
        (probe_id,) = services.due_probes()
        store = StudioStore.objects.get()
    services.run_probe(studio.id, probe_id)
    page = alice.get(address(scene, "storage")).content.decode()
    assert "If-None-Match" in page
    assert "Not fit" in page
    alice.post(address(scene, "start_migration", store.id))
    with studio_scope(studio.id):
        assert not StoreMigration.objects.exists()
    assert (
        "The last probe of the store failed (conditional write)"
        in alice.get(address(scene, "storage")).content.decode()
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("endpoint", "http://10.0.0.1", "private network"),
        ("endpoint", "http://user:pass@127.0.0.1", "must not contain credentials"),
        ("endpoint", "ftp://127.0.0.1", "https://host"),
        ("bucket", "UPPER CASE", "bucket name"),
        ("prefix", "no-slash", "slash"),
        ("encryption", "sse-kms", "key&#x27;s id"),
        ("ca_pem", "nonsense", "not a PEM certificate"),
        ("region", "Not A Region!", "region such as"),
    ],
)
def test_a_wrong_value_is_named_on_the_form(
    scene: Scene, lax: LaxServer, field: str, value: str, words: str
) -> None:
    answer = as_person(scene.cast.alice).post(address(scene, "new_store"), filled(lax, **{field: value}))
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert SECRET not in answer.content.decode()
    with studio_scope(scene.cast.studio.id):
        assert not StudioStore.objects.exists()


def test_only_who_manages_storage_gets_in(scene: Scene, other: Cast, lax: LaxServer) -> None:
    store = named(scene, lax.place())
    gets = [("storage", ()), ("storage_state", ()), ("new_store", ()), ("store", (store.id,)), ("usage", ())]
    posts = [
        ("storage_region", ()), ("new_store", ()), ("run_store_probe", (store.id,)), ("start_migration", (store.id,)),
        ("retire_store", (store.id,)),
    ]  # fmt: skip
    cast = scene.cast
    for user, status in ((cast.ivan, 403), (cast.vera, 403), (cast.sam, 404), (other.alice, 404)):
        client = as_person(user)
        for name, args in gets:
            assert client.get(address(scene, name, *args)).status_code == status, name
        for name, args in posts:
            assert client.post(address(scene, name, *args), filled(lax)).status_code == status, name
    with studio_scope(cast.studio.id):
        assert not StoreMigration.objects.exists()
        assert StudioStore.objects.count() == 1
    stranger = as_person(other.alice)
    theirs = reverse("portal:store", args=[other.studio.slug, store.id])
    assert stranger.get(theirs).status_code == 404, "another studio's store by its id"


def test_the_region_is_pinned_on_the_page(scene: Scene, settings: Any) -> None:
    settings.OBJECT_STORE_REGION = "eu-test-1"
    alice = as_person(scene.cast.alice)
    assert alice.post(address(scene, "storage_region"), {"region": "eu-test-1"}).status_code == 302
    answer = alice.post(address(scene, "storage_region"), {"region": "us-east-1"})
    assert answer.status_code == 422
    assert "Migrate the footage" in answer.content.decode()
    with studio_scope(scene.cast.studio.id):
        assert StudioStorage.objects.get().region == "eu-test-1"


def test_replay_may_read_from_the_studios_store_and_from_no_other(
    scene: Scene, lax: LaxServer, tmp_path: Path
) -> None:
    store = named(scene, lax.place())
    with studio_scope(scene.cast.studio.id):
        StudioStore.objects.update(direct_reads=True)
    page = address(scene, "class", scene.session.id)
    ivan = as_person(scene.cast.ivan)
    assert f"127.0.0.1:{lax.port}" not in ivan.get(page)["Content-Security-Policy"]
    with studio_scope(scene.cast.studio.id):
        row = services.lock_storage(scene.cast.studio.id)
        row.store_id = store.id
        row.save()
    (made,) = scene.cuts(tmp_path, each=2)
    upload(scene, made)
    assert f"http://127.0.0.1:{lax.port}" in ivan.get(page)["Content-Security-Policy"]
    assert f"127.0.0.1:{lax.port}" not in ivan.get(address(scene, "classes"))["Content-Security-Policy"]


def test_damaged_footage_is_an_alarm_until_it_is_intact_again(scene: Scene, tmp_path: Path) -> None:
    made = scene.cuts(tmp_path, seconds=3)
    upload(scene, *made)
    path = file_of(scene, made[0])
    assert "Alarm" not in as_person(scene.cast.alice).get(address(scene, "storage")).content.decode()
    path.unlink()
    others = [file_of(scene, item) for item in made[1:3]]
    for other in others:
        other.write_bytes(b"short")
    fsck(scene, "--repair")
    page = as_person(scene.cast.alice).get(address(scene, "storage")).content.decode()
    for text in ("Alarm", "Ballet", "1 segment missing", "2 segments damaged", "3 requested again"):
        assert text in page
    for item, damaged in zip(made, (path, *others), strict=False):
        damaged.write_bytes(item.content)
    fsck(scene)
    assert "Alarm" not in as_person(scene.cast.alice).get(address(scene, "storage")).content.decode()


def test_the_plan_and_its_use_are_shown_as_bars(scene: Scene, settings: Any) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    page = as_person(scene.cast.alice).get(address(scene, "usage")).content.decode()
    assert "3 cameras, no limit" in page
    operator = scene.cast.sam
    User.objects.filter(pk=operator.pk).update(is_operator=True)
    platform = as_person(operator)
    made = {"slug": "small", "name": "Small", "soft_percent": "80", "cameras": "3", "storage_bytes": "1.5"}
    assert platform.post(reverse("portal:operator_new_plan"), made).status_code == 302
    plan = Plan.objects.get(slug="small")
    assert (plan.cameras, plan.storage_bytes, plan.agents) == (3, 1_500_000_000, None)
    given = reverse("portal:operator_studio_plan", args=[scene.cast.studio.id])
    assert platform.post(given, {"plan": str(plan.id), "agents": "4"}).status_code == 302
    with studio_scope(scene.cast.studio.id):
        assert StudioPlan.objects.get().overrides == {"agents": 4}
    page = as_person(scene.cast.alice).get(address(scene, "usage")).content.decode()
    assert "3 cameras of 3 cameras" in page
    assert "Limit reached" in page
    listed = platform.get(reverse("portal:operator_plans")).content.decode()
    assert scene.cast.studio.name in listed
    assert "Ballet" not in listed
    changed = reverse("portal:operator_plan", args=[plan.id])
    assert platform.post(changed, made | {"cameras": "6"}).status_code == 302
    for path in (reverse("portal:operator_plans"), given, changed, reverse("portal:operator_new_plan")):
        assert as_person(scene.cast.alice).get(path).status_code == 404
        assert as_person(scene.cast.alice).post(path, made).status_code in (404, 405)


def test_every_table_of_stores_has_a_page_in_the_admin_site(scene: Scene, lax: LaxServer) -> None:
    named(scene, lax.place())
    alice = as_person(scene.cast.alice)
    for model in (
        "storage/studiostore", "storage/studiostorage", "storage/storeprobe", "storage/storemigration",
        "storage/migrationfailure", "storage/objectdeletion", "plans/plan", "plans/studioplan",
    ):  # fmt: skip
        answer = alice.get(f"/admin/{model}/")
        assert answer.status_code == 200, model
        assert b"something" not in answer.content
    with studio_scope(scene.cast.studio.id):
        row = StudioStore.objects.get()
    assert (
        f"/admin/storage/studiostore/{row.id}/change/"
        in alice.get("/admin/storage/studiostore/").content.decode()
    )
