"""The pages of dancers and rosters: what they change, what they refuse, and what they never show."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from control_plane.common.scoping import studio_scope
from control_plane.people.dancer_list import NewDancer
from control_plane.people.models import Dancer, Guardianship, Relation
from control_plane.people.services import add_dancers, set_dancer_left, start_guardianship
from control_plane.recordings.models import Appearance, ClassSession, ClassState
from control_plane.recordings.rosters import save_roster
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, furnish, record

OK, MOVED, WRONG, REFUSED, UNKNOWN = 200, 302, 400, 403, 404


@pytest.fixture
def dancers(cast: Cast) -> list[Dancer]:
    listed = [NewDancer("Ada Lind", 2014), NewDancer("Bea Mar", 2012, protected=True), NewDancer("Cleo Oka")]
    return add_dancers(cast.studio, listed, actor=cast.alice.actor)[0]


def all_dancers(cast: Cast) -> list[str]:
    with studio_scope(cast.studio.id):
        return list(Dancer.objects.order_by("name").values_list("name", flat=True))


def file(text: str) -> SimpleUploadedFile:
    return SimpleUploadedFile("list.csv", text.encode(), content_type="text/csv")


def test_the_list_finds_by_name_and_keeps_those_who_left_apart(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn
) -> None:
    set_dancer_left(dancers[2], True, actor=furnished.cast.alice.actor)
    alice = sign_in("alice")
    everybody = alice.get(f"{furnished.base}/dancers/").content.decode()
    assert "Ada Lind" in everybody
    assert "Cleo Oka" not in everybody
    found = alice.get(f"{furnished.base}/dancers/?q=bea").content.decode()
    assert "Bea Mar" in found
    assert "Ada Lind" not in found
    assert "Cleo Oka" in alice.get(f"{furnished.base}/dancers/?left=1").content.decode()
    with studio_scope(furnished.cast.studio.id):
        for stored in ("Zoe\u0308 Alt", "Zo\u00eb Neu"):
            Dancer.objects.create(studio=furnished.cast.studio, name=stored)
    for typed in ("zo\u00eb", "zoe\u0308"):
        found = alice.get(f"{furnished.base}/dancers/", {"q": typed}).content.decode()
        assert "Zoe\u0308 Alt" in found
        assert "Zo\u00eb Neu" in found


def test_a_dancer_is_added_and_changed(furnished: FurnishedStudio, sign_in: SignIn) -> None:
    alice = sign_in("alice")
    values = {"name": "Ada Lind", "birth_year": "2014", "protected": "on", "note": "tall"}
    answer = alice.post(f"{furnished.base}/dancers/add/", values)
    assert answer.status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        dancer = Dancer.objects.get()
    assert (dancer.name, dancer.birth_year, dancer.protected, dancer.note) == ("Ada Lind", 2014, True, "tall")
    page = f"{furnished.base}/dancers/{dancer.id}/"
    assert alice.post(page, {"name": "Ada L", "birth_year": "", "note": ""}).status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        dancer = Dancer.objects.get()
    assert (dancer.name, dancer.birth_year, dancer.protected, dancer.note) == ("Ada L", None, False, "")


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"name": "A", "birth_year": "x"}, {"name": "A", "birth_year": "2199"}]
)
def test_wrong_values_are_told_beside_the_form(
    furnished: FurnishedStudio, sign_in: SignIn, values: dict[str, str]
) -> None:
    answer = sign_in("alice").post(f"{furnished.base}/dancers/add/", values)
    assert answer.status_code == WRONG
    assert "errorlist" in answer.content.decode()
    assert all_dancers(furnished.cast) == []


def test_a_guardian_is_tied_by_address_and_the_tie_ends(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn
) -> None:
    alice, page = sign_in("alice"), f"{furnished.base}/dancers/{dancers[0].id}/"
    gita = furnished.cast.gita
    stranger = alice.post(page + "guardians/", {"person": furnished.cast.sam.email, "relation": "parent"})
    assert stranger.status_code == WRONG
    assert "Invite them first" in stranger.content.decode()
    tied = alice.post(page + "guardians/", {"person": gita.email.upper(), "relation": "carer"})
    assert tied.status_code == MOVED
    again = alice.post(page + "guardians/", {"person": gita.email, "relation": "carer"})
    assert "answers for this dancer already" in again.content.decode()
    with studio_scope(furnished.cast.studio.id):
        tie = Guardianship.objects.get()
    assert (tie.user_id, tie.relation) == (gita.id, Relation.CARER)
    assert alice.post(f"{page}guardians/{tie.id}/end/").status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        assert Guardianship.objects.get().ended_at is not None


def test_a_list_is_imported_whole_or_refused_with_its_lines(
    furnished: FurnishedStudio, sign_in: SignIn
) -> None:
    alice, page = sign_in("alice"), f"{furnished.base}/dancers/import/"
    refused = alice.post(page, {"file": file("name,birth_year\nAda,2014\nBea,x\n,2011\n")})
    assert refused.status_code == WRONG
    text = refused.content.decode()
    assert "Line 3: birth_year" in text
    assert "Line 4: name is empty" in text
    assert all_dancers(furnished.cast) == []
    text = "name,birth_date\nAda,2014-05-31\nBea,\n"
    preview = alice.post(page, {"file": file(text)})
    assert preview.status_code == OK
    assert "2 dancers in the file" in preview.content.decode()
    assert all_dancers(furnished.cast) == []
    assert alice.post(page, {"text": text}).status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        assert Dancer.objects.get(name="Ada").birth_year == 2014
    assert "Of these, 2 are here already" in alice.post(page, {"file": file(text)}).content.decode()
    many = "name,birth_year\n" + "".join(f"Dancer {n},x\n" for n in range(50_000))
    refused = alice.post(page, {"file": file(many)})
    assert refused.status_code == WRONG
    assert "more than 256 kB" in refused.content.decode()
    some = "name,birth_year\n" + "".join(f"Dancer {n},x\n" for n in range(2_000))
    assert alice.post(page, {"text": some}).content.decode().count("is not a year") == 20
    assert all_dancers(furnished.cast) == ["Ada", "Bea"]
    assert alice.post(page).status_code == WRONG


def ticked(client: Client, address: str) -> list[str]:
    text = client.get(address).content.decode()
    return [
        part.split(">", 2)[2].split("<")[0].strip()
        for part in text.split('name="dancer"')[1:]
        if "checked" in part.split(">")[0]
    ]


def test_a_roster_is_ticked_saved_and_confirmed(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice, page = sign_in("alice"), f"{furnished.base}/classes/{row.id}/roster/"
    ada, bea, _ = (str(dancer.id) for dancer in dancers)
    assert alice.post(page, {"dancer": [ada, bea]}).status_code == MOVED
    assert ticked(alice, page) == ["Ada Lind", "Bea Mar"]
    with studio_scope(furnished.cast.studio.id):
        assert ClassSession.objects.get().roster_confirmed_at is None
    assert alice.post(page, {"dancer": [bea], "confirm": "yes"}).status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        assert ClassSession.objects.get().roster_confirmed_by == furnished.cast.alice.id
    assert ticked(alice, page) == ["Bea Mar"]
    assert alice.post(page, {"dancer": ["x"]}).status_code == WRONG


def test_a_running_class_is_not_confirmed(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.RECORDING)
    page = f"{furnished.base}/classes/{row.id}/roster/"
    answer = sign_in("alice").post(page, {"dancer": [str(dancers[0].id)], "confirm": "yes"})
    assert answer.status_code == WRONG
    assert "still running" in answer.content.decode()


def test_a_file_ticks_and_saves_nothing(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice, page = sign_in("alice"), f"{furnished.base}/classes/{row.id}/roster/"
    answer = alice.post(page + "file/", {"file": file("name\nbea mar\nCleo Oka\n")})
    assert "selected 2 dancers" in answer.content.decode()
    assert ticked(alice, page) == []
    wrong = alice.post(page + "file/", {"file": file("name\nbea mar\nZoe\n")})
    assert wrong.status_code == WRONG
    assert "Line 3: no dancer is named Zoe" in wrong.content.decode()


def test_a_dancer_and_a_class_of_another_studio_are_not_found(
    furnished: FurnishedStudio, dancers: list[Dancer], other: Cast, sign_in: SignIn
) -> None:
    (zoe,), _ = add_dancers(other.studio, [NewDancer("Zoe")], actor=other.alice.actor)
    tie = start_guardianship(zoe, other.gita, Relation.PARENT, actor=other.alice.actor)
    foreign = record(furnish(other), ClassState.COMPLETE)
    alice = sign_in("alice")
    assert alice.get(f"{furnished.base}/dancers/{zoe.id}/").status_code == UNKNOWN
    assert alice.get(f"{furnished.base}/classes/{foreign.id}/roster/").status_code == UNKNOWN
    end = f"{furnished.base}/dancers/{dancers[0].id}/guardians/{tie.id}/end/"
    assert alice.post(end).status_code == UNKNOWN
    row = record(furnished, ClassState.COMPLETE)
    posted = alice.post(f"{furnished.base}/classes/{row.id}/roster/", {"dancer": [str(zoe.id)]})
    assert posted.status_code == WRONG
    with studio_scope(furnished.cast.studio.id):
        assert not Appearance.objects.exists()


POSTS = [
    "/dancers/add/",
    "/dancers/import/",
    "/dancers/{dancer}/",
    "/dancers/{dancer}/left/",
    "/dancers/{dancer}/guardians/",
    "/dancers/{dancer}/guardians/{tie}/end/",
    "/classes/{class}/roster/",
    "/classes/{class}/roster/file/",
]


@pytest.mark.parametrize("page", POSTS)
@pytest.mark.parametrize("name", ["vera", "gita", "pat", "sam"])
def test_nobody_else_changes_anything(
    furnished: FurnishedStudio, dancers: list[Dancer], sign_in: SignIn, page: str, name: str
) -> None:
    row = record(furnished, ClassState.COMPLETE)
    alice = furnished.cast.alice.actor
    tie = start_guardianship(dancers[0], furnished.cast.gita, Relation.PARENT, actor=alice)
    save_roster(row, [dancers[0].id], confirm=True, actor=alice)
    known = {"dancer": dancers[0].id, "tie": tie.id, "class": row.id}
    values = {
        "name": "Mallory",
        "person": furnished.cast.vera.email,
        "relation": "parent",
        "dancer": str(dancers[1].id),
    }
    answer = sign_in(name).post(furnished.base + page.format_map(known), values)
    assert answer.status_code in ({UNKNOWN} if name == "sam" else {UNKNOWN, REFUSED})
    assert all_dancers(furnished.cast) == ["Ada Lind", "Bea Mar", "Cleo Oka"]
    with studio_scope(furnished.cast.studio.id):
        assert Appearance.objects.get().dancer_id == dancers[0].id
        assert Guardianship.objects.get().ended_at is None
        assert Dancer.objects.get(pk=dancers[0].pk).left_at is None
