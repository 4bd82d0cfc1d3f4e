"""A class whose agent is lost: the page says whom it waits for, and a manager of classes can stop waiting."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.common.scoping import studio_scope
from control_plane.fleet.models import Agent
from control_plane.recordings.models import ClassState
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.scenes import Scene, make_scene


@pytest.fixture
def scene(cast: Cast) -> Scene:
    made = make_scene(cast)
    made.stop()
    return made


def address(scene: Scene, rest: str = "") -> str:
    return f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/{rest}"


def test_the_page_names_the_agent_and_warns_only_when_it_has_been_silent_for_long(scene: Scene) -> None:
    ivan = as_person(scene.cast.ivan)
    for silent, warned in ((timedelta(minutes=1), False), (timedelta(minutes=11), True)):
        with studio_scope(scene.cast.studio.id):
            Agent.objects.filter(pk=scene.agent.pk).update(last_seen_at=timezone.now() - silent)
        text = ivan.get(address(scene)).content.decode()
        assert scene.agent.name in text
        assert ("offline since" in text or "<strong>offline</strong>" in text) is warned
    assert scene.reread().state == ClassState.FINISHING, "it is people who stop waiting"


def test_who_manages_classes_can_stop_waiting_and_nobody_else(scene: Scene) -> None:
    cast = scene.cast
    vera = as_person(cast.vera)
    assert "Stop waiting for this footage" not in vera.get(address(scene)).content.decode()
    assert vera.post(address(scene, "give-up/")).status_code == 403
    assert as_person(cast.sam).post(address(scene, "give-up/")).status_code == 404
    ivan = as_person(cast.ivan)
    assert "Stop waiting for this footage" in ivan.get(address(scene)).content.decode()
    assert ivan.get(address(scene, "give-up/")).status_code == 405
    assert ivan.post(address(scene, "give-up/")).status_code == 302
    assert scene.reread().state == ClassState.INCOMPLETE
    assert ivan.post(address(scene, "give-up/"), follow=True).status_code == 200
