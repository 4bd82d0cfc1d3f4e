"""A platform operator has no way in but one that is asked for, ends, and is seen by the studio."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from control_plane.access import access
from control_plane.access import services as access_services
from control_plane.access.access import ReasonCode
from control_plane.access.audit_events import BREAK_GLASS_CLOSED, BREAK_GLASS_OPENED
from control_plane.access.models import BreakGlass
from control_plane.access.selectors import break_glasses, open_break_glasses, own_break_glasses
from control_plane.accounts.models import User
from control_plane.accounts.services import create_user
from control_plane.administration import services as administration_services
from control_plane.audit.models import Entry
from control_plane.audit.services import chain_scope
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope, user_scope
from control_plane.fleet.permissions import MANAGE_AGENTS, VIEW_AGENTS
from control_plane.identity.models import SigninPolicy
from control_plane.recordings.permissions import EXPORT, REPLAY, VIEW_CLASS
from control_plane.storage.permissions import MANAGE_STORAGE
from control_plane.tenancy.models import Membership, Room, Studio
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_ROOMS, MANAGE_STUDIO, VIEW_STUDIO
from tests.control_plane.conftest import SETUP, Cast, as_person

REASON = "Camera 2 shows black since Monday, ticket 4711"
WANTED = [VIEW_STUDIO, VIEW_AGENTS]


@pytest.fixture
def olga(db: None) -> User:
    user = create_user("olga@platform.example", actor=SETUP, display_name="Olga")
    User.objects.filter(pk=user.pk).update(is_operator=True)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    user.refresh_from_db()
    return user


def enter(cast: Cast, olga: User, **values: Any) -> BreakGlass:
    asked: dict[str, Any] = {"actions": WANTED, "reason": REASON, "hours": 1, "actor": olga.actor} | values
    return access_services.open_break_glass(cast.studio, olga, **asked)


def platform_acts() -> list[tuple[str, dict[str, Any]]]:
    with chain_scope(None):
        return list(Entry.objects.order_by("sequence").values_list("action", "details"))


def studio_acts(cast: Cast) -> list[str]:
    with studio_scope(cast.studio.id):
        return list(Entry.objects.order_by("sequence").values_list("action", flat=True))


def test_an_operator_is_a_stranger_until_the_glass_is_broken_and_after(cast: Cast, olga: User) -> None:
    with studio_scope(cast.studio.id):
        with pytest.raises(NotFound):
            access.require(olga.actor, VIEW_STUDIO, cast.studio)
        assert not access.visible(olga.actor, Room).exists()
    glass = enter(cast, olga)
    with studio_scope(cast.studio.id):
        decision = access.decide(olga.actor, VIEW_AGENTS, cast.studio)
        assert (decision.allowed, decision.reason.code) == (True, ReasonCode.BREAK_GLASS)
        assert access.permissions(olga.actor, cast.studio.id) == set(WANTED)
        with pytest.raises(Forbidden, match="does not include “Watch recorded classes”"):
            access.require(olga.actor, REPLAY, cast.studio)
    with time_machine.travel(glass.ends_at, tick=False), studio_scope(cast.studio.id):
        assert access.decide(olga.actor, VIEW_AGENTS, cast.studio).reason.code is ReasonCode.NOT_A_MEMBER


def test_it_opens_one_studio_and_no_other(cast: Cast, other: Cast, olga: User) -> None:
    enter(cast, olga)
    with studio_scope(other.studio.id):
        assert not access.permissions(olga.actor, other.studio.id)
    with user_scope(olga.id):
        assert [studio.pk for studio in Studio.objects.all()] == [cast.studio.pk]
    with user_scope(cast.sam.id):
        assert not Studio.objects.exists()
        assert not BreakGlass.own.exists()


def test_pages_open_for_it_and_close_with_it(cast: Cast, olga: User) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(olga, backend="django.contrib.auth.backends.ModelBackend")
    page = f"/studio/{cast.studio.slug}/"
    assert client.get(f"{page}agents/").status_code == 404
    glass = enter(cast, olga)
    assert client.get(f"{page}agents/").status_code == 200
    assert client.get(f"{page}people/").status_code == 403
    access_services.close_break_glass(glass, actor=cast.alice.actor)
    assert client.get(f"{page}agents/").status_code == 404


@pytest.mark.parametrize("change", [{"is_operator": False}, {"is_active": False}])
def test_who_is_no_operator_any_more_is_out(cast: Cast, olga: User, change: dict[str, bool]) -> None:
    enter(cast, olga)
    User.objects.filter(pk=olga.pk).update(**change)
    assert own_break_glasses(olga.id) == []
    with studio_scope(cast.studio.id):
        assert not access.permissions(olga.actor, cast.studio.id)
        assert not access.visible(olga.actor, Room).exists()
        assert open_break_glasses() == []


def test_both_chains_have_it_with_who_where_and_until_when(cast: Cast, olga: User) -> None:
    glass = enter(cast, olga)
    assert studio_acts(cast)[-1] == BREAK_GLASS_OPENED
    action, details = platform_acts()[-1]
    assert action == BREAK_GLASS_OPENED
    assert details == {
        "operator": str(olga.id),
        "studio": str(cast.studio.id),
        "actions": ["view_studio", "view_agents"],
        "ends_at": glass.ends_at.isoformat(),
    }
    access_services.close_break_glass(glass, actor=olga.actor)
    assert studio_acts(cast)[-1] == platform_acts()[-1][0] == BREAK_GLASS_CLOSED
    before = len(studio_acts(cast))
    access_services.close_break_glass(glass, actor=cast.alice.actor)
    assert len(studio_acts(cast)) == before


def test_every_admin_is_told_by_mail_and_by_the_portal(
    cast: Cast, olga: User, django_capture_on_commit_callbacks: Any
) -> None:
    with studio_scope(cast.studio.id):
        administration_services.change_role(
            Membership.objects.get(user=cast.ivan), Role.ADMIN, actor=cast.alice.actor
        )
    with django_capture_on_commit_callbacks(execute=True):
        glass = enter(cast, olga)
    assert sorted(message.to for message in mail.outbox) == sorted([[cast.alice.email], [cast.ivan.email]])
    text = mail.outbox[0].body
    for part in (REASON, "Olga", cast.studio.name, "See agents, cameras and their status.", cast.studio.slug):
        assert part in text
    (link,) = re.findall(r"https?://\S+", str(text))
    assert "Olga" in as_person(cast.alice).get(link).content.decode()
    with studio_scope(cast.studio.id):
        assert open_break_glasses() == [glass]
        access_services.close_break_glass(glass, actor=cast.alice.actor)
        assert open_break_glasses() == []
        assert break_glasses().get().closed_by == cast.alice.id


def test_a_mail_server_that_is_down_undoes_nothing(
    cast: Cast, olga: User, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    with django_capture_on_commit_callbacks(execute=True):
        enter(cast, olga)
    with studio_scope(cast.studio.id):
        assert len(open_break_glasses()) == 1


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"reason": "because"}, "reason"),
        ({"reason": "a" + " " * 40 + "b"}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"hours": 0}, "hours"),
        ({"hours": 4.1}, "hours"),
        ({"hours": float("nan")}, "hours"),
        ({"actions": []}, "at least one"),
        ({"actions": [MANAGE_PEOPLE]}, "manage_people"),
        ({"actions": [VIEW_CLASS, REPLAY, EXPORT]}, "export"),
        # An identity provider of one's own makes admins, a store gets all footage to come, an agent the cameras' passwords.
        ({"actions": [MANAGE_STUDIO]}, "manage_studio"),
        ({"actions": [MANAGE_STORAGE]}, "manage_storage"),
        ({"actions": [VIEW_AGENTS, MANAGE_AGENTS]}, "manage_agents"),
        ({"actions": [REPLAY]}, "Replay needs view class"),
    ],
)
def test_a_poor_reason_a_long_stay_and_too_much_are_refused(
    cast: Cast, olga: User, values: dict[str, Any], text: str
) -> None:
    with pytest.raises(BadRequest, match=text):
        enter(cast, olga, **values)
    with studio_scope(cast.studio.id):
        assert not BreakGlass.objects.exists()


def test_what_support_may_no_longer_ask_for_counts_for_nothing_in_an_open_visit(
    cast: Cast, olga: User
) -> None:
    glass = enter(cast, olga)
    with studio_scope(cast.studio.id):
        BreakGlass.objects.filter(pk=glass.pk).update(actions=["view_studio", "manage_people"])
        assert access.permissions(olga.actor, cast.studio.id) == {VIEW_STUDIO}
        assert not access.visible(olga.actor, Membership).exists()
        assert access.visible(olga.actor, Studio).exists()


def test_the_database_itself_allows_no_longer_stay(cast: Cast, olga: User) -> None:
    with studio_scope(cast.studio.id), pytest.raises(IntegrityError), transaction.atomic():
        BreakGlass.objects.create(
            studio=cast.studio, operator=olga, reason=REASON, ends_at=timezone.now() + timedelta(hours=5)
        )


def test_only_an_operator_and_only_for_themselves(cast: Cast, olga: User) -> None:
    for user in (cast.sam, cast.alice):
        with pytest.raises(NotFound):
            access_services.open_break_glass(
                cast.studio, user, actions=WANTED, reason=REASON, hours=1, actor=user.actor
            )
    for actor in (cast.alice.actor, SETUP, cast.agent, Actor.user(cast.sam.id)):
        with pytest.raises(NotFound):
            enter(cast, olga, actor=actor)


def test_without_a_second_factor_nothing_opens(cast: Cast, olga: User, settings: Any) -> None:
    Authenticator.objects.all().delete()
    with pytest.raises(Forbidden, match="passkey"):
        enter(cast, olga)
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    with studio_scope(cast.studio.id):
        policy = SigninPolicy.objects.create(studio=cast.studio, admins_need_second_factor=True)
    with pytest.raises(Forbidden, match="passkey"):
        enter(cast, olga)
    with studio_scope(cast.studio.id):
        policy.delete()
    enter(cast, olga)


@pytest.mark.parametrize("who", ["ivan", "vera", "gita", "pat", "sam"])
def test_only_the_operator_and_who_manages_people_close_it(cast: Cast, olga: User, who: str) -> None:
    glass = enter(cast, olga)
    with pytest.raises((Forbidden, NotFound)):
        access_services.close_break_glass(glass, actor=getattr(cast, who).actor)
    with studio_scope(cast.studio.id):
        assert len(open_break_glasses()) == 1


def test_an_operator_inside_cannot_let_anybody_in(cast: Cast, olga: User) -> None:
    enter(cast, olga, actions=[VIEW_STUDIO, MANAGE_ROOMS])
    with studio_scope(cast.studio.id), pytest.raises(Forbidden):
        administration_services.add_member(cast.studio, olga, Role.ADMIN, actor=olga.actor)
