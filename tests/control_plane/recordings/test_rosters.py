"""The roster of a class: saved whole, confirmed whole, by those who manage dancers."""

import pytest

from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest, Conflict, Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import InvalidDancerList, NewDancer
from control_plane.people.models import Dancer
from control_plane.people.services import add_dancers, set_dancer_left
from control_plane.recordings.audit_events import ROSTER_CONFIRMED
from control_plane.recordings.models import Appearance, ClassSession, ClassState
from control_plane.recordings.rosters import MAX_DANCERS, dancers_named, save_roster
from shared.protocol.ids import new_id
from tests.control_plane.conftest import Cast
from tests.control_plane.scenes import Scene, make_scene


@pytest.fixture
def scene(cast: Cast) -> Scene:
    scene = make_scene(cast)
    with studio_scope(cast.studio.id):
        ClassSession.objects.filter(pk=scene.session.pk).update(state=ClassState.COMPLETE)
    return scene


@pytest.fixture
def dancers(cast: Cast) -> list[Dancer]:
    listed = [NewDancer("Ada", 2014), NewDancer("Ada", 2015), NewDancer("Bea"), NewDancer("Cleo")]
    return add_dancers(cast.studio, listed, actor=cast.alice.actor)[0]


def appearances(scene: Scene) -> dict[str, bool]:
    with studio_scope(scene.cast.studio.id):
        rows = Appearance.objects.filter(class_session=scene.session).select_related("dancer")
        return {row.dancer.name: row.confirmed_at is not None for row in rows}


def test_a_roster_is_expected_then_confirmed_then_open_again(scene: Scene, dancers: list[Dancer]) -> None:
    _, ada, bea, cleo = dancers
    alice = scene.cast.alice.actor
    save_roster(scene.session, [ada.id, bea.id], confirm=False, actor=alice)
    assert appearances(scene) == {"Ada": False, "Bea": False}
    save_roster(scene.session, [bea.id, cleo.id], confirm=True, actor=alice)
    assert appearances(scene) == {"Bea": True, "Cleo": True}
    with studio_scope(scene.cast.studio.id):
        entry = Entry.objects.order_by("-sequence")[0]
    assert entry.action == ROSTER_CONFIRMED
    assert entry.details == {"dancers": 2, "added": [str(cleo.id)], "removed": [str(ada.id)]}
    row = scene.reread()
    assert (row.roster_confirmed_by, row.roster_confirmed_at is not None) == (alice.id, True)
    save_roster(scene.session, [bea.id], confirm=False, actor=alice)
    assert appearances(scene) == {"Bea": False}
    assert scene.reread().roster_confirmed_at is None


def test_nobody_can_be_confirmed_to_have_been_there(scene: Scene) -> None:
    save_roster(scene.session, [], confirm=True, actor=scene.cast.alice.actor)
    assert scene.reread().roster_confirmed_at is not None


def test_a_running_class_has_no_confirmed_roster(scene: Scene, dancers: list[Dancer]) -> None:
    with studio_scope(scene.cast.studio.id):
        ClassSession.objects.filter(pk=scene.session.pk).update(state=ClassState.RECORDING)
    with pytest.raises(Conflict, match="still running"):
        save_roster(scene.session, [dancers[0].id], confirm=True, actor=scene.cast.alice.actor)
    assert appearances(scene) == {}


def test_a_dancer_of_another_studio_is_none_of_ours(scene: Scene, other: Cast) -> None:
    (stranger,), _ = add_dancers(other.studio, [NewDancer("Zoe")], actor=other.alice.actor)
    with pytest.raises(BadRequest, match="not in this studio"):
        save_roster(scene.session, [stranger.id], confirm=False, actor=scene.cast.alice.actor)
    ids = [new_id() for _ in range(MAX_DANCERS + 1)]
    with pytest.raises(BadRequest, match="at most"):
        save_roster(scene.session, ids, confirm=False, actor=scene.cast.alice.actor)


@pytest.mark.parametrize("name", ["vera", "gita", "pat", "sam"])
def test_only_those_who_manage_dancers_save_a_roster(scene: Scene, dancers: list[Dancer], name: str) -> None:
    actor = getattr(scene.cast, name).actor
    with pytest.raises((Forbidden, NotFound)):
        save_roster(scene.session, [dancers[0].id], confirm=True, actor=actor)
    assert appearances(scene) == {}


def test_a_list_of_names_finds_each_or_says_on_which_line_it_does_not(
    cast: Cast, dancers: list[Dancer]
) -> None:
    with studio_scope(cast.studio.id):
        found = dancers_named([NewDancer("ada", 2015, line=2), NewDancer("Bea", line=3)])
        assert [item.id for item in found] == [dancers[1].id, dancers[2].id]
        Dancer.objects.filter(pk=dancers[2].id).update(name="Be\u0301a")
        (found_one,) = dancers_named([NewDancer("B\u00e9a", line=2)])
        assert found_one.id == dancers[2].id
        set_dancer_left(dancers[3], True, actor=cast.alice.actor)
        with pytest.raises(InvalidDancerList) as caught:
            dancers_named([NewDancer("Ada", line=2), NewDancer("Zoe", line=3), NewDancer("Cleo", line=4)])
    assert [error.line for error in caught.value.errors] == [2, 3, 4]
    assert "birth_year" in str(caught.value.errors[0])
