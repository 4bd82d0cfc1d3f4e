"""Pages of share links: three clicks to a link, one to revoke it, and what stands in the way."""

import re
from pathlib import Path

import pytest
from django.test import Client

from control_plane.common.scoping import studio_scope
from control_plane.people.models import Dancer
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.models import ShareLink
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


@pytest.fixture
def scene(cast: Cast, tmp_path: Path) -> Scene:
    """A complete class with a confirmed roster of nobody."""
    made = make_scene(cast)
    upload(made, *made.cuts(tmp_path, seconds=6, each=3))
    made.stop()
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(state=ClassState.COMPLETE)
    save_roster(made.session, [], confirm=True, actor=cast.alice.actor)
    return made


def page_of(scene: Scene) -> str:
    return f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/share/"


def test_a_link_is_made_from_the_page_of_a_class_and_shown_once(scene: Scene) -> None:
    alice, page = as_person(scene.cast.alice), page_of(scene)
    assert page in alice.get(page.removesuffix("share/")).content.decode()
    assert "Make link" in alice.get(page).content.decode()
    text = alice.post(
        page, {"days": "7", "with_pin": "on", "starts": "0:01", "ends": "0:05"}
    ).content.decode()
    with studio_scope(scene.cast.studio.id):
        link = ShareLink.objects.get()
    (address,) = set(re.findall(rf"http[^\s<]+/s/{link.public_id}#[0-9a-f]{{64}}(?=</code>)", text))
    assert re.search(r'id="share-pin">\d{6}<', text)
    assert "<svg" in text
    assert "You get the PIN separately." in text
    assert (link.to_at - link.from_at).total_seconds() == 4
    again = alice.get(page).content.decode()
    assert link.public_id in again
    assert address.partition("#")[2] not in again


def test_a_link_is_revoked_with_one_press(scene: Scene) -> None:
    alice, page = as_person(scene.cast.alice), page_of(scene)
    for _ in range(2):
        alice.post(page, {"days": "7"})
    with studio_scope(scene.cast.studio.id):
        first = ShareLink.objects.all()[0]
    answer = alice.post(f"/studio/{scene.cast.studio.slug}/links/{first.id}/revoke/", follow=True)
    assert "Link revoked" in answer.content.decode()
    assert "Revoked" in answer.content.decode()
    alice.post(f"{page}revoke/")
    with studio_scope(scene.cast.studio.id):
        assert not ShareLink.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"days": "99"}, "1 to 7 days"),
        ({"days": "7", "starts": "soon"}, "minutes and seconds"),
        ({"days": "7", "starts": "0:05", "ends": "0:02"}, "begin before it ends"),
        ({"days": "7", "camera": "left"}, "names no camera"),
        ({"days": ""}, "This field is required"),
    ],
)
def test_a_wrong_value_is_explained(scene: Scene, values: dict[str, str], said: str) -> None:
    answer = as_person(scene.cast.alice).post(page_of(scene), values)
    assert answer.status_code == 422
    assert said in answer.content.decode()


def test_what_stops_it_is_named_to_those_who_may_know(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=False, actor=scene.cast.alice.actor)
    alice = as_person(scene.cast.alice)
    text = alice.get(page_of(scene)).content.decode()
    for said in ("Confirm the roster", "Dana", "Ask for the consent"):
        assert said in text
    assert "Make link" not in text
    assert alice.post(page_of(scene), {"days": "7"}).status_code == 422
    with studio_scope(scene.cast.studio.id):
        assert not ShareLink.objects.exists()


def test_the_page_of_a_link_is_the_same_for_every_id(scene: Scene) -> None:
    as_person(scene.cast.alice).post(page_of(scene), {"days": "7"})
    with studio_scope(scene.cast.studio.id):
        link = ShareLink.objects.get()
    known, unknown = (Client().get(f"/s/{public_id}") for public_id in (link.public_id, "23456789abcd"))
    texts = [
        re.sub(r'value="\w{64}"', "", answer.content.decode()).replace(link.public_id, "23456789abcd")
        for answer in (known, unknown)
    ]
    assert texts[0] == texts[1]
    assert "Ballet" not in texts[0]
    assert "og:" not in texts[0]
    for answer in (known, unknown):
        assert answer.headers.get("Cache-Control") == "no-store"
        assert answer.headers.get("Referrer-Policy") == "no-referrer"
    with studio_scope(scene.cast.studio.id):
        assert ShareLink.objects.get().views == 0


def test_the_trade_needs_the_token_of_the_page(scene: Scene) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/s/23456789abcd/open", "{}", content_type="application/json").status_code == 403
