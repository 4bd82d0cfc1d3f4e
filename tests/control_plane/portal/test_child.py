"""A family's page of its dancer: "what do you have of my child?", answered one tap after signing in, to nobody else."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from control_plane.administration import services as administration
from control_plane.audit.models import Entry
from control_plane.common.errors import NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.family_report import family_report
from control_plane.data_requests.models import RequestKind
from control_plane.data_requests.services import open_request
from control_plane.people import services as people
from control_plane.people.consent_models import ConsentAnswer, ConsentPurpose
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.recordings.models import ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from control_plane.recordings.shredding import shred_class
from control_plane.retention import services as retention
from control_plane.retention.models import Preset
from control_plane.sharing.links import LinkFacts, make_link
from tests.control_plane.access.grants import danced, recorded
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.people.consents import says
from tests.control_plane.scenes import Scene, make_scene
from tests.control_plane.sending import upload


@pytest.fixture
def scene(cast: Cast, family: Dancer, tmp_path: Path) -> Scene:
    """A complete class in which Dana took part, which her family lets the studio share."""
    made = make_scene(cast)
    upload(made, *made.cuts(tmp_path, seconds=6, each=3))
    made.stop()
    with studio_scope(cast.studio.id):
        ClassSession.objects.update(state=ClassState.COMPLETE)
    save_roster(made.session, [family.id], confirm=True, actor=cast.alice.actor)
    says(cast, family, ConsentPurpose.SHARE, ConsentAnswer.GRANTED)
    made.session = made.reread()
    return made


def page_of(cast: Cast, dancer: Dancer) -> str:
    return f"/studio/{cast.studio.slug}/children/{dancer.id}/"


def may_read(cast: Cast, name: str, dancer: Dancer) -> bool:
    """Says whether the person of that name gets the report; the page asks besides who the reader's dancers are."""
    person = getattr(cast, name)
    try:
        family_report(dancer, reader=person.actor)
    except NotFound:
        assert as_person(person).get(page_of(cast, dancer)).status_code == 404
        return False
    return True


def seen_by_gita(cast: Cast, dancer: Dancer) -> str:
    answer = as_person(cast.gita).get(page_of(cast, dancer))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    return re.sub(r"\s+", " ", answer.content.decode())


def test_it_is_one_tap_from_the_page_after_signing_in(cast: Cast, family: Dancer) -> None:
    first = as_person(cast.gita).get("/", follow=True).content.decode()
    assert f'href="{page_of(cast, family)}"' in first
    mine = as_person(cast.gita).get(f"/studio/{cast.studio.slug}/children/").content.decode()
    assert f'href="{page_of(cast, family)}"' in mine


def test_it_shows_classes_links_consents_and_requests(scene: Scene, family: Dancer) -> None:
    cast = scene.cast
    assert "None of them is shared by link now" in seen_by_gita(cast, family)
    make_link(scene.session, LinkFacts(title="Noa’s aunt", days=3), actor=cast.alice.actor)
    open_request(
        family,
        RequestKind.ACCESS,
        requester="Noa’s father",
        received_on=timezone.localdate(),
        note="difficult",
        actor=cast.alice.actor,
    )
    text = seen_by_gita(cast, family)
    assert "1 recording " in text
    assert f"/classes/{scene.session.id}/" in text
    assert "1 share link, until" in text
    assert "no date of deletion" in text
    assert "Access: a copy of everything" in text
    assert "at the latest" in text
    shared = text.split("Sharing recordings by link")[1]
    assert "Given" in shared.split("</li>")[0]
    for hidden in ("Noa", "difficult", "203.0"):
        assert hidden not in text


def test_the_date_of_deletion_is_that_of_the_retention_rules(scene: Scene, family: Dancer) -> None:
    retention.confirm_policy(
        scene.cast.studio,
        actor=scene.cast.alice.actor,
        preset=Preset.UK_EU,
        minors_days=7,
        adults_days=None,
    )
    assert re.search(r"deleted after \d+ [A-Z]", seen_by_gita(scene.cast, family))


def test_a_destroyed_recording_is_named_as_such(scene: Scene, family: Dancer) -> None:
    shred_class(scene.session, confirmation="Ballet", reason="a test", actor=scene.cast.alice.actor)
    text = seen_by_gita(scene.cast, family)
    assert "recording deleted" in text
    assert "0 recordings" in text
    assert f"/classes/{scene.session.id}/" not in text


def test_only_confirmed_rosters_say_that_the_dancer_was_there(cast: Cast, family: Dancer) -> None:
    room = administration.create_room(cast.studio, name="Hall", actor=cast.alice.actor)
    danced(family, recorded(room, "Sure"))
    danced(family, recorded(room, "Unsure"), confirmed=False)
    text = seen_by_gita(cast, family)
    assert "Sure" in text
    assert "Unsure" not in text


@pytest.mark.parametrize("name", ["alice", "ivan", "vera", "pat", "sam"])
def test_nobody_else_sees_it(cast: Cast, family: Dancer, name: str) -> None:
    assert not may_read(cast, name, family)


def test_a_guardian_sees_own_dancers_only_and_while_they_are_guardian(cast: Cast, family: Dancer) -> None:
    other = people.add_dancer(cast.studio, NewDancer("Noa", 2015), actor=cast.alice.actor)
    assert may_read(cast, "gita", family)
    assert not may_read(cast, "gita", other)
    with studio_scope(cast.studio.id):
        tie = Guardianship.objects.get(user=cast.gita)
    people.end_guardianship(tie, actor=cast.alice.actor)
    assert not may_read(cast, "gita", family)


def test_a_guardianship_that_begins_later_shows_nothing_yet(cast: Cast, family: Dancer) -> None:
    with studio_scope(cast.studio.id):
        Guardianship.objects.update(started_at=timezone.now() + timedelta(days=1))
    assert not may_read(cast, "gita", family)


def test_an_adult_dancer_sees_their_own(cast: Cast) -> None:
    vera = people.add_dancer(cast.studio, NewDancer("Vera", 1990), actor=cast.alice.actor)
    people.start_guardianship(vera, cast.vera, Relation.SELF, actor=cast.alice.actor)
    assert cast.role_of(cast.vera) == Role.VIEWER
    assert as_person(cast.vera).get(page_of(cast, vera)).status_code == 200


def test_reading_it_is_logged(cast: Cast, family: Dancer) -> None:
    seen_by_gita(cast, family)
    with studio_scope(cast.studio.id):
        entries = Entry.objects.filter(action="dancer.family_report_read")
        assert list(entries.values_list("actor_id", "object_id")) == [(cast.gita.id, str(family.id))]
