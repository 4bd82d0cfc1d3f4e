"""The Record button, from idle to replay."""

import pytest
from django.test import Client

from control_plane.administration.services import create_room
from control_plane.common.scoping import studio_scope
from control_plane.fleet.models import RecordingOrder
from control_plane.recordings.models import ClassSession, ClassState
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, record

HTMX = {"HX-Request": "true"}


def classes(furnished: FurnishedStudio) -> list[ClassSession]:
    with studio_scope(furnished.cast.studio.id):
        return list(ClassSession.objects.all())


def test_record_orders_a_class_and_stop_ends_it(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    ivan = sign_in("ivan")
    answer = ivan.post(f"{furnished.base}/rooms/{furnished.room.id}/record/", headers=HTMX)
    assert 'data-state="requested"' in answer.content.decode()
    (row,) = classes(furnished)
    assert row.state == ClassState.REQUESTED
    with studio_scope(furnished.cast.studio.id):
        assert RecordingOrder.objects.get().class_session_id == row.id
    answer = ivan.post(f"{furnished.base}/classes/{row.id}/stop/", headers=HTMX)
    assert 'data-state="finishing"' in answer.content.decode()
    with studio_scope(furnished.cast.studio.id):
        assert RecordingOrder.objects.get().stop_at is not None


def test_without_a_script_the_buttons_work_as_forms(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    answer = sign_in("ivan").post(f"{furnished.base}/rooms/{furnished.room.id}/record/")
    assert answer["Location"] == f"{furnished.base}/classes/"
    (row,) = classes(furnished)
    assert row.state == ClassState.REQUESTED


def test_pressed_twice_it_records_once_and_says_so(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    ivan = sign_in("ivan")
    ivan.post(f"{furnished.base}/rooms/{furnished.room.id}/record/", headers=HTMX)
    answer = ivan.post(f"{furnished.base}/rooms/{furnished.room.id}/record/", headers=HTMX)
    assert "A class is being recorded in this room already" in answer.content.decode()
    assert len(classes(furnished)) == 1


@pytest.mark.parametrize("name", ["vera", "gita", "sam"])
def test_who_may_not_record_cannot(name: str, furnished: FurnishedStudio, sign_in: SignIn) -> None:
    answer = sign_in(name).post(f"{furnished.base}/rooms/{furnished.room.id}/record/")
    assert answer.status_code in {403, 404}
    assert classes(furnished) == []


def test_a_forged_form_is_refused(furnished: FurnishedStudio) -> None:
    client = Client(enforce_csrf_checks=True, headers={"accept": "text/html"})
    client.force_login(furnished.cast.ivan, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(f"{furnished.base}/rooms/{furnished.room.id}/record/")
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()


def test_a_room_without_cameras_says_so_and_offers_no_recording(
    cast: Cast, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    with studio_scope(cast.studio.id):
        empty = create_room(cast.studio, name="Attic", actor=cast.alice.actor)
    body = sign_in("ivan").get(f"{furnished.base}/rooms/cards/?room={empty.id}").content.decode()
    assert "No cameras yet" in body
    assert "disabled" in body
    answer = sign_in("ivan").post(f"{furnished.base}/rooms/{empty.id}/record/", headers=HTMX)
    assert "no camera to record with" in answer.content.decode()


def test_an_agent_that_is_away_is_named_before_the_button_is_pressed(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    body = sign_in("ivan").get(f"{furnished.base}/rooms/cards/").content.decode()
    assert "The agent is not connected. Recording begins when it is connected again." in body


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ClassState.REQUESTED, "Waiting for the first picture"),
        (ClassState.RECORDING, "Recording in progress"),
        (ClassState.FINISHING, "Upload in progress"),
        (ClassState.EMPTY, "No recording"),
    ],
)
def test_a_class_that_cannot_be_replayed_yet_says_how_far_it_is(
    state: ClassState, words: str, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    row = record(furnished, state)
    body = sign_in("ivan").get(f"{furnished.base}/classes/{row.id}/").content.decode()
    assert words in body
    assert "data-timeline" not in body
    assert ("Stop recording" in body) == (state in {ClassState.REQUESTED, ClassState.RECORDING})
