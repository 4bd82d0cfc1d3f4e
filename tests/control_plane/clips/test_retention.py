"""The retention of clips: the date of their maker, rules for clips, and holds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from control_plane.clips.models import Clip
from control_plane.common.scoping import studio_scope
from control_plane.retention.clips import expire_due_clips
from control_plane.retention.models import HoldKind, RetentionRule, RetentionRun, RunState
from control_plane.retention.services import place_hold
from control_plane.retention.tasks import run_retention
from tests.control_plane.clips.player import clip_of
from tests.control_plane.retention.past import decide
from tests.control_plane.scenes import Scene

pytestmark = pytest.mark.django_db(transaction=True)


def aged(scene: Scene, clip: Clip, days: int) -> None:
    """Makes a clip older."""
    by = timedelta(days=days)
    with studio_scope(scene.cast.studio.id):
        Clip.objects.filter(pk=clip.pk).update(
            created_at=clip.created_at - by, expires_at=clip.expires_at - by
        )


def living(scene: Scene) -> set[str]:
    with studio_scope(scene.cast.studio.id):
        return set(Clip.objects.exclude(wrapped_key=b"").values_list("title", flat=True))


def test_a_clip_ends_at_its_date_even_where_nobody_has_decided(scene: Scene) -> None:
    old, young = clip_of(scene, days=3, title="old"), clip_of(scene, days=5, title="young")
    for clip in (old, young):
        aged(scene, clip, 4)
    run_retention()
    assert living(scene) == {"young"}


def test_a_rule_for_clips_ends_them_earlier_and_one_for_recordings_does_not(scene: Scene) -> None:
    decide(scene.cast, minors_days=2, adults_days=2)
    aged(scene, clip_of(scene, days=30, title="kept"), 10)
    assert expire_due_clips(scene.cast.studio.id) == 0
    with studio_scope(scene.cast.studio.id):
        RetentionRule.objects.create(studio=scene.cast.studio, kind="clips", days=8)
    assert expire_due_clips(scene.cast.studio.id) == 1
    assert living(scene) == set()


def test_a_rule_does_not_keep_a_clip_longer_than_its_date(scene: Scene) -> None:
    decide(scene.cast)
    aged(scene, clip_of(scene, days=3), 4)
    with studio_scope(scene.cast.studio.id):
        RetentionRule.objects.create(studio=scene.cast.studio, kind="clips", days=300)
    assert expire_due_clips(scene.cast.studio.id) == 1


def test_a_hold_on_the_class_keeps_its_clips(scene: Scene) -> None:
    decide(scene.cast)
    aged(scene, clip_of(scene, days=3, title="held"), 4)
    place_hold(
        scene.session,
        kind=HoldKind.LEGAL,
        reason="a claim",
        ends_at=None,
        actor=scene.cast.alice.actor,
    )
    assert expire_due_clips(scene.cast.studio.id) == 0
    assert living(scene) == {"held"}


def test_nothing_ends_by_date_while_a_run_waits(scene: Scene) -> None:
    decide(scene.cast)
    aged(scene, clip_of(scene, days=3), 4)
    with studio_scope(scene.cast.studio.id):
        run = RetentionRun.objects.create(
            studio=scene.cast.studio,
            planned_at=timezone.now(),
            due_classes=1,
            due_bytes=1,
            total_classes=1,
            total_bytes=1,
        )
    assert expire_due_clips(scene.cast.studio.id) == 0
    with studio_scope(scene.cast.studio.id):
        run.transition(RunState.CANCELLED)
    assert expire_due_clips(scene.cast.studio.id) == 1
