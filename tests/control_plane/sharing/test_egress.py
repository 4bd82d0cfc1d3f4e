"""Blockers of egress: asked at each act, with the people and the rules of the moment."""

import pytest
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import shred_class
from control_plane.sharing.egress import (
    GIGABYTE,
    PURPOSES,
    BlockerCode,
    EgressKind,
    EgressRefused,
    EgressRequest,
    blockers,
    count_egress,
    may_know,
    require_egress,
)
from control_plane.sharing.policies import change_egress_policy
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.people.consents import says
from tests.control_plane.scenes import Scene

HERE = EgressRequest(address="203.0.113.7", size_bytes=1000)


def codes(scene: Scene, kind: EgressKind = EgressKind.SHARE, request: EgressRequest = HERE) -> list[str]:
    with studio_scope(scene.cast.studio.id):
        return [item.code for item in blockers(scene.session, kind, timezone.now(), request)]


def put_on_roster(scene: Scene, *, protected: bool = False, confirm: bool = True) -> Dancer:
    alice = scene.cast.alice.actor
    dancer = people.add_dancer(scene.cast.studio, NewDancer("Dana Doe", 1990), actor=alice)
    with studio_scope(scene.cast.studio.id):
        Dancer.objects.filter(pk=dancer.pk).update(protected=protected)
    save_roster(scene.session, [dancer.id], confirm=confirm, actor=alice)
    return dancer


@pytest.mark.parametrize("kind", EgressKind)
def test_an_admin_may_let_a_class_leave_that_nothing_stops(scene: Scene, kind: EgressKind) -> None:
    with studio_scope(scene.cast.studio.id):
        found = require_egress(scene.cast.alice.actor, scene.session, kind, HERE)
        assert found.actor == scene.cast.alice.actor


@pytest.mark.parametrize("kind", EgressKind)
@pytest.mark.parametrize(
    ("who", "error"), [("ivan", Forbidden), ("vera", Forbidden), ("gita", NotFound), ("sam", NotFound)]
)
def test_others_need_the_permission(scene: Scene, kind: EgressKind, who: str, error: type[Exception]) -> None:
    with studio_scope(scene.cast.studio.id), pytest.raises(error):
        require_egress(getattr(scene.cast, who).actor, scene.session, kind, HERE)


def test_a_roster_that_nobody_confirmed_stops_it(scene: Scene) -> None:
    put_on_roster(scene, confirm=False)
    assert BlockerCode.ROSTER in codes(scene)
    with studio_scope(scene.cast.studio.id), pytest.raises(EgressRefused, match="Confirm the roster"):
        require_egress(scene.cast.alice.actor, scene.session, EgressKind.SHARE, HERE)


def test_a_protected_dancer_stops_it_and_is_named_to_those_who_may_know(scene: Scene) -> None:
    dancer = put_on_roster(scene, protected=True)
    with studio_scope(scene.cast.studio.id):
        found = blockers(scene.session, EgressKind.EXPORT, timezone.now())
        (blocker,) = (item for item in found if item.code == BlockerCode.PROTECTED)
        assert blocker.dancer_ids == (dancer.id,)
        assert "Dana Doe" in blocker.text_for(may_know=True)
        assert "Dana Doe" not in blocker.text_for(may_know=False) + blocker.way_out
        assert may_know(scene.cast.ivan.actor, scene.session)
        assert not may_know(scene.cast.vera.actor, scene.session)
        with pytest.raises(EgressRefused) as refused:
            require_egress(scene.cast.alice.actor, scene.session, EgressKind.SHARE, HERE)
    assert "Dana Doe" not in refused.value.detail


@pytest.mark.parametrize("kind", EgressKind)
def test_everyone_enrolled_or_present_must_have_consented_to_the_kind(
    scene: Scene, family: Dancer, kind: EgressKind
) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    assert codes(scene, kind) == [BlockerCode.CONSENT], "nobody was asked"
    says(scene.cast, family, PURPOSES[kind], ConsentAnswer.GRANTED)
    assert codes(scene, kind) == []
    (other,) = set(EgressKind) - {kind}
    assert codes(scene, other) == [BlockerCode.CONSENT], "another purpose is another question"
    says(scene.cast, family, PURPOSES[kind], ConsentAnswer.WITHDRAWN)
    with studio_scope(scene.cast.studio.id), pytest.raises(EgressRefused) as refused:
        require_egress(scene.cast.alice.actor, scene.session, kind, HERE)
    (blocker,) = refused.value.blockers
    assert blocker.dancer_ids == (family.id,)
    assert "Dana" in blocker.text
    assert "Dana" not in refused.value.detail


def test_a_destroyed_class_stops_it_for_a_caller_with_an_old_row(scene: Scene) -> None:
    shred_class(scene.session, confirmation="Ballet", reason="", actor=scene.cast.alice.actor)
    assert scene.session.wrapped_key, "the caller's row is from before"
    assert codes(scene) == [BlockerCode.DESTROYED]


def test_each_kind_is_switched_off_alone(scene: Scene) -> None:
    change_egress_policy(scene.cast.studio, actor=scene.cast.alice.actor, share_enabled=False)
    assert codes(scene, EgressKind.SHARE) == [BlockerCode.SWITCHED_OFF]
    assert codes(scene, EgressKind.EXPORT) == []


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("::ffff:203.0.113.9", True),
        ("2001:db8::1", True),
        ("198.51.100.1", False),
        ("garbage", False),
        ("", True),
    ],
)
def test_footage_goes_to_the_networks_of_the_policy_only(
    scene: Scene, address: str, *, allowed: bool
) -> None:
    change_egress_policy(
        scene.cast.studio, actor=scene.cast.alice.actor, networks=["203.0.113.0/24", " 2001:db8::/48"]
    )
    found = codes(scene, request=EgressRequest(address=address))
    assert found == ([] if allowed else [BlockerCode.NETWORK])


def test_the_amount_of_a_day_is_counted_over_all_sources(scene: Scene) -> None:
    change_egress_policy(scene.cast.studio, actor=scene.cast.alice.actor, gb_per_day=1)
    source = new_id()
    with studio_scope(scene.cast.studio.id):
        for one, size_bytes in ((source, GIGABYTE // 2), (source, 100), (new_id(), GIGABYTE // 2 - 1100)):
            count_egress(one, size_bytes, timezone.now())
    assert codes(scene, request=EgressRequest(size_bytes=1000)) == []
    assert codes(scene, request=EgressRequest(size_bytes=1001)) == [BlockerCode.AMOUNT]


def test_the_rules_are_those_of_the_own_studio(scene: Scene, other: Cast) -> None:
    change_egress_policy(other.studio, actor=other.alice.actor, share_enabled=False)
    assert codes(scene) == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"longest_link_days": 0}, "longest_link_days"),
        ({"longest_link_days": 91}, "longest_link_days"),
        ({"networks": ["10.0.0.1/8"]}, "Did you mean 10.0.0.0/8"),
        ({"networks": ["home"]}, "is no network"),
        ({"networks": ["10.0.0.0/8"] * 51}, "At most 50"),
        ({"gb_per_day": 0}, "gb_per_day"),
        ({"pin_rule": "never"}, "pin_rule"),
        ({"studio_id": 1}, "cannot be changed"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(cast: Cast, values: dict[str, object], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        change_egress_policy(cast.studio, actor=cast.alice.actor, **values)


def test_only_an_admin_changes_the_rules_and_it_is_on_record(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        change_egress_policy(cast.studio, actor=cast.ivan.actor, share_enabled=False)
    change_egress_policy(cast.studio, actor=cast.alice.actor, networks=["203.0.113.0/24"])
    with studio_scope(cast.studio.id):
        details = Entry.objects.get(action="egress_policy.changed").details
    assert details["networks"] == 1
    assert "203.0.113" not in str(details)
