"""Pages of clips: make one from typed times, play it, find it in the lists, and delete it."""

from typing import Any

import pytest

from control_plane.clips.models import Clip, ClipDancer
from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.recordings.rosters import save_roster
from tests.control_plane.clips.player import clip_of, expire
from tests.control_plane.conftest import as_person
from tests.control_plane.scenes import Scene

pytestmark = pytest.mark.django_db(transaction=True)
FORM = {"starts": "0:00", "ends": "0:03", "title": "The jump", "days": "10"}


def post(scene: Scene, who: str = "ivan", **changes: Any) -> Any:
    address = f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/clips/"
    return as_person(getattr(scene.cast, who)).post(address, FORM | changes)


def get(scene: Scene, path: str, who: str = "ivan") -> Any:
    return as_person(getattr(scene.cast, who)).get(f"/studio/{scene.cast.studio.slug}/{path}")


def test_a_clip_is_made_from_typed_times_and_opens(scene: Scene) -> None:
    answer = post(scene)
    with studio_scope(scene.cast.studio.id):
        clip = Clip.objects.get()
    assert answer.status_code == 302
    assert answer.url == f"/studio/{scene.cast.studio.slug}/clips/{clip.id}/"
    page = get(scene, f"clips/{clip.id}/")
    assert "The jump" in page.text
    assert f"/clips/{clip.id}/timeline.json" in page.text
    assert "The jump" in get(scene, "clips/").text
    assert "The jump" in get(scene, f"classes/{scene.session.id}/clips/").text
    assert f"/classes/{scene.session.id}/clips/" in get(scene, f"classes/{scene.session.id}/").text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ends": ""}, "required"),
        ({"ends": "soon"}, "such as 12:30"),
        ({"ends": "0:00"}, "begin before it ends"),
        ({"ends": "9:00"}, "within the 6 s"),
        ({"days": "0"}, "1 to 365 days"),
        ({"camera": "x"}, "names no camera"),
        ({"days": "many"}, "whole number"),
    ],
)
def test_a_form_that_makes_no_sense_says_so_and_keeps_what_was_entered(
    scene: Scene, changes: dict[str, str], said: str
) -> None:
    page = post(scene, **changes)
    assert page.status_code == 422
    assert said in page.text
    assert "The jump" in page.text


def test_dancers_are_chosen_by_who_manages_rosters(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    path = f"classes/{scene.session.id}/clips/"
    assert "Dana" not in get(scene, path).text
    assert "Dana" in get(scene, path, "alice").text
    assert post(scene, dancers="chosen", dancer=str(family.id)).status_code == 403
    assert post(scene, "alice", dancers="chosen", dancer=str(family.id)).status_code == 302
    with studio_scope(scene.cast.studio.id):
        assert ClipDancer.objects.get().dancer_id == family.id


def test_a_clip_of_an_expired_class_is_listed_and_deleted(scene: Scene) -> None:
    clip = clip_of(scene, title="The jump")
    expire(scene)
    page = get(scene, f"clips/{clip.id}/")
    assert page.status_code == 200
    assert "The whole class" not in page.text
    answer = as_person(scene.cast.ivan).post(f"/studio/{scene.cast.studio.slug}/clips/{clip.id}/delete/")
    assert answer.status_code == 302
    assert "The jump" not in get(scene, "clips/").text
    assert get(scene, f"clips/{clip.id}/").status_code == 410


def test_viewers_play_clips_and_make_none(scene: Scene) -> None:
    clip = clip_of(scene, title="The jump")
    page = get(scene, f"clips/{clip.id}/", "vera")
    assert page.status_code == 200
    assert "Delete" not in page.text
    assert post(scene, "vera").status_code == 403
    assert get(scene, f"classes/{scene.session.id}/clips/", "vera").status_code == 403
