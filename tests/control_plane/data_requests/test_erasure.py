"""A dancer is erased with the recordings that were chosen, and stays erased after a restore."""

from hashlib import sha256
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command

from control_plane.audit.chain import canonical_json
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.erasure import erase_dancer, erasure_report, repeat_erasures
from control_plane.data_requests.models import DataRequest, RequestKind, RequestState
from control_plane.data_requests.services import open_request
from control_plane.keys.configured import key_share_store
from control_plane.keys.errors import KeyDestroyed
from control_plane.keys.models import KeyTombstone
from control_plane.people.models import Dancer, Guardianship
from control_plane.recordings import services as recordings
from control_plane.recordings.models import Appearance
from control_plane.recordings.rosters import save_roster
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.data_requests.conftest import Shown


@pytest.fixture
def commits(django_capture_on_commit_callbacks: Any) -> Any:
    return lambda: django_capture_on_commit_callbacks(execute=True)


def erased(shown: Shown, **values: Any) -> DataRequest:
    facts: dict[str, Any] = {
        "destroy": {shown.class_session.id},
        "confirmation": "Mia",
        "requester": "Gita",
        "actor": shown.scene.cast.alice.actor,
    }
    return erase_dancer(shown.mia, **facts | values)


def test_the_report_names_what_shows_the_dancer(shown: Shown) -> None:
    report = erasure_report(shown.mia, actor=shown.scene.cast.alice.actor)
    (item,) = report.classes
    assert (item.class_session.id, item.confirmed, item.others, item.is_destroyed) == (
        shown.class_session.id,
        True,
        1,
        False,
    )
    assert report.audit_events > 0


def test_recordings_rows_and_name_are_gone_and_the_receipt_says_so(shown: Shown, commits: Any) -> None:
    cast, mia_id = shown.scene.cast, UUID(str(shown.mia.id))
    with commits():
        request = erased(shown, reason="asked to")
    receipt: Any = request.receipt
    assert request.state == RequestState.DONE
    assert receipt["recordings_destroyed"] == [str(shown.class_session.id)]
    assert receipt["rows_deleted"] == {
        "dancer": 1,
        "guardians": 1,
        "classes": 1,
        "requests": 1,
        "consents": 1,
        "consent-requests": 0,
        "enrolments": 0,
        "clips": 0,
        "exports": 0,
        "guardian-invitations": 0,
    }
    assert request.receipt_sha256 == sha256(canonical_json(receipt, "receipt")).hexdigest()
    assert "Mia" not in str(receipt)
    assert not shown.scene.reread().wrapped_key
    with pytest.raises(KeyDestroyed):
        key_share_store().get(shown.class_session.id)
    with studio_scope(cast.studio.id):
        assert list(Dancer.objects.all()) == [shown.noa]
        assert not Guardianship.objects.exists()
        assert [row.dancer_id for row in Appearance.objects.all()] == [shown.noa.id]
        assert Entry.objects.filter(action="dancer.erased", object_id=str(mia_id)).count() == 1
        assert not any("Mia" in str(entry.details) for entry in Entry.objects.all())


def test_a_recording_that_is_kept_no_longer_names_the_dancer(shown: Shown, commits: Any) -> None:
    with commits():
        request = erased(shown, destroy=set())
    receipt: Any = request.receipt
    assert receipt["recordings_kept"] == [str(shown.class_session.id)]
    assert shown.scene.reread().wrapped_key
    with studio_scope(shown.scene.cast.studio.id):
        assert [row.dancer_id for row in Appearance.objects.all()] == [shown.noa.id]


def test_what_a_restore_brings_back_is_erased_again_and_nothing_else(shown: Shown, commits: Any) -> None:
    cast, before = shown.scene.cast, shown.mia
    pk, name = before.pk, before.name
    with commits():
        erased(shown)
    with studio_scope(cast.studio.id):
        # The backup has the dancer, and neither the tombstone nor the receipt.
        DataRequest.objects.all().delete()
        KeyTombstone.objects.filter(object_id=pk).delete()
        restored = Dancer.objects.create(id=pk, studio=cast.studio, name=name)
        Appearance.objects.create(studio=cast.studio, class_session=shown.class_session, dancer=restored)
    out = StringIO()
    with commits():
        call_command("repeat_erasures", stdout=out)
    assert out.getvalue() == "1 dancers erased again\n"
    with studio_scope(cast.studio.id):
        assert list(Dancer.objects.all()) == [shown.noa]
        assert repeat_erasures() == 0


def test_an_open_request_is_closed_by_it(shown: Shown) -> None:
    alice = shown.scene.cast.alice.actor
    asked = open_request(
        shown.mia,
        RequestKind.ERASURE,
        requester="Gita",
        received_on=shown.class_session.created_at.date(),
        actor=alice,
    )
    assert erased(shown, requester="").pk == asked.pk


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"confirmation": "mia"}, "Type the name"),
        ({"requester": " "}, "who asked"),
        ({"destroy": {UUID(int=1)}}, "do not show"),
    ],
)
def test_it_asks_for_the_name_and_for_classes_of_the_dancer(shown: Shown, values: Any, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        erased(shown, **values)
    with studio_scope(shown.scene.cast.studio.id):
        assert Dancer.objects.count() == 2
    assert shown.scene.reread().wrapped_key


def test_a_class_that_runs_has_to_end_first(shown: Shown) -> None:
    cast = shown.scene.cast
    with studio_scope(cast.studio.id):
        running = recordings.start_class(shown.scene.room, title="Jazz", actor=cast.ivan.actor)
        save_roster(running, [shown.mia.id], confirm=False, actor=cast.alice.actor)
    with pytest.raises(Conflict, match="Stop it first"):
        erased(shown)


def test_nobody_else_erases(shown: Shown, other: Cast) -> None:
    cast = shown.scene.cast
    for person in (cast.ivan, cast.vera, cast.gita, other.alice):
        with pytest.raises((Forbidden, NotFound)):
            erased(shown, actor=person.actor)


def test_the_page_shows_the_report_and_erases(shown: Shown, commits: Any) -> None:
    cast = shown.scene.cast
    browser, page = as_person(cast.alice), f"/studio/{cast.studio.slug}/dancers/{shown.mia.id}/erase/"
    assert "with 1 other dancer" in browser.get(page).content.decode()
    assert browser.post(page, {"confirmation": "Mia"}).status_code == 422, "who asked?"
    form = {"confirmation": "Mia", "requester": "Gita", "destroy": [str(shown.class_session.id)]}
    with commits():
        answer = browser.post(page, form, follow=True)
    text = answer.content.decode()
    assert "1 recording destroyed" in text
    assert "Mia" not in text
    receipt = browser.get(f"{answer.request['PATH_INFO']}receipt/")
    assert receipt.json()["receipt"]["recordings_destroyed"] == [str(shown.class_session.id)]
