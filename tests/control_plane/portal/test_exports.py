"""Pages of exports: requested from the page of a class, downloaded from the list."""

import zipfile
from io import BytesIO
from typing import Any

import pytest

from control_plane.common.scoping import studio_scope
from control_plane.exports.models import Export, ExportState
from control_plane.exports.writing import write_package
from control_plane.people.dancer_list import NewDancer
from control_plane.people.services import add_dancer
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.models import EgressPolicy
from tests.control_plane.conftest import as_person
from tests.control_plane.exports.conftest import scene
from tests.control_plane.scenes import Scene

__all__ = ["scene"]
pytestmark = pytest.mark.django_db(transaction=True)


def address(scene: Scene, rest: str) -> str:
    return f"/studio/{scene.cast.studio.slug}/{rest}"


def only(scene: Scene) -> Export:
    with studio_scope(scene.cast.studio.id):
        found: Export = Export.objects.select_related("class_session").get()
        return found


def written(scene: Scene) -> Export:
    export = only(scene)
    write_package(export.studio_id, export.id)
    return only(scene)


def test_an_export_is_requested_watched_downloaded_and_deleted(scene: Scene) -> None:
    alice = as_person(scene.cast.alice)
    page = address(scene, f"classes/{scene.session.id}/export/")
    assert page in alice.get(address(scene, f"classes/{scene.session.id}/")).content.decode()
    assert "Cameras" in alice.get(page).content.decode()
    listed = alice.post(page, {"starts": "0:01", "ends": "0:04"}, follow=True).content.decode()
    assert "The export has begun." in listed
    assert 'hx-trigger="every 2s"' in listed
    export = written(scene)
    rows = alice.get(address(scene, "exports/rows/")).content.decode()
    download = address(scene, f"exports/{export.id}/download/")
    assert download in rows
    assert "hx-trigger" not in rows
    answer: Any = alice.get(download)
    data = b"".join(answer)
    assert (answer["Cache-Control"], int(answer["Content-Length"])) == ("no-store", len(data))
    assert 'filename="ballet-' in answer["Content-Disposition"]
    with zipfile.ZipFile(BytesIO(data)) as package:
        assert len(package.namelist()) == 4
    rest: Any = alice.get(download, headers={"Range": f"bytes={len(data) - 10}-"})
    assert (rest.status_code, b"".join(rest)) == (206, data[-10:])
    alice.post(address(scene, f"exports/{export.id}/delete/"))
    assert only(scene).state == ExportState.CANCELLED
    assert alice.get(download).status_code == 404


def test_the_address_alone_opens_nothing(scene: Scene) -> None:
    alice, vera = as_person(scene.cast.alice), as_person(scene.cast.vera)
    alice.post(address(scene, f"classes/{scene.session.id}/export/"), {})
    download = address(scene, f"exports/{written(scene).id}/download/")
    alice.logout()
    assert alice.get(download).status_code in (302, 401)
    assert vera.get(download).status_code == 404
    assert vera.get(address(scene, "exports/")).status_code == 403


def test_what_stops_an_export_is_named(scene: Scene) -> None:
    alice = scene.cast.alice.actor
    family = add_dancer(scene.cast.studio, NewDancer("Dora"), actor=alice)
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    client = as_person(scene.cast.alice)
    page = address(scene, f"classes/{scene.session.id}/export/")
    shown = client.get(page).content.decode()
    assert "cannot be exported now" in shown
    assert family.name in shown
    assert client.post(page, {}).status_code == 422
    with studio_scope(scene.cast.studio.id):
        assert not Export.objects.exists()


def test_bad_times_are_named_at_the_form(scene: Scene) -> None:
    alice = as_person(scene.cast.alice)
    answer = alice.post(address(scene, f"classes/{scene.session.id}/export/"), {"starts": "soon"})
    assert answer.status_code == 422
    assert "minutes and seconds" in answer.content.decode()


def test_an_export_that_waits_is_approved_by_somebody_else(scene: Scene) -> None:
    cast = scene.cast
    with studio_scope(cast.studio.id):
        EgressPolicy.objects.create(studio=cast.studio, export_approval=True)
    alice = as_person(cast.alice)
    shown = alice.post(
        address(scene, f"classes/{scene.session.id}/export/"), {}, follow=True
    ).content.decode()
    assert "waits for the approval" in shown
    approve = address(scene, f"exports/{only(scene).id}/approve/")
    assert approve not in shown
    assert alice.post(approve).status_code == 403
    assert only(scene).state == ExportState.WAITING
