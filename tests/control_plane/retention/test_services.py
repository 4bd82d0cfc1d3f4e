"""Decisions about retention: by admins alone, within limits."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from control_plane.administration import services as administration
from control_plane.audit.models import Entry
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, ControlPlaneError, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.retention import services
from control_plane.retention.models import (
    HoldKind,
    Preset,
    RetentionHold,
    RetentionPolicy,
    RetentionRule,
)
from control_plane.tenancy.models import Room
from tests.control_plane.conftest import Cast

pytestmark = pytest.mark.django_db


def _confirm(cast: Cast, **changes: Any) -> RetentionPolicy:
    given: dict[str, Any] = {
        "preset": Preset.UK_EU,
        "minors_days": 7,
        "adults_days": 30,
        "actor": cast.alice.actor,
    }
    return services.confirm_policy(cast.studio, **given | changes)


@pytest.mark.parametrize(
    ("who", "error"), [("ivan", Forbidden), ("vera", Forbidden), ("gita", Forbidden), ("sam", NotFound)]
)
def test_only_an_admin_decides(cast: Cast, who: str, error: Any) -> None:
    actor = getattr(cast, who).actor
    with pytest.raises(error):
        _confirm(cast, actor=actor)
    with pytest.raises(error):
        services.save_rule(cast.studio, days=30, room=None, adults_only=False, actor=actor)
    with pytest.raises(error):
        services.place_hold(cast.studio, kind=HoldKind.LEGAL, reason="x", ends_at=None, actor=actor)


def test_no_part_of_the_platform_decides(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        _confirm(cast, actor=Actor.system("job"))


def test_footage_of_minors_is_not_kept_without_end(cast: Cast) -> None:
    with pytest.raises(BadRequest, match="minors"):
        _confirm(cast, minors_days=None)
    try:
        services.save_rule(cast.studio, days=None, room=None, adults_only=False, actor=cast.alice.actor)
        refusal = ""
    except ControlPlaneError as error:
        refusal = error.detail
    assert "minors" in refusal, "the service says why, before the database refuses"
    services.save_rule(cast.studio, days=None, room=None, adults_only=True, actor=cast.alice.actor)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_days_are_in_range(cast: Cast, days: int) -> None:
    with pytest.raises(BadRequest, match="days"):
        services.save_rule(cast.studio, days=days, room=None, adults_only=False, actor=cast.alice.actor)


def test_a_rule_for_the_same_is_replaced_on_record(cast: Cast, room: Room) -> None:
    for days in (30, 20):
        rule = services.save_rule(
            cast.studio, days=days, room=room, adults_only=False, actor=cast.alice.actor
        )
    with studio_scope(cast.studio.id):
        assert RetentionRule.objects.get().days == 20
        assert Entry.objects.filter(action="retention.rule_saved").count() == 2
    services.remove_rule(rule, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert not RetentionRule.objects.exists()


def test_a_room_of_another_studio_is_refused(cast: Cast, other: Cast) -> None:
    theirs = administration.create_room(other.studio, name="Theirs", actor=other.alice.actor)
    with pytest.raises(BadRequest, match="studio"):
        services.save_rule(cast.studio, days=30, room=theirs, adults_only=False, actor=cast.alice.actor)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"reason": " "}, "why"),
        ({"ends_at": None}, "until when"),
        ({"ends_at": timezone.now() - timedelta(minutes=1)}, "past"),
    ],
)
def test_a_hold_has_a_reason_and_an_end_to_come(cast: Cast, changes: dict[str, Any], text: str) -> None:
    given: dict[str, Any] = {
        "kind": HoldKind.MANUAL,
        "reason": "the show",
        "ends_at": timezone.now() + timedelta(days=9),
    }
    with pytest.raises(BadRequest, match=text):
        services.place_hold(cast.studio, **given | changes, actor=cast.alice.actor)


def test_a_hold_is_lifted_once_on_record(cast: Cast) -> None:
    hold = services.place_hold(
        cast.studio, kind=HoldKind.LEGAL, reason="a court", ends_at=None, actor=cast.alice.actor
    )
    services.lift_hold(hold, actor=cast.alice.actor)
    services.lift_hold(hold, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert RetentionHold.objects.get().lifted_by == cast.alice.id
        assert Entry.objects.filter(action="retention.hold_lifted").count() == 1
