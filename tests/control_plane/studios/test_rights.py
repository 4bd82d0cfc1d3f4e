"""What decides beside the role as it comes: the studio's own table, rights and denials, own dancers, and their ends."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from control_plane.audit.catalogue import Action as Act
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import Appearance, ClassSession, ClassState, Track
from control_plane.studios import access, services
from control_plane.studios.access import Action, Why
from control_plane.studios.dancer_list import NewDancer
from control_plane.studios.models import (
    Dancer,
    Effect,
    Membership,
    ObjectRight,
    Relation,
    Role,
    RoleActions,
    Room,
    Studio,
    StudioKey,
)
from control_plane.studios.roles import DEFAULTS, FLOOR
from control_plane.studios.selectors import own_membership, own_memberships, rights_of
from control_plane.studios.things import VIEW_ACTIONS, UnlistedModel
from shared.protocol.ids import new_id
from tests.control_plane.conftest import SETUP, Cast

FAMILY = {Action.VIEW_STUDIO, Action.VIEW_CLASS, Action.REPLAY}


@pytest.fixture
def room(cast: Cast) -> Room:
    return services.create_room(cast.studio, name="Big room", actor=cast.alice.actor)


def recorded(room: Room, title: str = "Ballet") -> ClassSession:
    with studio_scope(room.studio_id):
        row: ClassSession = ClassSession.objects.create(
            studio_id=room.studio_id,
            room=room,
            title=title,
            state=ClassState.COMPLETE,
            requested_at=timezone.now(),
            wrapped_key=b"x",
        )
        return row


def may(cast: Cast, who: str, action: Action, obj: object) -> bool:
    with studio_scope(cast.studio.id):
        return access.can(getattr(cast, who).actor, action, obj)  # type: ignore[arg-type]


def why(cast: Cast, who: str, action: Action, obj: object) -> Why:
    with studio_scope(cast.studio.id):
        return access.decide(getattr(cast, who).actor, action, obj).reason.why  # type: ignore[arg-type]


def last(cast: Cast) -> Entry:
    with studio_scope(cast.studio.id):
        entry: Entry = Entry.objects.order_by("-sequence")[0]
        return entry


# --- the studio's own table ---------------------------------------------------------------------------------------


def test_a_studio_says_what_a_role_allows_and_it_acts_at_once(cast: Cast, other: Cast, room: Room) -> None:
    wanted = DEFAULTS[Role.VIEWER] - {Action.REPLAY} | {Action.RECORD}
    services.set_role_actions(cast.studio, Role.VIEWER, wanted, actor=cast.alice.actor)
    assert may(cast, "vera", Action.RECORD, room)
    assert not may(cast, "vera", Action.REPLAY, room)
    assert last(cast).action == Act.ROLE_CHANGED
    assert last(cast).details == {"role": "viewer", "added": ["record"], "removed": ["replay"]}
    with studio_scope(other.studio.id):
        assert access.can(other.vera.actor, Action.REPLAY, other.studio)
    services.reset_role(cast.studio, Role.VIEWER, actor=cast.alice.actor)
    assert may(cast, "vera", Action.REPLAY, room)
    assert last(cast).details == {"role": "viewer", "added": ["replay"], "removed": ["record"]}
    assert last(cast).action == Act.ROLE_RESET


@pytest.mark.parametrize(
    ("role", "actions", "text"),
    [
        (Role.GUARDIAN, FLOOR[Role.GUARDIAN] | {Action.MANAGE_ROOMS}, "Manage rooms is beyond"),
        (Role.PARTNER, FLOOR[Role.PARTNER] | {Action.VIEW_AUDIT}, "View audit is beyond"),
        (Role.INSTRUCTOR, FLOOR[Role.INSTRUCTOR] | {Action.MANAGE_PEOPLE}, "Manage people is beyond"),
        (Role.ADMIN, DEFAULTS[Role.ADMIN] - {Action.MANAGE_POLICY}, "Manage policy cannot be taken"),
        (Role.VIEWER, frozenset(), "View studio cannot be taken"),
        (Role.VIEWER, {Action.VIEW_STUDIO, Action.EXPORT}, "needs view class"),
        (Role.ADMIN, frozenset(Action), "Upload is beyond"),
    ],
)
def test_limit_and_floor_are_named(cast: Cast, role: Role, actions: set[Action], text: str) -> None:
    with pytest.raises(BadRequest, match=text):
        services.set_role_actions(cast.studio, role, actions, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert not RoleActions.objects.exists()


@pytest.mark.parametrize("who", ["ivan", "vera", "gita", "pat", "sam"])
def test_only_who_manages_policy_changes_the_table(cast: Cast, who: str) -> None:
    actor = getattr(cast, who).actor
    with pytest.raises((Forbidden, NotFound)):
        services.set_role_actions(cast.studio, Role.VIEWER, DEFAULTS[Role.VIEWER], actor=actor)
    with pytest.raises((Forbidden, NotFound)):
        services.reset_role(cast.studio, Role.VIEWER, actor=actor)


def test_a_limit_that_is_tightened_counts_against_what_was_chosen_before(cast: Cast, room: Room) -> None:
    with studio_scope(cast.studio.id):
        RoleActions.objects.create(
            studio=cast.studio, role=Role.GUARDIAN, actions=["manage_people", "upload", "no_such"]
        )
        for action in (Action.MANAGE_PEOPLE, Action.UPLOAD):
            assert not access.can(cast.gita.actor, action, room)
        assert not access.visible(cast.gita.actor, Membership).exists()
        assert access.can(cast.gita.actor, Action.VIEW_STUDIO, room)


# --- rights and denials -------------------------------------------------------------------------------------------


def test_a_right_on_one_class_holds_for_it_and_what_belongs_to_it(cast: Cast, room: Room) -> None:
    one, two = recorded(room), recorded(room, "Jazz")
    services.give_right(cast.pat, Action.REPLAY, one, actor=cast.alice.actor, reason="choreography")
    with studio_scope(cast.studio.id):
        track = Track.objects.create(
            studio=cast.studio, class_session=one, camera_id=new_id(), name="left", position="left"
        )
    assert may(cast, "pat", Action.REPLAY, one)
    assert may(cast, "pat", Action.VIEW_CLASS, one)
    assert may(cast, "pat", Action.REPLAY, track)
    assert not may(cast, "pat", Action.EXPORT, one)
    assert not may(cast, "pat", Action.REPLAY, two)
    assert not may(cast, "pat", Action.REPLAY, room)
    with studio_scope(cast.studio.id):
        assert list(access.visible(cast.pat.actor, ClassSession)) == [one]
        assert list(access.visible(cast.pat.actor, Track)) == [track]
    services.take_right(cast.pat, Action.REPLAY, one, actor=cast.alice.actor)
    assert not may(cast, "pat", Action.REPLAY, one)


def test_a_right_on_a_room_covers_its_classes_and_one_on_the_studio_all(cast: Cast, room: Room) -> None:
    small = services.create_room(cast.studio, name="Small room", actor=cast.alice.actor)
    inside, elsewhere = recorded(room), recorded(small)
    services.give_right(cast.pat, Action.REPLAY, room, actor=cast.alice.actor)
    assert may(cast, "pat", Action.REPLAY, inside)
    assert not may(cast, "pat", Action.REPLAY, elsewhere)
    services.give_right(cast.pat, Action.REPLAY, cast.studio, actor=cast.alice.actor)
    assert may(cast, "pat", Action.REPLAY, elsewhere)
    with studio_scope(cast.studio.id):
        assert Action.REPLAY in access.permissions(cast.pat.actor, cast.studio.id)


def test_a_denial_beats_right_and_role_wherever_it_stands(cast: Cast, room: Room) -> None:
    row = recorded(room)
    services.give_right(cast.vera, Action.EXPORT, row, actor=cast.alice.actor)
    services.deny_right(cast.vera, Action.VIEW_CLASS, room, actor=cast.alice.actor, reason="on leave")
    for action in (Action.VIEW_CLASS, Action.REPLAY, Action.EXPORT):
        assert why(cast, "vera", action, row) is Why.DENIED
    with studio_scope(cast.studio.id):
        assert not access.visible(cast.vera.actor, ClassSession).exists()
        with pytest.raises(NotFound):
            access.require(cast.vera.actor, Action.REPLAY, row)
    services.take_right(cast.vera, Action.VIEW_CLASS, room, actor=cast.alice.actor, effect=Effect.DENY)
    assert last(cast).action == Act.DENIAL_LIFTED
    assert may(cast, "vera", Action.EXPORT, row)


def test_a_denial_of_replay_denies_export_and_not_the_title(cast: Cast, room: Room) -> None:
    row = recorded(room)
    services.deny_right(cast.alice, Action.REPLAY, row, actor=cast.alice.actor)
    assert not may(cast, "alice", Action.EXPORT, row)
    assert may(cast, "alice", Action.VIEW_CLASS, row)
    with studio_scope(cast.studio.id), pytest.raises(Forbidden, match="denied replay"):
        access.require(cast.alice.actor, Action.REPLAY, row)


@pytest.mark.parametrize("effect", Effect)
def test_a_right_ends_at_the_very_instant(cast: Cast, room: Room, effect: Effect) -> None:
    row = recorded(room)
    end = timezone.now() + timedelta(hours=1)
    put: Callable[..., object] = services.give_right if effect == Effect.ALLOW else services.deny_right
    who = "pat" if effect == Effect.ALLOW else "vera"
    put(getattr(cast, who), Action.REPLAY, row, actor=cast.alice.actor, until=end)
    for moment, in_force in ((end - timedelta(microseconds=1), True), (end, False)):
        with time_machine.travel(moment, tick=False):
            assert may(cast, who, Action.REPLAY, row) is (in_force is (effect == Effect.ALLOW))


def test_a_right_given_again_has_the_new_end_and_a_denial_may_stand_beside_it(cast: Cast, room: Room) -> None:
    row, alice = recorded(room), cast.alice.actor
    soon, later = (timezone.now() + timedelta(hours=hours) for hours in (1, 2))
    services.give_right(cast.pat, Action.REPLAY, row, actor=alice, until=soon, reason="a")
    right = services.give_right(cast.pat, Action.REPLAY, row, actor=alice, until=later, reason="b")
    services.deny_right(cast.pat, Action.REPLAY, row, actor=alice, until=soon)
    with studio_scope(cast.studio.id):
        assert rights_of(cast.pat.id).count() == 2
        right.refresh_from_db()
        assert (right.until, right.reason, right.given_by) == (later, "b", cast.alice.id)
    assert not may(cast, "pat", Action.REPLAY, row)
    with time_machine.travel(soon, tick=False):
        assert may(cast, "pat", Action.REPLAY, row)
    with studio_scope(cast.studio.id):
        for item in rights_of(cast.pat.id):
            services.take_back(item, actor=alice)
        assert not ObjectRight.objects.exists()


@pytest.mark.parametrize("put", [services.give_right, services.deny_right])
def test_what_cannot_be_given_or_denied_is_named(cast: Cast, room: Room, put: Callable[..., object]) -> None:
    alice, row = cast.alice.actor, recorded(room)
    for action in (Action.MANAGE_PEOPLE, Action.MANAGE_POLICY, Action.VIEW_AUDIT, Action.UPLOAD):
        with pytest.raises(BadRequest, match="a role decides it"):
            put(cast.vera, action, cast.studio, actor=alice)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
    with pytest.raises(BadRequest, match="a role decides it"):
        put(cast.vera, Action.MANAGE_PEOPLE, membership, actor=alice)
    with pytest.raises(BadRequest, match="until"):
        put(cast.vera, Action.REPLAY, row, actor=alice, until=timezone.now())
    with pytest.raises(BadRequest, match="reason"):
        put(cast.vera, Action.REPLAY, row, actor=alice, reason="x" * 501)


def test_a_right_stays_within_the_limit_of_the_role(cast: Cast, room: Room) -> None:
    with pytest.raises(BadRequest, match="beyond what a member with the role Guardian"):
        services.give_right(cast.gita, Action.RECORD, room, actor=cast.alice.actor)
    services.give_right(cast.vera, Action.RECORD, room, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
        services.change_role(membership, Role.GUARDIAN, actor=cast.alice.actor)
    assert not may(cast, "vera", Action.RECORD, room)


def test_a_member_who_is_removed_leaves_no_right_behind(cast: Cast, room: Room) -> None:
    row = recorded(room)
    services.give_right(cast.pat, Action.REPLAY, row, actor=cast.alice.actor)
    services.deny_right(cast.pat, Action.EXPORT, row, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        services.remove_member(Membership.objects.get(user=cast.pat), actor=cast.alice.actor)
        assert not ObjectRight.objects.exists()
        assert access.decide(cast.pat.actor, Action.REPLAY, row).reason.why is Why.NOT_A_MEMBER
    assert last(cast).details["rights"] == 2


def test_a_right_without_a_membership_is_none(cast: Cast, room: Room) -> None:
    row = recorded(room)
    services.give_right(cast.pat, Action.REPLAY, row, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        Membership.objects.filter(user=cast.pat).delete()
        assert not access.can(cast.pat.actor, Action.REPLAY, row)
        assert not access.visible(cast.pat.actor, ClassSession).exists()


# --- memberships that end -----------------------------------------------------------------------------------------


def test_a_membership_ends_at_the_very_instant(cast: Cast, room: Room) -> None:
    row, end = recorded(room), timezone.now() + timedelta(days=1)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
    services.set_membership_end(membership, end, actor=cast.alice.actor)
    slug = cast.studio.slug
    with time_machine.travel(end - timedelta(microseconds=1), tick=False):
        assert may(cast, "vera", Action.REPLAY, row)
        assert own_membership(cast.vera.id, slug=slug) is not None
    with time_machine.travel(end, tick=False):
        assert why(cast, "vera", Action.REPLAY, row) is Why.NOT_A_MEMBER
        assert own_membership(cast.vera.id, slug=slug) is None
        assert own_memberships(cast.vera.id) == []
        with studio_scope(cast.studio.id):
            assert access.role_of(cast.vera.actor, cast.studio.id) is None
            assert not access.visible(cast.vera.actor, Room).exists()
        with pytest.raises(NotFound):
            services.give_right(cast.vera, Action.REPLAY, row, actor=cast.alice.actor)
    services.set_membership_end(membership, None, actor=cast.alice.actor)
    assert last(cast).details["ends_at"] is None


def test_an_admins_membership_has_no_end(cast: Cast) -> None:
    end = timezone.now() + timedelta(days=1)
    with studio_scope(cast.studio.id):
        alice, vera = (Membership.objects.get(user=user) for user in (cast.alice, cast.vera))
    with pytest.raises(BadRequest, match="no end"):
        services.set_membership_end(alice, end, actor=cast.alice.actor)
    with pytest.raises(BadRequest, match="no end"):
        services.add_member(cast.studio, cast.sam, Role.ADMIN, actor=cast.alice.actor, ends_at=end)
    with pytest.raises(BadRequest, match="over"):
        services.set_membership_end(vera, timezone.now(), actor=cast.alice.actor)
    services.set_membership_end(vera, end, actor=cast.alice.actor)


# --- own dancers --------------------------------------------------------------------------------------------------


@pytest.fixture
def family(cast: Cast) -> Dancer:
    """A dancer of Gita's, in a studio that lets guardians replay."""
    services.set_role_actions(cast.studio, Role.GUARDIAN, FAMILY, actor=cast.alice.actor)
    dancer = services.add_dancer(cast.studio, NewDancer("Dana", 2015), actor=cast.alice.actor)
    services.start_guardianship(dancer, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    return dancer


def danced(dancer: Dancer, row: ClassSession, *, confirmed: bool = True) -> Appearance:
    with studio_scope(row.studio_id):
        found: Appearance = Appearance.objects.create(
            studio_id=row.studio_id,
            class_session=row,
            dancer=dancer,
            confirmed_at=timezone.now() if confirmed else None,
        )
        return found


def shown(cast: Cast) -> set[str]:
    with studio_scope(cast.studio.id):
        return set(access.visible(cast.gita.actor, ClassSession).values_list("title", flat=True))


def test_a_guardian_sees_the_classes_of_own_dancers_once_confirmed(
    cast: Cast, room: Room, family: Dancer
) -> None:
    own, expected, foreign = recorded(room, "own"), recorded(room, "expected"), recorded(room, "foreign")
    danced(family, own)
    danced(family, expected, confirmed=False)
    assert why(cast, "gita", Action.REPLAY, own) is Why.OWN_DANCER
    for row in (expected, foreign):
        assert why(cast, "gita", Action.REPLAY, row) is Why.NOT_OWN
    assert shown(cast) == {"own"}
    assert not may(cast, "gita", Action.REPLAY, cast.studio)
    assert not may(cast, "gita", Action.REPLAY, room)
    with studio_scope(cast.studio.id):
        assert access.permissions(cast.gita.actor, cast.studio.id) == {Action.VIEW_STUDIO}
        with pytest.raises(NotFound):
            access.require(cast.gita.actor, Action.REPLAY, foreign)


def test_a_guardian_of_two_sees_the_classes_of_both_and_each_once(
    cast: Cast, room: Room, family: Dancer
) -> None:
    second = services.add_dancer(cast.studio, NewDancer("Dora", 2017), actor=cast.alice.actor)
    services.start_guardianship(second, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    both, one = recorded(room, "both"), recorded(room, "one")
    for dancer in (family, second):
        danced(dancer, both)
    danced(second, one)
    with studio_scope(cast.studio.id):
        titles = sorted(access.visible(cast.gita.actor, ClassSession).values_list("title", flat=True))
    assert titles == ["both", "one"]


def test_a_guardianship_that_ended_shows_nothing_more(cast: Cast, room: Room, family: Dancer) -> None:
    row = recorded(room)
    danced(family, row)
    assert may(cast, "gita", Action.REPLAY, row)
    with studio_scope(cast.studio.id):
        (tie,) = family.guardianships.all()
    services.end_guardianship(tie, actor=cast.alice.actor)
    assert not may(cast, "gita", Action.REPLAY, row)
    assert shown(cast) == set()


def test_a_guardian_of_a_dancer_in_no_class_sees_none(cast: Cast, room: Room, family: Dancer) -> None:
    recorded(room)
    assert shown(cast) == set()


def test_a_protected_dancer_closes_a_class_to_all_other_families(
    cast: Cast, room: Room, family: Dancer
) -> None:
    row = recorded(room, "together")
    danced(family, row)
    hidden = services.add_dancer(cast.studio, NewDancer("Hana", protected=True), actor=cast.alice.actor)
    danced(hidden, row, confirmed=False)
    assert not may(cast, "gita", Action.REPLAY, row)
    assert shown(cast) == set()
    services.start_guardianship(hidden, cast.gita, Relation.PARENT, actor=cast.alice.actor)
    assert may(cast, "gita", Action.REPLAY, row)
    assert shown(cast) == {"together"}


def test_the_default_shows_families_nothing_even_of_their_own(cast: Cast, room: Room, family: Dancer) -> None:
    services.reset_role(cast.studio, Role.GUARDIAN, actor=cast.alice.actor)
    row = recorded(room)
    danced(family, row)
    assert not may(cast, "gita", Action.VIEW_CLASS, row)
    services.give_right(cast.gita, Action.REPLAY, row, actor=cast.alice.actor)
    assert why(cast, "gita", Action.REPLAY, row) is Why.GRANT


# --- what is asked of the database, and about what ----------------------------------------------------------------


@pytest.mark.parametrize(("who", "most"), [("alice", 1), ("vera", 1), ("sam", 1), ("gita", 2)])
def test_a_question_about_a_class_costs_one_query_and_a_guardians_two(
    cast: Cast, room: Room, family: Dancer, who: str, most: int
) -> None:
    row = recorded(room)
    danced(family, row)
    actor = getattr(cast, who).actor
    with studio_scope(cast.studio.id):
        for ask in (
            lambda: access.can(actor, Action.REPLAY, row),
            lambda: access.permissions(actor, cast.studio.id),
            lambda: list(access.visible(actor, ClassSession)),
        ):
            with CaptureQueriesContext(connection) as asked:
                ask()
            assert 1 <= len(asked) <= most


def test_who_can_costs_the_same_for_one_person_and_for_many(cast: Cast, room: Room, family: Dancer) -> None:
    row = recorded(room)
    danced(family, row)
    with studio_scope(cast.studio.id):
        with CaptureQueriesContext(connection) as asked:
            found = access.who_can(Action.REPLAY, row)
        names = {user.display_name: decision.reason.why for user, decision in found if decision}
        assert [user for user, _ in access.who_can(Action.REPLAY, row, after=1, most=2)] == [
            user for user, _ in found[1:3]
        ]
        assert len(access.who_can(Action.REPLAY, row, most=10**6)) == len(found) == 5
    assert len(asked) == 3
    assert names == {
        "Alice": Why.ROLE,
        "Ivan": Why.ROLE,
        "Vera": Why.ROLE,
        "Gita": Why.OWN_DANCER,
    }


def test_what_somebody_can_is_told_for_each_action_of_people(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        told = dict(access.what_can(cast.vera, cast.studio.id))
    assert {action for action, decision in told.items() if decision} == DEFAULTS[Role.VIEWER]
    assert str(told[Action.REPLAY].reason) == "The role Viewer includes replay."
    assert "does not include it" in str(told[Action.RECORD].reason)
    assert Action.UPLOAD not in told


def test_a_reason_says_until_when_and_by_whom(cast: Cast, room: Room) -> None:
    end = timezone.now() + timedelta(days=2)
    services.deny_right(cast.vera, Action.REPLAY, room, actor=cast.alice.actor, until=end)
    with studio_scope(cast.studio.id):
        reason = access.decide(cast.vera.actor, Action.REPLAY, room).reason
    assert reason.by == cast.alice.id
    assert reason.words(by_name="Alice") == f"Denied replay on the room until {end:%d %B %Y, %H:%M} by Alice."


def test_a_table_that_nobody_listed_is_never_shown(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with studio_scope(cast.studio.id):
        key = StudioKey.objects.get()
        monkeypatch.delitem(VIEW_ACTIONS, "studios.StudioKey")
        for ask in (
            lambda: access.can(cast.alice.actor, Action.MANAGE_STUDIO, key),
            lambda: access.decide(cast.alice.actor, Action.MANAGE_STUDIO, key),
            lambda: access.require(SETUP, Action.MAINTAIN, key),
            lambda: access.visible(cast.alice.actor, StudioKey),
            lambda: access.view_action(StudioKey),
            lambda: access.who_can(Action.MANAGE_STUDIO, key),
            lambda: access.can(cast.alice.actor, Action.MANAGE_PEOPLE, cast.vera),
        ):
            with pytest.raises(UnlistedModel):
                ask()


def test_a_thing_of_another_studio_than_the_one_in_scope_is_not_there(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert not access.can(cast.alice.actor, Action.VIEW_STUDIO, other.studio)
        with pytest.raises(NotFound):
            access.require(other.alice.actor, Action.VIEW_STUDIO, other.studio)
        assert list(access.visible(cast.alice.actor, Studio)) == [cast.studio]
