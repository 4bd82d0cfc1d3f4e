"""The list of share links: whose it shows, its filter, and revoking all of it."""

import re
from pathlib import Path

import pytest
from django.utils import timezone

from control_plane.access.roles import DEFAULTS
from control_plane.access.services import set_role_actions
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.permissions import SHARE
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.links import LinkFacts, MadeLink, make_link
from control_plane.sharing.models import ShareLink, ShareView
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


@pytest.fixture
def scene(cast: Cast, tmp_path: Path) -> Scene:
    """A complete class with a confirmed roster of nobody, in a studio whose instructors may share."""
    made = make_scene(cast)
    upload(made, *made.cuts(tmp_path, seconds=6, each=3))
    made.stop()
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(state=ClassState.COMPLETE)
    save_roster(made.session, [], confirm=True, actor=cast.alice.actor)
    set_role_actions(
        cast.studio, Role.INSTRUCTOR, DEFAULTS[Role.INSTRUCTOR] | {SHARE}, actor=cast.alice.actor
    )
    made.session = made.reread()
    return made


def base(scene: Scene) -> str:
    return f"/studio/{scene.cast.studio.slug}/links/"


def shared(scene: Scene, name: str, title: str) -> MadeLink:
    person = getattr(scene.cast, name)
    return make_link(scene.session, LinkFacts(title=title), actor=person.actor)


def titles(text: str) -> list[str]:
    return re.findall(r'row__name">([^<]+)<', text)


def active_titles(scene: Scene) -> set[str]:
    with studio_scope(scene.cast.studio.id):
        return set(ShareLink.objects.filter(revoked_at=None).values_list("title", flat=True))


def test_an_admin_sees_all_links_and_an_instructor_their_own(scene: Scene) -> None:
    shared(scene, "alice", "Hers")
    shared(scene, "ivan", "His")
    alice, ivan = (as_person(getattr(scene.cast, name)).get(base(scene)) for name in ("alice", "ivan"))
    assert titles(alice.content.decode()) == ["His", "Hers"]
    assert titles(ivan.content.decode()) == ["His"]
    assert alice["Cache-Control"] == "no-store"
    assert "Made by" in alice.content.decode()
    assert "Made by anybody" not in ivan.content.decode()


def test_the_filter_of_another_person_shows_nobody_elses_links(scene: Scene) -> None:
    shared(scene, "alice", "Hers")
    ivan = as_person(scene.cast.ivan)
    assert titles(ivan.get(base(scene), {"by": str(scene.cast.alice.id)}).content.decode()) == []
    ivan.post(f"{base(scene)}revoke/", {"by": scene.cast.alice.id, "seen": "9"})
    assert active_titles(scene) == {"Hers"}


def test_the_list_says_when_and_from_which_network_a_link_was_opened(scene: Scene) -> None:
    link = shared(scene, "alice", "Opened").link
    shared(scene, "alice", "Other")
    now = timezone.now()
    with studio_scope(scene.cast.studio.id):
        for number in range(7):
            ShareView.objects.create(
                studio=scene.cast.studio,
                link=link,
                token_sha256=new_id().bytes * 2,
                network=f"203.0.{number}.0/24",
                expires_at=now,
                seen_at=now,
                entry_id=new_id(),
            )
        ShareLink.objects.filter(pk=link.pk).update(views=7)
    text = as_person(scene.cast.alice).get(base(scene)).content.decode()
    assert re.findall(r"203\.0\.\d\.0/24", text) == [f"203.0.{number}.0/24" for number in (6, 5, 4, 3, 2)]
    assert "opened 7 times" in text
    assert "and 2 earlier" in text
    assert "never opened" in text


def test_active_and_ended_links_are_told_apart(scene: Scene) -> None:
    for title in ("Active", "Expired", "Revoked", "Used", "Locked"):
        shared(scene, "alice", title)
    now = timezone.now()
    with studio_scope(scene.cast.studio.id):
        rows = {row.title: row for row in ShareLink.objects.all()}
        ShareLink.objects.filter(title="Expired").update(expires_at=now)
        ShareLink.objects.filter(title="Revoked").update(revoked_at=now)
        ShareLink.objects.filter(title="Used").update(max_views=3, views=3)
        ShareLink.objects.filter(title="Locked").update(pin_failures=50)
        assert {row.title for row in ShareLink.objects.all() if row.is_active(now)} == {"Active"}
    assert len(rows) == 5
    alice = as_person(scene.cast.alice)
    assert titles(alice.get(base(scene), {"state": "active"}).content.decode()) == ["Active"]
    assert set(titles(alice.get(base(scene), {"state": "ended"}).content.decode())) == {
        "Expired",
        "Revoked",
        "Used",
        "Locked",
    }


def test_all_of_the_list_are_revoked_and_nothing_beside_it(scene: Scene) -> None:
    for name, title in (("alice", "Hers"), ("ivan", "His"), ("ivan", "His second")):
        shared(scene, name, title)
    alice = as_person(scene.cast.alice)
    listed = alice.get(base(scene), {"by": str(scene.cast.ivan.id)}).content.decode()
    assert "Revoke 2 links" in listed
    answer = alice.post(f"{base(scene)}revoke/", {"by": str(scene.cast.ivan.id), "seen": "2"})
    assert answer["Location"] == f"{base(scene)}?by={scene.cast.ivan.id}"
    assert active_titles(scene) == {"Hers"}


def test_a_link_that_came_after_the_list_was_shown_is_not_revoked_unseen(scene: Scene) -> None:
    for title in ("First", "Second", "Third"):
        shared(scene, "alice", title)
    alice = as_person(scene.cast.alice)
    text = alice.post(f"{base(scene)}revoke/", {"seen": "2"}, follow=True).content.decode()
    assert "Look at the list again" in text
    assert active_titles(scene) == {"First", "Second", "Third"}


@pytest.mark.parametrize("wrong", [{"class": "x"}, {"by": "1"}, {"state": "all"}])
def test_a_filter_that_cannot_be_read_revokes_nothing(scene: Scene, wrong: dict[str, str]) -> None:
    shared(scene, "alice", "Hers")
    alice = as_person(scene.cast.alice)
    assert alice.get(base(scene), wrong).status_code == 400
    assert alice.post(f"{base(scene)}revoke/", {"seen": "1", **wrong}).status_code == 400
    assert active_titles(scene) == {"Hers"}


def test_one_press_in_the_list_revokes_a_link_and_returns_to_it(scene: Scene) -> None:
    link = shared(scene, "alice", "Hers").link
    answer = as_person(scene.cast.alice).post(
        f"{base(scene)}{link.id}/revoke/", {"back": "links", "state": "active", "evil": "https://x.example"}
    )
    assert answer["Location"] == f"{base(scene)}?state=active"
    assert active_titles(scene) == set()


def test_the_list_has_pages(scene: Scene) -> None:
    for number in range(26):
        shared(scene, "alice", f"Link {number}")
    alice = as_person(scene.cast.alice)
    assert len(titles(alice.get(base(scene)).content.decode())) == 25
    assert titles(alice.get(base(scene), {"page": "2"}).content.decode()) == ["Link 0"]


def test_who_may_not_share_has_no_list(scene: Scene) -> None:
    vera = as_person(scene.cast.vera)
    assert vera.get(base(scene)).status_code == 403
    assert vera.post(f"{base(scene)}revoke/", {"seen": "0"}).status_code == 403
