"""The access page of a class says besides who watches by a link, and whose consent is missing."""

import re
from pathlib import Path

import pytest
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.scoping import studio_scope
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer
from control_plane.portal.access.leaving import leaving_of
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.sharing.links import LinkFacts, make_link, revoke_link
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.people.consents import says
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload

GRANTED, REFUSED = ConsentAnswer.GRANTED, ConsentAnswer.REFUSED


@pytest.fixture
def scene(cast: Cast, tmp_path: Path) -> Scene:
    """A complete class with a confirmed roster of nobody."""
    made = make_scene(cast)
    upload(made, *made.cuts(tmp_path, seconds=6, each=3))
    made.stop()
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(state=ClassState.COMPLETE)
    save_roster(made.session, [], confirm=True, actor=cast.alice.actor)
    made.session = made.reread()
    return made


def page_of(scene: Scene) -> str:
    return f"/studio/{scene.cast.studio.slug}/classes/{scene.session.id}/access/"


def text_of(scene: Scene) -> str:
    answer = as_person(scene.cast.alice).get(page_of(scene))
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_active_links_are_counted_named_and_revoked_there(scene: Scene) -> None:
    alice = scene.cast.alice.actor
    assert "Nobody without an account can watch this class" in text_of(scene)
    first, _ = (make_link(scene.session, LinkFacts(title=title), actor=alice) for title in ("Aunt", "Uncle"))
    text = text_of(scene)
    assert "2 active share links" in text
    assert "made by Alice" in text
    for title in ("Aunt", "Uncle"):
        assert title in text
    revoke = f"/studio/{scene.cast.studio.slug}/links/{first.link.id}/revoke/"
    assert revoke in text
    answer = as_person(scene.cast.alice).post(revoke, {"back": "access"})
    assert answer["Location"] == page_of(scene)
    text = text_of(scene)
    assert "1 active share link " in text
    assert "Aunt" not in text


def test_ended_links_are_not_active_ones(scene: Scene) -> None:
    alice = scene.cast.alice.actor
    revoke_link(make_link(scene.session, LinkFacts(title="Aunt"), actor=alice).link, actor=alice)
    assert "0 active share links" in text_of(scene)


def test_missing_consents_are_named_with_their_reason_and_the_way_out(scene: Scene, family: Dancer) -> None:
    cast = scene.cast
    other = people.add_dancer(cast.studio, NewDancer("Eli", 2014), actor=cast.alice.actor)
    save_roster(scene.session, [family.id, other.id], confirm=True, actor=cast.alice.actor)
    says(cast, family, ConsentPurpose.REPLAY, GRANTED)
    says(cast, family, ConsentPurpose.SHARE, REFUSED)
    text = text_of(scene)
    replay, share = text.split('class="leaving__purpose"')[1:3]
    assert "of 1 of 2 dancers" in replay
    assert re.search(r"Eli</a> <span[^>]*>Not asked<", replay)
    assert "Dana" not in replay
    assert "of 2 of 2 dancers" in share
    assert re.search(r"Dana</a> <span[^>]*>Refused<", share)
    assert "/consents/?missing=share" in share
    assert f"/classes/{scene.session.id}/roster/" in text


def test_everybody_has_allowed_it(scene: Scene, family: Dancer) -> None:
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    for purpose in (ConsentPurpose.REPLAY, ConsentPurpose.SHARE):
        says(scene.cast, family, purpose, GRANTED)
    text = text_of(scene)
    assert text.count("by the only dancer in this class") == 2
    assert "Missing" not in text


def test_names_and_links_are_for_people_who_may_know_them(scene: Scene, family: Dancer) -> None:
    cast = scene.cast
    make_link(scene.session, LinkFacts(title="Aunt"), actor=cast.alice.actor)
    save_roster(scene.session, [family.id], confirm=True, actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        admin, viewer = (
            leaving_of(person.actor, scene.session, timezone.now()) for person in (cast.alice, cast.vera)
        )
        logged = set(Entry.objects.filter(actor_id=cast.vera.id).values_list("action", flat=True))
    assert ([row.title for row in admin.links], admin.names_shown) == (["Aunt"], True)
    assert [[answer.dancer.name for answer in state.named] for state in admin.consents] == [["Dana"]] * 2
    assert (viewer.count, viewer.links, viewer.names_shown) == (1, [], False)
    assert [(state.missing, state.named) for state in viewer.consents] == [(1, []), (1, [])]
    assert not logged & {"consents.listed", "share_links.listed"}


def test_reading_names_and_links_is_logged(scene: Scene, family: Dancer) -> None:
    make_link(scene.session, LinkFacts(title="Aunt"), actor=scene.cast.alice.actor)
    save_roster(scene.session, [family.id], confirm=True, actor=scene.cast.alice.actor)
    text_of(scene)
    with studio_scope(scene.cast.studio.id):
        logged = set(Entry.objects.filter(object_id=str(scene.session.id)).values_list("action", flat=True))
    assert logged >= {"consents.listed", "share_links.listed"}
