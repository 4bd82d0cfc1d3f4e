"""The key page: for the studio's admins, in words, with no byte of a key; what is destroyed is typed first."""

import pytest

from control_plane.common.scoping import studio_scope
from control_plane.keys.models import KeyTombstone, StudioKey
from tests.control_plane.conftest import Cast, as_person


@pytest.mark.parametrize(("who", "status"), [("alice", 200), ("ivan", 403), ("vera", 403), ("sam", 404)])
def test_it_is_for_admins(cast: Cast, who: str, status: int) -> None:
    answer = as_person(getattr(cast, who)).get(
        f"/studio/{cast.studio.slug}/keys/", headers={"Accept": "text/html"}
    )
    assert answer.status_code == status


def test_it_says_where_and_how_old_and_never_what(cast: Cast) -> None:
    page = as_person(cast.alice).get(f"/studio/{cast.studio.slug}/keys/").content
    assert b"A file on the server" in page
    assert b"Agents encrypt new recordings with it" in page
    with studio_scope(cast.studio.id):
        key = StudioKey.objects.get()
    for secret in (key.wrapped_key, key.wrapped_private_key, key.root_key_id.encode()):
        assert bytes(secret) not in page
        assert bytes(secret).hex().encode() not in page


def test_new_keys_are_made_and_shown(cast: Cast) -> None:
    alice = as_person(cast.alice)
    assert alice.post(f"/studio/{cast.studio.slug}/keys/new/").status_code == 302
    page = alice.get(f"/studio/{cast.studio.slug}/keys/").content.decode()
    assert "Kept until" in page
    with studio_scope(cast.studio.id):
        assert StudioKey.objects.count() == 2
    assert as_person(cast.ivan).post(f"/studio/{cast.studio.slug}/keys/new/").status_code == 403


def test_everything_is_destroyed_only_once_the_name_is_typed(cast: Cast) -> None:
    alice, address = as_person(cast.alice), f"/studio/{cast.studio.slug}/keys/destroy/"
    assert alice.post(address, {"confirmation": "yes"}).status_code == 422
    with studio_scope(cast.studio.id):
        assert not KeyTombstone.objects.exists()
    assert alice.post(address, {"confirmation": cast.studio.name, "reason": "closing"}).status_code == 302
    with studio_scope(cast.studio.id):
        assert KeyTombstone.objects.filter(kind="studio").count() == 1
    assert "closing" in alice.get(f"/studio/{cast.studio.slug}/keys/").content.decode()
