"""The admin site: who enters, what is shown, what can be changed, and that every change goes through a service."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.utils.text import capfirst

from control_plane.accounts.models import User
from control_plane.audit.models import Entry
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.console import site
from control_plane.fleet.models import AgentState, Camera, DesiredConfig
from control_plane.recordings.models import ClassState
from control_plane.tenancy.models import Membership, Room
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, furnish, record

SECRET_FIELDS = {
    "wrapped_key",
    "wrapped_private_key",
    "sealed_credentials",
    "token_sha256",
    "code_hash",
    "password",
}
NOT_SHOWN = {
    "accounts.SigninLink",
    # The platform's own: they belong to no studio, and the admin site shows one.
    "compliance.Checkpoint",
    "compliance.CheckpointCopy",
    "keys.PlatformSecret",
}


def test_each_title_of_a_table_names_a_table() -> None:
    known = {capfirst(str(model._meta.verbose_name_plural)) for model in apps.get_models()}
    assert set(site._ROWS) - known == set()


def models() -> list[str]:
    """Every model of ours, by its address in the admin site."""
    return sorted(
        f"{model._meta.app_label}/{model._meta.model_name}"
        for model in apps.get_models()
        if model.__module__.startswith("control_plane.") and model._meta.label not in NOT_SHOWN
    )


def actions(furnished: FurnishedStudio) -> list[str]:
    with studio_scope(furnished.cast.studio.id):
        return list(Entry.objects.order_by("sequence").values_list("action", flat=True))


@pytest.mark.parametrize("name", ["ivan", "vera", "gita", "sam", "nobody"])
def test_only_admins_of_a_studio_enter(name: str, furnished: FurnishedStudio, sign_in: SignIn) -> None:
    answer = sign_in(name).get("/admin/fleet/camera/", follow=False)
    assert answer.status_code in {302, 403}
    assert b"Centre" not in answer.content


@pytest.mark.parametrize("path", models())
def test_every_model_has_a_list_and_a_page_without_any_secret(
    path: str, furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    record(furnished, ClassState.COMPLETE)
    alice = sign_in("alice")
    body = alice.get(f"/admin/{path}/").content.decode()
    assert 'id="changelist"' in body
    found = re.search(rf"/admin/{path}/([0-9a-f-]{{36}})/change/", body)
    if found:
        page = alice.get(f"/admin/{path}/{found[1]}/change/")
        assert page.status_code == 200
        body += page.content.decode()
    assert "hush-" not in body
    assert not re.search(r"&lt;memory|b&#x27;|<memory", body), "raw bytes are shown"
    for field in SECRET_FIELDS - {"password"}:
        assert f"field-{field}" not in body


def test_history_can_only_be_read(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    record(furnished, ClassState.COMPLETE)
    alice = sign_in("alice")
    for path in (
        "audit/entry",
        "recordings/segment",
        "recordings/gap",
        "recordings/track",
        "fleet/reportedconfig",
    ):
        assert alice.get(f"/admin/{path}/add/").status_code == 403
        model_admin: Any = admin.site._registry[apps.get_model(path.replace("/", "."))]
        assert (model_admin.can_add, model_admin.can_change, model_admin.can_remove) == (False, False, False)
    body = alice.get("/admin/recordings/gap/").content.decode()
    gap_id = re.search(r"/admin/recordings/gap/([0-9a-f-]{36})/change/", body)
    assert gap_id is not None
    assert alice.post(f"/admin/recordings/gap/{gap_id[1]}/change/", {"reason": "none"}).status_code == 403
    assert alice.post(f"/admin/recordings/gap/{gap_id[1]}/delete/", {"post": "yes"}).status_code == 403


def test_another_studios_rows_are_nowhere(furnished: FurnishedStudio, other: Cast, sign_in: SignIn) -> None:
    foreign = furnish(other)
    alice = sign_in("alice")
    for path, row in (
        ("fleet/camera", foreign.cameras[0]),
        ("fleet/agent", foreign.agent),
        ("tenancy/room", foreign.room),
    ):
        assert str(row.id) not in alice.get(f"/admin/{path}/").content.decode()
        answer = alice.get(f"/admin/{path}/{row.id}/change/")
        assert answer.status_code == 302, "unknown rows lead back to the index"
        assert answer["Location"] == "/admin/"
    with studio_scope(other.studio.id):
        person = Membership.objects.get(role=Role.ADMIN)
    assert alice.get(f"/admin/tenancy/membership/{person.id}/change/").status_code == 302
    assert other.alice.email not in alice.get("/admin/accounts/user/").content.decode()


def camera_values(furnished: FurnishedStudio, **changed: str) -> dict[str, str]:
    return {
        "name": "Door",
        "room": str(furnished.room.id),
        "agent": str(furnished.agent.id),
        "position": "left",
        "address": "rtsp://192.168.1.40/main",
        "username": "admin",
        "password": "hush-door",
        "record_audio": "on",
        "enabled": "on",
        "offset_us": "0",
    } | changed


def test_a_camera_is_added_by_its_service_and_pushed_to_the_agent(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    alice = sign_in("alice")
    with studio_scope(furnished.cast.studio.id):
        before = DesiredConfig.objects.get(agent=furnished.agent).version
    answer = alice.post("/admin/fleet/camera/add/", camera_values(furnished))
    assert answer.status_code == 302, answer.content.decode()
    with studio_scope(furnished.cast.studio.id):
        camera = Camera.objects.get(name="Door")
        assert camera.source_url == "rtsp://192.168.1.40/main"
        assert camera.has_credentials
        assert DesiredConfig.objects.get(agent=furnished.agent).version == before + 1
    assert actions(furnished)[-1] == "camera.created"
    page = alice.get(f"/admin/fleet/camera/{camera.id}/change/").content.decode()
    assert "hush-door" not in page
    assert 'name="password"' in page
    assert re.search(r'name="password"[^>]*value=', page) is None


def test_saving_a_camera_unchanged_keeps_its_password_and_bothers_no_agent(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    camera = furnished.cameras[0]
    with studio_scope(furnished.cast.studio.id):
        version = DesiredConfig.objects.get(agent=furnished.agent).version
        sealed = bytes(Camera.objects.get(pk=camera.id).sealed_credentials)
    values = camera_values(furnished, name=camera.name, address=camera.source_url, username="", password="")
    answer = sign_in("alice").post(f"/admin/fleet/camera/{camera.id}/change/", values)
    assert answer.status_code == 302, answer.content.decode()
    with studio_scope(furnished.cast.studio.id):
        assert bytes(Camera.objects.get(pk=camera.id).sealed_credentials) == sealed
        assert DesiredConfig.objects.get(agent=furnished.agent).version == version


def test_what_a_service_refuses_is_said_on_the_form_and_changes_nothing(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    alice = sign_in("alice")
    for changed, words in (
        ({"address": "192.168.1.40/main"}, "must start with rtsp://"),
        ({"name": "Left"}, "a camera named &#x27;Left&#x27; already"),
        ({"username": ""}, "user name with its password"),
    ):
        answer = alice.post("/admin/fleet/camera/add/", camera_values(furnished, **changed))
        assert answer.status_code == 200
        assert words in answer.content.decode()
    with studio_scope(furnished.cast.studio.id):
        assert Camera.objects.count() == 3
    assert actions(furnished)[-1] == "camera.created"


def test_removing_a_camera_is_recorded(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    answer = sign_in("alice").post(f"/admin/fleet/camera/{furnished.cameras[2].id}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    with studio_scope(furnished.cast.studio.id):
        assert Camera.objects.count() == 2
    assert actions(furnished)[-1] == "camera.removed"


def test_rooms_lead_to_a_pairing_code(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    for path in ("/admin/tenancy/room/", f"/admin/tenancy/room/{furnished.room.id}/change/"):
        assert f'href="{furnished.base}/agents/add/"' in alice.get(path).content.decode()
    alice.post("/admin/tenancy/room/add/", {"name": "Attic"})
    with studio_scope(furnished.cast.studio.id):
        assert Room.objects.filter(name="Attic").exists()
    assert actions(furnished)[-1] == "room.created"


def test_an_agent_is_revoked_at_once(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    path = f"/admin/fleet/agent/{furnished.agent.id}/change/"
    answer = sign_in("alice").post(path, {"name": "Agent 1", "revoke": "on", "reason": "stolen"})
    assert answer.status_code == 302
    with studio_scope(furnished.cast.studio.id):
        furnished.agent.refresh_from_db()
    assert furnished.agent.state == AgentState.REVOKED
    assert actions(furnished)[-1] == "agent.revoked"


def test_the_admin_site_makes_neither_members_nor_accounts_and_leads_to_an_invitation(
    furnished: FurnishedStudio, other: Cast, sign_in: SignIn
) -> None:
    alice = sign_in("alice")
    people, members = User.objects.count(), membership_count(furnished)
    for address in (other.ivan.email, "nora@example.org"):
        posted = {"email": address, "display_name": "Nora", "role": "instructor"}
        answer = alice.post("/admin/tenancy/membership/add/", posted)
        assert answer.status_code == 403
    assert (User.objects.count(), membership_count(furnished)) == (people, members)
    page = alice.get("/admin/tenancy/membership/").content.decode()
    assert f'href="{furnished.base}/people/invitations/"' in page


def membership_count(furnished: FurnishedStudio) -> int:
    with studio_scope(furnished.cast.studio.id):
        return Membership.objects.count()


def test_the_last_admin_cannot_be_removed(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    with studio_scope(furnished.cast.studio.id):
        row = Membership.objects.get(user=furnished.cast.alice)
    alice = sign_in("alice")
    answer = alice.post(f"/admin/tenancy/membership/{row.id}/change/", {"role": "viewer"})
    assert "A studio needs an admin" in answer.content.decode()
    answer = alice.post(f"/admin/tenancy/membership/{row.id}/delete/", {"post": "yes"}, follow=True)
    assert "A studio needs an admin" in answer.content.decode()
    with studio_scope(furnished.cast.studio.id):
        assert Membership.objects.filter(pk=row.id, role=Role.ADMIN).exists()


def test_reading_the_audit_log_is_on_record(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    sign_in("alice").get("/admin/audit/entry/")
    assert actions(furnished)[-1] == "audit.read"


def test_there_is_no_second_history(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    assert sign_in("alice").get(f"/admin/tenancy/room/{furnished.room.id}/history/").status_code == 404
    assert "Recent actions" not in sign_in("alice").get("/admin/").content.decode()


@pytest.mark.parametrize("path", ["/admin/", "/admin/fleet/camera/", "/admin/fleet/camera/add/"])
def test_the_policy_holds_on_admin_pages(path: str, furnished: FurnishedStudio, sign_in: SignIn) -> None:
    answer = sign_in("alice").get(path)
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert " style=" not in answer.content.decode()
