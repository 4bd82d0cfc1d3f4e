"""A request of a studio runs in that studio, or is a stranger's and finds nothing."""

from typing import Any

import pytest
from django.db import connection
from django.template import engines
from django.test import Client, override_settings

from control_plane.administration import services
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.identity.middleware import ADMIN_STUDIO
from control_plane.tenancy.models import Membership, Room
from tests.control_plane.conftest import SETUP, Cast

pytestmark = pytest.mark.urls("tests.control_plane.identity.urls_for_tests")
HTML = {"Accept": "text/html,*/*"}


@pytest.fixture
def studio_rooms(cast: Cast, other: Cast) -> Cast:
    services.create_room(cast.studio, name="Ours", actor=cast.alice.actor)
    services.create_room(other.studio, name="Theirs", actor=other.alice.actor)
    return cast


def as_(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def address(cast: Cast, page: str = "rooms") -> str:
    return f"/studio/{cast.studio.slug}/{page}/"


def test_a_member_sees_own_studio(studio_rooms: Cast) -> None:
    answer = as_(studio_rooms.vera).get(address(studio_rooms))
    assert answer.json() == {
        "studio": str(studio_rooms.studio.id),
        "role": "viewer",
        "actor": f"user:{studio_rooms.vera.id}",
        "rooms": ["Ours"],
    }
    assert answer["X-Request-Id"]


def test_a_stranger_gets_the_answer_of_a_studio_that_is_not(studio_rooms: Cast, other: Cast) -> None:
    for who in (studio_rooms.sam, other.alice):
        client = as_(who)
        real, none = client.get(address(studio_rooms)), client.get("/studio/no-such-studio/rooms/")
        assert real.status_code == none.status_code == 404
        assert real["Content-Type"] == "application/problem+json"
        assert {**real.json(), "instance": ""} == {**none.json(), "instance": ""}
        assert client.get(address(studio_rooms), headers=HTML).status_code == 404


def test_nobody_signed_in_gets_401_or_the_sign_in_page(studio_rooms: Cast) -> None:
    client = Client()
    answer = client.get(address(studio_rooms))
    assert answer.status_code == 401
    assert answer.json()["code"] == "sign_in_required"
    page = client.get(address(studio_rooms) + "?page=2&x=%26", headers=HTML)
    assert page.status_code == 302
    assert page["Location"].startswith("/accounts/login/?next=%2Fstudio%2F")
    assert "page%3D2%26x" in page["Location"]


def test_taking_a_membership_away_acts_on_the_next_request(studio_rooms: Cast) -> None:
    client = as_(studio_rooms.vera)
    assert client.get(address(studio_rooms)).status_code == 200
    with studio_scope(studio_rooms.studio.id):
        services.remove_member(Membership.objects.get(user=studio_rooms.vera), actor=SETUP)
    assert client.get(address(studio_rooms)).status_code == 404


def test_a_page_that_renders_late_renders_in_scope(studio_rooms: Cast) -> None:
    engine = engines["django"]
    template = engine.from_string("{% for room in rooms %}{{ room.name }}{% endfor %}")
    with override_settings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "django.template.response.SimpleTemplateResponse.resolve_template", lambda self, name: template
        )
        answer = as_(studio_rooms.vera).get(address(studio_rooms, "late"))
    assert answer.content == b"Ours"


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [("forbidden", 403, "forbidden"), ("bad", 400, "bad_request"), ("slow", 429, "too_many_requests")],
)
def test_an_error_of_ours_is_answered_and_its_writes_undone(
    studio_rooms: Cast, how: str, status: int, code: str
) -> None:
    answer = as_(studio_rooms.vera).get(address(studio_rooms, "broken"), {"how": how})
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert answer.json()["hint"]
    assert answer["Cache-Control"] == "no-store"
    assert answer.headers.get("Retry-After") == ("7" if how == "slow" else None)
    with studio_scope(studio_rooms.studio.id):
        assert list(Room.objects.values_list("name", flat=True)) == ["Ours"]


def test_a_crash_is_500_and_leaves_no_scope_behind(studio_rooms: Cast) -> None:
    client = as_(studio_rooms.vera)
    assert client.get(address(studio_rooms, "crash")).status_code == 500
    assert client.get("/nowhere/").json() == {"scope": "None"}
    with studio_scope(studio_rooms.studio.id):
        assert list(Room.objects.values_list("name", flat=True)) == ["Ours"]


def test_the_admin_site_shows_the_chosen_studio_only(studio_rooms: Cast, other: Cast) -> None:
    alice = studio_rooms.alice
    client = as_(alice)
    assert client.get("/admin/which/").json() == {"scope": str(studio_rooms.studio.id)}
    services.add_member(other.studio, alice, Role.ADMIN, actor=SETUP)
    session = client.session
    session[ADMIN_STUDIO] = str(other.studio.id)
    session.save()
    assert client.get("/admin/which/").json() == {"scope": str(other.studio.id)}
    assert as_(studio_rooms.ivan).get("/admin/which/").json() == {"scope": "None"}
    session[ADMIN_STUDIO] = "nonsense"
    session.save()
    assert client.get("/admin/which/").status_code == 200


def test_a_request_id_is_kept_when_it_is_decent(studio_rooms: Cast) -> None:
    client = Client()
    assert client.get("/livez", headers={"X-Request-Id": "proxy-12345"})["X-Request-Id"] == "proxy-12345"
    for bad in ("short", "x" * 65, "<script>alert</script>"):
        assert client.get("/livez", headers={"X-Request-Id": bad})["X-Request-Id"] != bad


def test_every_page_has_the_strict_policy(studio_rooms: Cast) -> None:
    for path in ("/livez", "/accounts/login/", "/admin/login/", address(studio_rooms)):
        policy = Client().get(path)["Content-Security-Policy"]
        for part in (
            "default-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "media-src 'self' blob:",
        ):
            assert part in policy
        assert "unsafe" not in policy


def test_the_process_says_whether_it_lives_and_can_serve(db: None) -> None:
    assert Client().get("/livez").json() == {"live": True}
    assert Client().get("/readyz").json() == {"ready": True, "waiting_for": []}


def test_readiness_names_what_does_not_answer(db: None, settings: Any) -> None:
    settings.VALKEY_URL = "unix:///nowhere.sock"
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "waiting_for": ["valkey"]}


def test_the_database_forgets_the_scope_between_requests(studio_rooms: Cast) -> None:
    as_(studio_rooms.vera).get(address(studio_rooms))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('threedance.studio_id', true)")
        assert not cursor.fetchone()[0]
