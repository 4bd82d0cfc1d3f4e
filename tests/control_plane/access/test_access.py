"""Access decisions: roles, grants on single objects, and strangers, who learn nothing."""

import pytest

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.permissions import MAINTAIN, MANAGE_POLICY, USE_API
from control_plane.administration import services as administration_services
from control_plane.audit.permissions import VIEW_AUDIT
from control_plane.clips.permissions import MAKE_CLIPS
from control_plane.common.actors import Actor
from control_plane.common.errors import Conflict, Forbidden, NotFound, ScopeMissing, SignInRequired
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.permissions import ANSWER_DATA_REQUESTS
from control_plane.fleet.permissions import MANAGE_AGENTS, MANAGE_CAMERAS, RECORD, REPORT, VIEW_AGENTS
from control_plane.people.permissions import MANAGE_CONSENTS, MANAGE_DANCERS, VIEW_DANCERS
from control_plane.recordings.permissions import (
    ANNOTATE,
    EXPORT,
    MANAGE_CLASS,
    REPLAY,
    SHARE,
    UPLOAD,
    VIEW_CLASS,
    VIEW_LIVE,
)
from control_plane.retention.permissions import MANAGE_RETENTION
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.models import Membership, Room, Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_ROOMS, MANAGE_STUDIO, VIEW_STUDIO
from tests.control_plane.conftest import SETUP, Cast

WHO = ("alice", "ivan", "vera", "gita", "pat", "sam")

MATRIX = {
    VIEW_STUDIO: {"alice", "ivan", "vera", "gita", "pat"},
    MANAGE_STUDIO: {"alice"},
    MANAGE_ROOMS: {"alice"},
    MANAGE_PEOPLE: {"alice"},
    VIEW_AGENTS: {"alice", "ivan"},
    MANAGE_AGENTS: {"alice"},
    MANAGE_CAMERAS: {"alice"},
    RECORD: {"alice", "ivan"},
    VIEW_CLASS: {"alice", "ivan", "vera"},
    MANAGE_CLASS: {"alice", "ivan"},
    REPLAY: {"alice", "ivan", "vera"},
    VIEW_LIVE: {"alice", "ivan"},
    ANNOTATE: {"alice", "ivan"},
    SHARE: {"alice"},
    EXPORT: {"alice"},
    VIEW_DANCERS: {"alice", "ivan"},
    MANAGE_DANCERS: {"alice"},
    MANAGE_CONSENTS: {"alice"},
    MAKE_CLIPS: {"alice", "ivan"},
    MANAGE_RETENTION: {"alice"},
    ANSWER_DATA_REQUESTS: {"alice"},
    MANAGE_POLICY: {"alice"},
    MANAGE_STORAGE: {"alice"},
    VIEW_AUDIT: {"alice"},
    USE_API: {"alice", "pat"},
    UPLOAD: set(),
    REPORT: set(),
    MAINTAIN: set(),
}


def test_the_matrix_names_every_action() -> None:
    assert set(MATRIX) == set(StudioPermission.all())


@pytest.mark.parametrize("action", StudioPermission.all())
def test_a_role_allows_exactly_what_the_matrix_says(cast: Cast, action: StudioPermission) -> None:
    with studio_scope(cast.studio.id):
        allowed = {who for who in WHO if access.can(getattr(cast, who).actor, action, cast.studio)}
    assert allowed == MATRIX[action]


@pytest.mark.parametrize("who", WHO)
def test_nobody_may_anything_in_another_studio(cast: Cast, other: Cast, who: str) -> None:
    actor = getattr(cast, who).actor
    with studio_scope(other.studio.id):
        for action in StudioPermission.all():
            assert not access.can(actor, action, other.studio)
            with pytest.raises(NotFound):
                access.require(actor, action, other.studio)
        assert not access.visible(actor, Studio).exists()


def test_an_agent_may_upload_and_report_in_its_own_studio_only(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        allowed = {action for action in StudioPermission.all() if access.can(cast.agent, action, cast.studio)}
        assert allowed == {UPLOAD, REPORT}
        with pytest.raises(Forbidden):
            access.require(cast.agent, REPLAY, cast.studio)
        assert not access.visible(cast.agent, Room).exists()
    with studio_scope(other.studio.id):
        assert not any(access.can(cast.agent, action, other.studio) for action in StudioPermission.all())
        with pytest.raises(NotFound):
            access.require(cast.agent, UPLOAD, other.studio)


def test_the_system_never_sees_footage(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert not access.can(Actor.system("sweep"), REPLAY, cast.studio)
        assert not access.can(Actor.system("sweep"), VIEW_CLASS, cast.studio)
        with pytest.raises(Forbidden):
            access.require(Actor.system("sweep"), REPLAY, cast.studio)


def test_a_member_is_told_no_and_a_stranger_nothing(cast: Cast, room: Room) -> None:
    with studio_scope(cast.studio.id):
        with pytest.raises(Forbidden, match="Manage rooms"):
            access.require(cast.vera.actor, MANAGE_ROOMS, room)
        with pytest.raises(NotFound):
            access.require(cast.sam.actor, MANAGE_ROOMS, room)
        membership = Membership.objects.get(user=cast.ivan)
        with pytest.raises(NotFound):
            access.require(cast.vera.actor, MANAGE_STUDIO, membership)


def test_a_right_is_not_given_to_a_stranger_nor_by_one(cast: Cast, room: Room) -> None:
    with pytest.raises(NotFound):
        access_services.grant_permission(cast.sam, RECORD, room, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        with pytest.raises(NotFound):
            access_services.grant_permission(cast.pat, RECORD, room, actor=cast.sam.actor)
        with pytest.raises(Forbidden):
            access_services.grant_permission(cast.vera, RECORD, room, actor=cast.vera.actor)


def test_taking_a_role_away_acts_at_once(cast: Cast, room: Room) -> None:
    access_services.grant_permission(cast.vera, RECORD, room, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.vera)
        assert access.can(cast.vera.actor, REPLAY, cast.studio)
        administration_services.change_role(membership, Role.PARTNER, actor=cast.alice.actor)
        assert not access.can(cast.vera.actor, REPLAY, cast.studio)
        assert access.can(cast.vera.actor, RECORD, room)
        administration_services.remove_member(membership, actor=cast.alice.actor)
        assert not access.can(cast.vera.actor, RECORD, room)
        administration_services.add_member(cast.studio, cast.vera, Role.PARTNER, actor=SETUP)
        assert not access.can(cast.vera.actor, RECORD, room)


def test_a_person_switched_off_may_nothing(cast: Cast) -> None:
    cast.alice.is_active = False
    cast.alice.save()
    with studio_scope(cast.studio.id):
        assert not access.can(cast.alice.actor, VIEW_STUDIO, cast.studio)
        with pytest.raises(NotFound):
            access.require(cast.alice.actor, VIEW_STUDIO, cast.studio)


def test_a_superuser_has_no_permanent_access(cast: Cast) -> None:
    cast.sam.is_superuser = cast.sam.is_staff = True
    cast.sam.save()
    with studio_scope(cast.studio.id):
        assert not access.can(cast.sam.actor, REPLAY, cast.studio)
        assert not access.visible(cast.sam.actor, Room).exists()


def test_a_question_outside_of_the_studios_scope_raises(cast: Cast) -> None:
    with pytest.raises(ScopeMissing):
        access.can(cast.alice.actor, VIEW_STUDIO, cast.studio)
    with pytest.raises(ScopeMissing):
        access.visible(cast.alice.actor, Room)


def test_nobody_signed_in_is_asked_to(cast: Cast) -> None:
    with pytest.raises(SignInRequired):
        access.require_signed_in(None)
    assert access.require_signed_in(cast.vera) == Actor.user(cast.vera.id)


def test_a_studio_keeps_an_admin(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        alice = Membership.objects.get(user=cast.alice)
        with pytest.raises(Conflict):
            administration_services.remove_member(alice, actor=cast.alice.actor)
        with pytest.raises(Conflict):
            administration_services.change_role(alice, Role.VIEWER, actor=cast.alice.actor)
        ivan = Membership.objects.get(user=cast.ivan)
        administration_services.change_role(ivan, Role.ADMIN, actor=cast.alice.actor)
        administration_services.remove_member(alice, actor=cast.ivan.actor)
        assert not access.can(cast.alice.actor, VIEW_STUDIO, cast.studio)


def test_the_platform_gives_people_but_is_no_admin(cast: Cast) -> None:
    administration_services.add_member(cast.studio, cast.sam, Role.VIEWER, actor=SETUP)
    with studio_scope(cast.studio.id), pytest.raises(Forbidden):
        administration_services.create_room(cast.studio, name="x", actor=SETUP)
