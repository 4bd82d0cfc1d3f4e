"""Everything about a dancer, as a ZIP file."""

import io
import json
import zipfile

import pytest

from control_plane.audit.models import Entry
from control_plane.common.errors import Forbidden, NotFound
from control_plane.common.scoping import studio_scope
from control_plane.data_requests.access_package import access_package, sections_about
from control_plane.people import services as people
from tests.control_plane.conftest import Cast, as_person
from tests.control_plane.data_requests.conftest import Shown


def files_of(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}


def test_it_holds_what_each_app_has_of_the_dancer_and_nothing_of_another(shown: Shown) -> None:
    cast = shown.scene.cast
    files = files_of(access_package(shown.mia, actor=cast.alice.actor).content)
    data = json.loads(files["data.json"])["data"]
    assert data["dancer"][0]["note"] == "likes jumps"
    assert [row["email"] for row in data["guardians"]] == [cast.gita.email]
    (row,) = data["classes"]
    assert (row["class"], row["recording_exists"]) == (str(shown.class_session.id), True)
    assert "Mia" in files["README.txt"]
    assert not any("Noa" in text for text in files.values())
    assert files["footage-access.csv"].startswith("at (UTC)")
    with studio_scope(cast.studio.id):
        assert Entry.objects.filter(action="dancer.data_downloaded", object_id=str(shown.mia.id)).count() == 1


def test_every_table_about_a_dancer_is_in_it(shown: Shown) -> None:
    """A new table with a key to dancers has to answer too."""
    with studio_scope(shown.scene.cast.studio.id):
        names = {item.name for item in sections_about(shown.mia)}
        fields = shown.mia._meta.get_fields(include_hidden=True)
        related = {
            field.related_model.__name__ for field in fields if field.auto_created and field.related_model
        }
    answered = {
        "Guardianship": "guardians",
        "GuardianInvitation": "guardian-invitations",
        "Appearance": "classes",
        "Enrolment": "enrolments",
        "ConsentRecord": "consents",
        "ConsentRequest": "consent-requests",
        "ClipDancer": "clips",
    }
    assert related == answered.keys(), "say which section of PersonalData holds the new table"
    assert {*answered.values(), "dancer", "requests", "exports"} == names


def test_a_name_that_looks_like_a_formula_stays_text(shown: Shown) -> None:
    alice = shown.scene.cast.alice.actor
    people.change_dancer(shown.mia, actor=alice, note="=1+1")
    assert ",'=1+1," in files_of(access_package(shown.mia, actor=alice).content)["dancer.csv"]


def test_nobody_else_gets_it(shown: Shown, other: Cast) -> None:
    cast = shown.scene.cast
    for person in (cast.ivan, cast.vera, cast.gita, cast.pat, other.alice):
        with pytest.raises((Forbidden, NotFound)):
            access_package(shown.mia, actor=person.actor)
    page = f"/studio/{cast.studio.slug}/dancers/{shown.mia.id}/"
    answer = as_person(cast.alice).post(f"{page}data/")
    assert answer["Cache-Control"] == "no-store"
    assert files_of(answer.content)["data.json"]
    assert as_person(cast.ivan).post(f"{page}data/").status_code == 403
