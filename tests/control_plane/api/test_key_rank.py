"""A key hands on no more than it lends: it ends itself alone, and makes no admin where it lends less than an admin may."""

from typing import Any

import pytest
from django.core import mail

from control_plane.access.models import ApiKey
from control_plane.access.permissions import MANAGE_POLICY
from control_plane.access.roles import DEFAULTS
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.recordings.permissions import REPLAY, VIEW_CLASS
from control_plane.tenancy.models import Invitation
from control_plane.tenancy.permissions import MANAGE_PEOPLE, MANAGE_STUDIO
from tests.control_plane.api.test_api import Ask, key_for, program
from tests.control_plane.conftest import Cast

PEOPLE = [MANAGE_PEOPLE]
LENT_TOO_LITTLE = (403, "key_not_enough")


@pytest.fixture
def narrow(cast: Cast) -> Ask:
    """Calls with a key of Alice's that lends to look after people, and nothing else."""
    return program(key_for(cast.studio, cast.alice, PEOPLE), cast.studio)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.body.get("code", "")


def open_keys(cast: Cast) -> int:
    with studio_scope(cast.studio.id):
        return ApiKey.objects.filter(revoked_at=None).count()


def test_a_key_that_lends_less_invites_no_admin(cast: Cast, narrow: Ask) -> None:
    invited = narrow("POST", "invitations/", {"email": "eve@example.org", "role": "admin"})
    assert refusal(invited) == LENT_TOO_LITTLE
    with studio_scope(cast.studio.id):
        assert not Invitation.objects.exists()
    assert not mail.outbox
    assert narrow("POST", "invitations/", {"email": "eve@example.org", "role": "viewer"}).status_code == 201


def test_a_key_that_lends_less_makes_no_member_an_admin(cast: Cast, narrow: Ask) -> None:
    member = f"members/{cast.membership(cast.ivan).id}/"
    assert refusal(narrow("PATCH", member, {"role": "admin"})) == LENT_TOO_LITTLE
    assert cast.role_of(cast.ivan) == "instructor"
    assert narrow("PATCH", member, {"role": "viewer"}).status_code == 200


def test_a_key_that_lends_all_that_an_admin_may_makes_one(cast: Cast) -> None:
    everything = [action for action in StudioPermission.all() if action in DEFAULTS[Role.ADMIN]]
    ask = program(key_for(cast.studio, cast.alice, everything), cast.studio)
    assert ask("POST", "invitations/", {"email": "eve@example.org", "role": "admin"}).status_code == 201


def test_a_key_gives_no_right_that_it_does_not_lend(cast: Cast, narrow: Ask) -> None:
    right = {"user_id": str(cast.pat.id), "thing": "studio", "action": "replay"}
    assert refusal(narrow("POST", "rights/", right)) == LENT_TOO_LITTLE
    assert narrow("POST", "rights/", right | {"effect": "deny"}).status_code == 201
    lends = program(key_for(cast.studio, cast.alice, [*PEOPLE, VIEW_CLASS, REPLAY]), cast.studio)
    assert lends("POST", "rights/", right).status_code == 201


def test_a_key_adds_nothing_to_a_role_that_it_does_not_lend(cast: Cast) -> None:
    ask = program(key_for(cast.studio, cast.alice, [MANAGE_POLICY]), cast.studio)
    assert (
        refusal(ask("PUT", "roles/guardian/", {"actions": ["view_studio", "view_class"]})) == LENT_TOO_LITTLE
    )
    fewer = ask("PUT", "roles/instructor/", {"actions": ["view_studio", "view_class"]})
    assert fewer.status_code == 200, "taking away hands nothing on"


def test_a_key_sees_and_ends_itself_alone(cast: Cast) -> None:
    secrets = [key_for(cast.studio, cast.alice, [VIEW_CLASS]) for _ in range(3)]
    ask = program(secrets[0], cast.studio)
    listed = ask("GET", "api-keys/").body["items"]
    assert len(listed) == 1
    own = listed[0]
    with studio_scope(cast.studio.id):
        others = list(ApiKey.objects.exclude(pk=own["id"]).values_list("pk", flat=True))
    for key_id in others:
        assert ask("DELETE", f"api-keys/{key_id}/").status_code == 404
    assert open_keys(cast) == 3
    assert ask("DELETE", f"api-keys/{own['id']}/").status_code == 204
    assert open_keys(cast) == 2
    assert ask("GET", "api-keys/").status_code == 401


def test_a_key_that_lends_to_manage_the_studio_ends_others(cast: Cast) -> None:
    key_for(cast.studio, cast.alice, [VIEW_CLASS])
    ask = program(key_for(cast.studio, cast.alice, [MANAGE_STUDIO]), cast.studio)
    found = ask("GET", "api-keys/").body["items"]
    assert len(found) == 2
    for item in sorted(found, key=lambda item: "manage_studio" in item["actions"]):
        assert ask("DELETE", f"api-keys/{item['id']}/").status_code == 204
    assert open_keys(cast) == 0
