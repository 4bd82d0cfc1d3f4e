"""The operator's pages: studios in numbers, a new studio, break-glass; and what the studio sees of it."""

from typing import Any

import pytest

from control_plane.access import services
from control_plane.access.models import BreakGlass
from control_plane.accounts.models import User
from control_plane.audit.models import Entry
from control_plane.common.scoping import capability_scope, platform_scope, studio_scope
from control_plane.recordings.models import ClassState
from control_plane.tenancy.audit_events import STUDIO_CREATED
from control_plane.tenancy.models import Invitation, Membership, Studio
from control_plane.tenancy.permissions import VIEW_STUDIO
from shared.kernel.disk import DiskSpace
from tests.control_plane.conftest import Cast
from tests.control_plane.portal.conftest import FurnishedStudio, SignIn, record

OK, MOVED, WRONG, REFUSED, UNKNOWN = 200, 302, 400, 403, 404
REASON = "Ticket 4711: the left camera stays dark"
PAGES = ["/operator/", "/operator/studios/add/", "/operator/studios/{studio}/", "/operator/break-glass/"]


@pytest.fixture
def operator(cast: Cast, settings: Any) -> User:
    """Sam, who runs the platform."""
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    User.objects.filter(pk=cast.sam.pk).update(is_operator=True)
    return cast.sam


@pytest.mark.parametrize("name", ["alice", "ivan", "vera", "gita", "pat", "sam"])
def test_to_everybody_else_there_are_no_such_pages(
    furnished: FurnishedStudio, sign_in: SignIn, name: str
) -> None:
    for page in PAGES:
        assert sign_in(name).get(page.format(studio=furnished.cast.studio.id)).status_code == UNKNOWN
    assert "/operator/" not in sign_in(name).get("/?all=1").content.decode()


def test_an_operator_without_a_second_factor_is_refused(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User, settings: Any
) -> None:
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    assert sign_in("sam").get("/operator/").status_code == REFUSED


def test_studios_are_shown_in_numbers_without_names_from_inside(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User
) -> None:
    record(furnished, ClassState.COMPLETE, "Ballet of the swans")
    text = ""
    for page in PAGES:
        answer = sign_in("sam").get(page.format(studio=furnished.cast.studio.id))
        assert answer.status_code == OK
        text += answer.content.decode()
    assert furnished.cast.studio.name in text
    for inside in ("swans", "Alice", furnished.cast.vera.email, "Room 1", "Agent 1"):
        assert inside not in text
    assert sign_in("sam").get(f"{furnished.base}/classes/").status_code == UNKNOWN


def test_a_disk_that_is_nearly_full_is_told_to_operators_and_admins_with_what_it_means(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"sam": "/operator/", "alice": f"{furnished.base}/settings/storage/"}

    def page_of(name: str) -> str:
        answer = sign_in(name).get(pages[name])
        assert answer.status_code == OK
        return answer.content.decode()

    assert not any("nearly full" in page_of(name) for name in pages)
    monkeypatch.setattr(DiskSpace, "is_low", True)
    assert "uploads are refused, and the agents keep their footage" in page_of("sam")
    assert "GB free" in page_of("sam")
    assert "Nothing is lost: your agents continue to record" in page_of("alice")
    assert "GB free" not in page_of("alice"), "how large the server is, is none of a studio's business"


def test_a_new_studio_is_handed_to_its_first_admin_and_the_operator_gets_no_right(
    sign_in: SignIn, operator: User, mailoutbox: list[Any]
) -> None:
    values = {
        "name": "Tanzhaus",
        "slug": "tanzhaus-x",
        "time_zone": "Europe/Berlin",
        "admin_address": "a@example.org",
    }
    sam = sign_in("sam")
    answer = sam.post("/operator/studios/add/", values)
    assert answer.status_code == OK
    (mail,) = mailoutbox
    assert mail.to == ["a@example.org"]
    assert "/invitation/?token=" in mail.body
    assert "token" not in answer.content.decode().replace("csrfmiddlewaretoken", "")
    with platform_scope("test"):
        studio = Studio.objects.get(slug="tanzhaus-x")
    with studio_scope(studio.id):
        assert Invitation.objects.get().email == "a@example.org"
        assert not Membership.objects.exists()
    with capability_scope("platform_audit", "on"):
        entry = Entry.objects.order_by("-sequence").filter(action=STUDIO_CREATED)[0]
    assert (entry.actor_id, entry.object_id) == (operator.id, str(studio.id))
    assert sam.get("/studio/tanzhaus-x/classes/").status_code == UNKNOWN
    again = sam.post("/operator/studios/add/", values)
    assert again.status_code == WRONG
    assert "already" in again.content.decode()


def test_a_broken_glass_opens_what_was_asked_and_frames_every_page(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User
) -> None:
    record(furnished, ClassState.COMPLETE)
    sam, page = sign_in("sam"), f"/operator/studios/{furnished.cast.studio.id}/"
    values = {"actions": ["view_studio", "view_agents"], "reason": REASON, "hours": "1"}
    assert sam.post(page, values)["Location"] == f"{furnished.base}/classes/"
    inside = sam.get(f"{furnished.base}/agents/").content.decode()
    assert 'class="has-break-glass"' in inside
    assert f"You have break-glass access to {furnished.cast.studio.name}" in inside
    assert sam.get(f"{furnished.base}/people/").status_code == REFUSED
    page_of = sign_in("alice").get(f"{furnished.base}/classes/").content.decode()
    assert "has break-glass access to your studio" in page_of
    assert REASON in page_of
    assert (
        "break-glass access to your studio"
        not in sign_in("vera").get(f"{furnished.base}/classes/").content.decode()
    )
    assert REASON in sign_in("alice").get(f"{furnished.base}/break-glass/").content.decode()


@pytest.mark.parametrize("ended_by", ["alice", "sam"])
def test_either_side_ends_a_visit_at_once(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User, ended_by: str
) -> None:
    glass = services.open_break_glass(
        furnished.cast.studio, operator, [VIEW_STUDIO], REASON, 1, actor=operator.actor
    )
    assert sign_in("sam").get(f"{furnished.base}/classes/").status_code == OK
    assert sign_in("vera").post(f"{furnished.base}/break-glass/{glass.id}/end/").status_code in {
        REFUSED,
        UNKNOWN,
    }
    assert sign_in("sam").get(f"{furnished.base}/classes/").status_code == OK
    page = f"{furnished.base}/break-glass/{glass.id}/end/"
    assert sign_in(ended_by).post(page).status_code == MOVED
    assert sign_in("sam").get(f"{furnished.base}/classes/").status_code == UNKNOWN
    assert (
        "has break-glass access to" not in sign_in("alice").get(f"{furnished.base}/classes/").content.decode()
    )


def test_an_operator_ends_own_visits_only(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User
) -> None:
    glass = services.open_break_glass(
        furnished.cast.studio, operator, [VIEW_STUDIO], REASON, 1, actor=operator.actor
    )
    User.objects.filter(pk=furnished.cast.pat.pk).update(is_operator=True)
    close = f"/operator/break-glass/{glass.id}/close/"
    assert sign_in("pat").post(close).status_code == UNKNOWN
    assert sign_in("sam").post(close).status_code == MOVED
    with studio_scope(furnished.cast.studio.id):
        assert BreakGlass.objects.get().closed_by == operator.id


@pytest.mark.parametrize(
    "values",
    [{"actions": []}, {"reason": "short"}, {"hours": "12"}, {"actions": ["share"]}, {"actions": ["replay"]}],
)
def test_a_visit_without_a_reason_an_end_or_a_purpose_is_refused(
    furnished: FurnishedStudio, sign_in: SignIn, operator: User, values: dict[str, Any]
) -> None:
    usual = {"actions": ["view_studio"], "reason": REASON, "hours": "1"}
    answer = sign_in("sam").post(f"/operator/studios/{furnished.cast.studio.id}/", usual | values)
    assert answer.status_code == WRONG
    with studio_scope(furnished.cast.studio.id):
        assert not BreakGlass.objects.exists()
