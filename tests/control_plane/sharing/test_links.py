"""Share links: making one, opening it without an account, and everything that ends it at the next request."""

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from time_machine import travel

from control_plane.administration import services as studios
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.recordings.models import ClassSession, ClassState, Segment, Track
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import remove_shredded, shred_class
from control_plane.sharing import openings
from control_plane.sharing.egress import EgressRefused
from control_plane.sharing.links import LinkFacts, make_link, revoke_link, revoke_links
from control_plane.sharing.models import EgressUse, PinRule, ShareLink, ShareView
from control_plane.sharing.policies import change_egress_policy
from control_plane.tenancy.models import Membership
from tests.control_plane.conftest import SETUP, Cast
from tests.control_plane.people.consents import says
from tests.control_plane.scenes import Scene
from tests.control_plane.sharing.viewer import PARTS, Viewer, shared

GOOD = {200, 204, 206}


def opened(scene: Scene, **facts: Any) -> Viewer:
    viewer = Viewer(shared(scene, **facts))
    assert viewer.open().status_code == 200
    assert viewer.statuses(scene) == GOOD
    return viewer


def test_a_link_is_opened_so_often_an_hour_and_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openings, "OPENINGS_AN_HOUR", 3)
    viewer = Viewer(shared(scene))
    assert [viewer.open().status_code for _ in range(4)] == [200, 200, 200, 429]
    assert views(viewer) == 3
    with travel(timezone.now() + timedelta(hours=1, seconds=1)):
        assert viewer.open().status_code == 200


def views(viewer: Viewer) -> int:
    with studio_scope(viewer.made.link.studio_id):
        return int(ShareLink.objects.get(pk=viewer.made.link.pk).views)


def body_of(response: Any) -> dict[str, Any]:
    found = json.loads(response.content)
    found.pop("instance", None)  # the id of the request
    return dict(found)


def test_a_stranger_opens_a_link_and_every_part_plays(scene: Scene) -> None:
    viewer = opened(scene)
    listed = viewer.get("timeline", scene).json()
    assert listed["class"]["title"] == "Ballet"
    assert len(listed["tracks"]) == 3
    with studio_scope(scene.cast.studio.id):
        assert Entry.objects.filter(action="share_link.opened", object_id=str(scene.session.id)).count() == 1
        view = ShareView.objects.get()
        assert view.network == "203.0.113.0/24"
        assert EgressUse.objects.get(source_id=view.id).size_bytes > 0


def test_the_database_and_the_log_know_no_secret(scene: Scene) -> None:
    viewer = opened(scene, with_pin=True)
    token = viewer.client.cookies["share"].value
    with studio_scope(scene.cast.studio.id):
        link = ShareLink.objects.get()
        everything = str(
            [*ShareLink.objects.values(), *ShareView.objects.values(), *Entry.objects.values("details")]
        )
        assert bytes(link.secret_sha256) == sha256(bytes.fromhex(viewer.secret)).digest()
    assert viewer.made.pin
    assert not [text for text in (viewer.secret, token, viewer.made.pin) if text in everything]
    assert bytes.fromhex(viewer.secret) != bytes(link.secret_sha256)
    assert len(bytes.fromhex(viewer.secret)) == 32


def test_every_answer_is_private(scene: Scene) -> None:
    viewer = Viewer(shared(scene))
    answers = [viewer.open(secret="ab" * 32), viewer.open(), *(viewer.get(part, scene) for part in PARTS)]
    for answer in answers:
        assert answer["Cache-Control"] == "no-store"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "noindex" in answer["X-Robots-Tag"]
    cookie = viewer.client.cookies["share"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (f"{viewer.folder}/", True, "Strict")
    assert cookie["max-age"] == 900


def test_what_is_wrong_with_a_link_cannot_be_told(scene: Scene) -> None:
    unknown, wrong, expired, revoked, used = (Viewer(shared(scene, max_views=1)) for _ in range(5))
    unknown.folder = "/s/23456789abcd"
    assert used.open().status_code == 200
    revoke_link(revoked.made.link, actor=scene.cast.alice.actor)
    with studio_scope(scene.cast.studio.id):
        ShareLink.objects.filter(pk=expired.made.link.pk).update(expires_at=timezone.now())
    answers = [item.open() for item in (unknown, expired, revoked, used)] + [wrong.open(secret="00" * 32)]
    assert {answer.status_code for answer in answers} == {404}
    assert all(body_of(answer) == body_of(answers[0]) for answer in answers)
    assert {
        tuple(sorted(answer.headers.items() - {("X-Request-Id", answer["X-Request-Id"])}))
        for answer in answers
    }


@pytest.mark.parametrize("part", PARTS)
def test_without_the_cookie_nothing_is_there(scene: Scene, part: str) -> None:
    viewer = Viewer(shared(scene))
    assert viewer.get(part, scene).status_code == 404
    assert views(viewer) == 0, "a GET burns no view"


@pytest.mark.parametrize("part", PARTS)
def test_the_cookie_of_one_link_opens_no_other(scene: Scene, part: str) -> None:
    viewer, another = opened(scene), Viewer(shared(scene))
    another.client.cookies["share"] = viewer.client.cookies["share"].value
    assert another.get(part, scene).status_code == 404


def test_views_are_counted_when_the_secret_is_traded(scene: Scene) -> None:
    viewer = Viewer(shared(scene, max_views=2))
    assert [viewer.open().status_code for _ in range(3)] == [200, 200, 404]
    assert viewer.statuses(scene) == GOOD, "the last view goes on"
    assert views(viewer) == 2


def test_a_pin_is_needed_and_a_wrong_one_counts(scene: Scene) -> None:
    viewer = Viewer(shared(scene, with_pin=True))
    needed = viewer.open(pin="")
    assert (needed.status_code, needed.json()) == (403, {"needs": "pin", "wrong": False})
    wrong = viewer.open(pin="x")
    assert (wrong.status_code, wrong.json()) == (403, {"needs": "pin", "wrong": True})
    assert viewer.statuses(scene) == {404}
    assert viewer.open().status_code == 200
    assert viewer.statuses(scene) == GOOD
    assert views(viewer) == 1


def test_ten_thousand_pins_do_not_pass(scene: Scene) -> None:
    """Five tries a network in a quarter of an hour, fifty in all: then the right one does not open it either."""
    made = shared(scene, with_pin=True)
    guessed = 0
    for network in range(20):
        guesser = Viewer(made, address=f"198.51.{network}.1")
        for _ in range(500):
            status = guesser.open(pin="wrong!").status_code
            if status != 403:
                break
            guessed += 1
        assert status == (429 if network < 9 else 404)
    assert guessed == 50
    assert Viewer(made).open().status_code == 404
    with studio_scope(scene.cast.studio.id):
        assert Entry.objects.filter(action="share_link.closed").count() == 1


def test_a_locked_network_may_try_again_later_and_others_meanwhile(scene: Scene) -> None:
    viewer = Viewer(shared(scene, with_pin=True))
    assert [viewer.open(pin="x").status_code for _ in range(6)] == [403] * 5 + [429]
    assert viewer.open().status_code == 429, "the right one too"
    assert Viewer(viewer.made, address="198.51.100.1").open().status_code == 200
    with travel(timezone.now() + timedelta(minutes=16), tick=True):
        assert viewer.open().status_code == 200


def test_right_pins_use_up_no_tries(scene: Scene) -> None:
    viewer = Viewer(shared(scene, with_pin=True))
    assert {viewer.open().status_code for _ in range(12)} == {200}


def _revoke(scene: Scene, viewer: Viewer) -> None:
    revoke_link(viewer.made.link, actor=scene.cast.alice.actor)


def _revoke_all(scene: Scene, viewer: Viewer) -> None:
    assert revoke_links(scene.cast.studio, actor=scene.cast.alice.actor) == 1


def _expire(scene: Scene, viewer: Viewer) -> None:
    with studio_scope(scene.cast.studio.id):
        ShareLink.objects.update(expires_at=timezone.now())


def _remove_the_sharer(scene: Scene, viewer: Viewer) -> None:
    studios.add_member(scene.cast.studio, scene.cast.sam, Role.ADMIN, actor=SETUP)
    with studio_scope(scene.cast.studio.id):
        studios.remove_member(Membership.objects.get(user=scene.cast.alice), actor=scene.cast.sam.actor)


def _reopen_the_roster(scene: Scene, viewer: Viewer) -> None:
    save_roster(scene.session, [], confirm=False, actor=scene.cast.alice.actor)


def _add_a_dancer_without_consent(scene: Scene, viewer: Viewer) -> None:
    dancer = people.add_dancer(scene.cast.studio, NewDancer("Adele", 1980), actor=scene.cast.alice.actor)
    save_roster(scene.session, [dancer.id], confirm=True, actor=scene.cast.alice.actor)


def _destroy(scene: Scene, viewer: Viewer) -> None:
    shred_class(scene.session, confirmation="Ballet", reason="", actor=scene.cast.alice.actor)


def _switch_off(scene: Scene, viewer: Viewer) -> None:
    change_egress_policy(scene.cast.studio, actor=scene.cast.alice.actor, share_enabled=False)


def _allow_other_networks(scene: Scene, viewer: Viewer) -> None:
    change_egress_policy(scene.cast.studio, actor=scene.cast.alice.actor, networks=["10.0.0.0/8"])


def _demand_pins(scene: Scene, viewer: Viewer) -> None:
    change_egress_policy(scene.cast.studio, actor=scene.cast.alice.actor, pin_rule=PinRule.ALWAYS)


@pytest.mark.parametrize(
    "end",
    [
        _revoke, _revoke_all, _expire, _remove_the_sharer, _reopen_the_roster, _add_a_dancer_without_consent,
        _destroy, _switch_off, _allow_other_networks, _demand_pins,
    ],
)  # fmt: skip
def test_an_open_view_ends_with_the_next_request(scene: Scene, end: Any) -> None:
    viewer = opened(scene)
    end(scene, viewer)
    assert viewer.statuses(scene) == {404}
    assert viewer.open().status_code == 404


def test_the_links_of_a_destroyed_class_are_removed(scene: Scene) -> None:
    viewer = opened(scene, with_pin=True)
    _destroy(scene, viewer)
    with studio_scope(scene.cast.studio.id):
        remove_shredded()
        assert not ShareLink.objects.exists()
        assert not ShareView.objects.exists()


def test_consent_that_is_withdrawn_ends_an_open_view(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    with pytest.raises(EgressRefused):
        shared(scene)
    for purpose in (ConsentPurpose.SHARE, ConsentPurpose.REPLAY):
        says(scene.cast, family, purpose, ConsentAnswer.GRANTED)
    viewer = opened(scene)
    says(scene.cast, family, ConsentPurpose.SHARE, ConsentAnswer.WITHDRAWN)
    assert viewer.statuses(scene) == {404}


def test_a_protected_dancer_ends_an_open_view(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    says(scene.cast, family, ConsentPurpose.SHARE, ConsentAnswer.GRANTED)
    viewer = opened(scene)
    with studio_scope(scene.cast.studio.id):
        Dancer.objects.update(protected=True)
    assert viewer.statuses(scene) == {404}


def test_where_a_minor_appears_there_is_a_pin(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    says(scene.cast, family, ConsentPurpose.SHARE, ConsentAnswer.GRANTED)
    made = shared(scene, with_pin=False)
    assert len(made.pin) == 6
    assert Viewer(made).open(pin="").status_code == 403


def test_a_view_lasts_fifteen_minutes_from_its_last_request(scene: Scene) -> None:
    viewer, now = opened(scene), timezone.now()
    with travel(now + timedelta(minutes=14), tick=True):
        answer = viewer.get("check", scene)
        assert (answer.status_code, answer.cookies["share"]["max-age"]) == (204, 900)
    with travel(now + timedelta(minutes=28), tick=True):
        assert viewer.get("check", scene).status_code == 204
    viewer.client.cookies["share"]["max-age"] = ""
    with travel(now + timedelta(minutes=44), tick=True):
        assert viewer.get("check", scene).status_code == 404


def test_cameras_outside_the_link_are_not_served(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        left = Track.objects.get(class_session=scene.session, camera_id=scene.cameras["left"].id)
    viewer = opened(scene, track_ids=[left.id])
    listed = viewer.get("timeline", scene).json()["tracks"]
    assert [item["id"] for item in listed] == [str(left.id)]
    for part in ("playlist", "init", "key", "bytes"):
        assert viewer.get(part, scene, camera="centre").status_code == 404


def test_bytes_beyond_the_bounds_are_not_served(scene: Scene) -> None:
    """Two segments of three seconds each; the link shows seconds 1 to 3; the rest of the first segment is closed."""
    viewer = Viewer(shared(scene, from_s=1.0, to_s=3.0))
    assert viewer.open().status_code == 200
    with studio_scope(scene.cast.studio.id):
        row = Segment.objects.filter(camera_id=scene.cameras["left"].id).order_by("sequence")[0]
    before, *shown = row.fragments
    for item, status in ((before, 416), *((item, 206) for item in shown)):
        last = item.offset_bytes + item.size_bytes - 1
        ranges = [f"bytes={item.offset_bytes}-{last}", f"bytes={last}-{last}"]
        assert {viewer.get("bytes", scene, Range=text).status_code for text in ranges} == {status}
    across = f"bytes={before.offset_bytes + before.size_bytes - 1}-{shown[0].offset_bytes}"
    for text in (across, "bytes=0-", "bytes=-10000000", "", "bytes=0-1,5-9", f"bytes={10**9}-"):
        assert viewer.get("bytes", scene, Range=text).status_code == 416
    for part in ("init", "key", "bytes"):
        assert viewer.get(part, scene, segment=1).status_code == 404
    listed = viewer.get("timeline", scene).json()
    assert listed["class"]["duration_s"] == 2.0
    assert [len(track["fragments"]) for track in listed["tracks"]] == [2, 2, 0]
    playlist = viewer.get("playlist", scene).content.decode()
    assert playlist.count("#EXT-X-BYTERANGE") == 2
    assert f"{before.size_bytes}@{before.offset_bytes}" not in playlist


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"from_s": 3.0, "to_s": 2.0}, "begin before it ends"),
        ({"from_s": -1.0}, "begin before it ends"),
        ({"to_s": 900.0}, "within the 6 s"),
        ({"from_s": float("nan")}, "begin before it ends"),
        ({"from_s": 1.2, "to_s": 1.9}, "too short"),
        ({"days": 0}, "1 to 7 days"),
        ({"days": 8}, "1 to 7 days"),
        ({"max_views": 0}, "max_views"),
        ({"title": "x" * 121}, "title"),
        ({"track_ids": ["00000000-0000-0000-0000-000000000001"]}, "camera"),
    ],
)
def test_a_link_that_makes_no_sense_is_refused(scene: Scene, facts: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        shared(scene, **facts)


def test_a_class_that_is_arriving_is_not_shared_yet(scene: Scene) -> None:
    with studio_scope(scene.cast.studio.id):
        ClassSession.objects.update(state=ClassState.FINISHING)
    with pytest.raises(Conflict):
        make_link(scene.reread(), LinkFacts(), actor=scene.cast.alice.actor)


def test_another_studio_neither_makes_sees_nor_revokes(scene: Scene, other: Cast) -> None:
    viewer = opened(scene)
    with pytest.raises(NotFound):
        make_link(scene.session, LinkFacts(), actor=other.alice.actor)
    with pytest.raises(NotFound):
        revoke_link(viewer.made.link, actor=other.alice.actor)
    assert revoke_links(other.studio, actor=other.alice.actor) == 0
    with studio_scope(other.studio.id):
        assert not ShareLink.objects.exists()
    assert viewer.statuses(scene) == GOOD


def test_members_without_the_permission_neither_make_nor_revoke(scene: Scene) -> None:
    viewer = opened(scene)
    for who in ("ivan", "vera"):
        actor = getattr(scene.cast, who).actor
        with pytest.raises(Forbidden):
            make_link(scene.session, LinkFacts(), actor=actor)
        with pytest.raises((Forbidden, NotFound)):
            revoke_link(viewer.made.link, actor=actor)
    assert viewer.statuses(scene) == GOOD


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"secret": 5}', b'{"secret": "zz"}', b'{"pin": "1"}'])
def test_a_body_that_is_none_is_refused(scene: Scene, body: bytes) -> None:
    made = shared(scene)
    answer = Client().post(f"/s/{made.link.public_id}/open", body, content_type="application/json")
    assert answer.status_code in {400, 404}
