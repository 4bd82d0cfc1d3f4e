"""The privacy assessment says what is so, not what should be."""

from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from control_plane.audit.models import Entry
from control_plane.common.errors import Forbidden
from control_plane.common.scoping import studio_scope
from control_plane.compliance.assessment import Assessment, as_markdown, assess
from control_plane.identity.models import SigninPolicy
from tests.control_plane.compliance.conftest import Lesson
from tests.control_plane.conftest import Cast, as_person


def facts(found: Assessment) -> dict[str, str]:
    return {name: value for section in found.sections for name, value in section.facts}


def to_do(found: Assessment) -> str:
    return " ".join(item.text for section in found.sections for item in section.to_do)


def test_it_counts_what_is_there(cast: Cast, lesson: Lesson) -> None:
    found = assess(cast.studio, actor=cast.alice.actor)
    said = facts(found)
    assert said["Recorded classes"] == "1"
    assert said["Dancers"] == said["Minors (or year of birth unknown)"] == "2"
    assert said["People who answer for them"] == "1"
    assert "1 of the minors have no guardian." in to_do(found)
    assert said["Guardian (1)"].endswith("once the roster is confirmed.")
    assert "Watch a recorded class." in said["Viewer (1)"]
    assert "Watch a recorded class." not in said["Partner (1)"]


def test_what_is_missing_is_to_do_until_it_is_there(cast: Cast) -> None:
    found = assess(cast.studio, actor=cast.alice.actor)
    assert "Require a second factor of admins." in to_do(found)
    assert "The audit log has not been verified for a month." not in to_do(found), "the studio is new"
    assert "Checkpoints are late" not in to_do(found)
    with time_machine.travel(timezone.now() + timedelta(days=31), tick=False):
        found = assess(cast.studio, actor=cast.alice.actor)
    assert "The audit log has not been verified for a month." in to_do(found)
    assert "Checkpoints are late" in to_do(found)
    with studio_scope(cast.studio.id):
        SigninPolicy.objects.update_or_create(
            studio=cast.studio, defaults={"admins_need_second_factor": True}
        )
    call_command("audit_verify", "--studio", cast.studio.slug)
    found = assess(cast.studio, actor=cast.alice.actor)
    assert "Require a second factor of admins." not in to_do(found)
    assert "The audit log has not been verified for a month." not in to_do(found)
    assert facts(found)["Last verified"].endswith("unbroken")


def test_what_is_not_built_is_said_not_to_be(cast: Cast) -> None:
    assert "There are no retention rules yet" in to_do(assess(cast.studio, actor=cast.alice.actor))
    assert "Consent is not supported yet" in to_do(assess(cast.studio, actor=cast.alice.actor))


def test_it_is_read_by_those_who_decide_and_reading_is_put_down(cast: Cast, other: Cast) -> None:
    with pytest.raises(Forbidden):
        assess(cast.studio, actor=cast.ivan.actor)
    address = f"/studio/{cast.studio.slug}/privacy/"
    assert as_person(cast.vera).get(address).status_code == 403
    assert as_person(other.alice).get(address).status_code == 404
    assert as_person(cast.alice).get(address).status_code == 200
    with studio_scope(cast.studio.id):
        assert Entry.objects.order_by("-sequence")[0].action == "assessment.read"


def test_the_files_hold_the_same_and_nothing_runs_in_them(cast: Cast) -> None:
    cast.studio.name = "<script>alert(1)</script> *Dance*"
    text = as_markdown(assess(cast.studio, actor=cast.alice.actor))
    assert "## 11. Proof" in text
    assert "<script>" not in text.split("\n", 1)[1]
    client = as_person(cast.alice)
    address = f"/studio/{cast.studio.slug}/privacy/"
    page, plain = client.get(f"{address}html/"), client.get(f"{address}md/")
    assert "attachment" in page["Content-Disposition"]
    assert "11. Proof" in page.content.decode()
    assert plain["Content-Type"].startswith("text/markdown")
    assert client.get(f"{address}pdf/").status_code == 404
