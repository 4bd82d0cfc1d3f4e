"""The page of keys for programs."""

from django.test import Client

from control_plane.access.models import ApiKey
from control_plane.common.scoping import studio_scope
from tests.control_plane.conftest import Cast


def test_a_key_is_shown_once_works_and_is_ended_by_hand(cast: Cast) -> None:
    page = f"/studio/{cast.studio.slug}/api-keys/"
    client = Client()
    client.force_login(cast.alice)
    made = client.post(page, {"name": "Calendar", "days": "30", "actions": ["view_class"]}).content.decode()
    secret = made.partition("3dk_")[2].partition("<")[0]
    assert len(secret) > 40
    assert secret not in client.get(page).content.decode()
    program = Client(headers={"Authorization": f"Bearer 3dk_{secret}"})
    classes = f"/api/v1/studios/{cast.studio.slug}/classes/"
    assert program.get(classes).status_code == 200
    with studio_scope(cast.studio.id):
        key = ApiKey.objects.get()
    assert client.post(f"{page}{key.id}/end/").status_code == 302
    assert program.get(classes).status_code == 401


def test_a_key_needs_a_tick_and_shows_as_many_rights_as_were_ticked(cast: Cast) -> None:
    page = f"/studio/{cast.studio.slug}/api-keys/"
    client = Client()
    client.force_login(cast.alice)
    refused = client.post(page, {"name": "Nothing", "days": "7"})
    assert refused.status_code == 422
    assert "Select at least one" in refused.content.decode()
    with studio_scope(cast.studio.id):
        assert not ApiKey.objects.exists()
    ticked = ["view_class", "view_dancers", "view_agents", "record"]
    assert (
        "4 permissions"
        in client.post(page, {"name": "Four", "days": "7", "actions": ticked}).content.decode()
    )


def test_a_partner_sees_own_keys_lends_own_rights_and_others_see_none(cast: Cast) -> None:
    page = f"/studio/{cast.studio.slug}/api-keys/"
    client = Client()
    client.force_login(cast.alice)
    client.post(page, {"name": "Of Alice", "days": "7", "actions": ["view_class"]})
    client.force_login(cast.pat)
    text = client.get(page).content.decode()
    assert "Of Alice" not in text
    assert "manage_people" not in text
    assert client.post(page, {"name": "x", "days": "7", "actions": ["manage_people"]}).status_code == 422
    with studio_scope(cast.studio.id):
        key = ApiKey.objects.get()
    assert client.post(f"{page}{key.id}/end/").status_code == 404
    client.force_login(cast.vera)
    assert client.get(page).status_code == 403
