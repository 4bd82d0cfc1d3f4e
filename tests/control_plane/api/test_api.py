"""A studio by its API: what the pages do, decided by the same rules, for programs with keys."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from control_plane.access import access
from control_plane.access.audit_events import ACCESS_READ, API_KEY_MADE, PEOPLE_LISTED, PERSON_OPENED
from control_plane.access.models import ApiKey
from control_plane.access.roles import DEFAULTS, LIMITS
from control_plane.access.services.api_keys import make_api_key
from control_plane.accounts.models import User
from control_plane.administration import services
from control_plane.audit.audit_events import AUDIT_READ
from control_plane.audit.events import AuditEvent
from control_plane.audit.models import Entry
from control_plane.common.errors import BadRequest
from control_plane.common.permissions import StudioPermission
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.people.audit_events import DANCER_OPENED
from control_plane.plans.services import assign_plan, create_plan
from control_plane.recordings.permissions import EXPORT, REPLAY, UPLOAD, VIEW_CLASS
from control_plane.tenancy.audit_events import MEMBER_CHANGED, MEMBER_REMOVED
from control_plane.tenancy.models import Studio
from tests.control_plane.conftest import SETUP, Cast

Ask = Callable[..., Any]
WEEK = timedelta(days=7)
EVERYTHING = [action for action in StudioPermission.all() if action in DEFAULTS[Role.ADMIN]]


def key_for(studio: Studio, user: User, actions: list[StudioPermission] | None = None) -> str:
    """Returns the secret of a new key."""
    _, secret = make_api_key(
        studio,
        name="Calendar",
        actions=EVERYTHING if actions is None else actions,
        expires_at=timezone.now() + WEEK,
        actor=user.actor,
    )
    return secret


def program(secret: str, studio: Studio) -> Ask:
    """Returns what calls the API of a studio with a key."""
    client = Client(headers={"Authorization": f"Bearer {secret}"})

    def ask(method: str, path: str, body: object = None) -> Any:
        text = json.dumps(body) if body is not None else ""
        answer: Any = client.generic(
            method, f"/api/v1/studios/{studio.slug}/{path}", text, "application/json"
        )
        answer.body = answer.json() if answer.content else None
        return answer

    return ask


@pytest.fixture
def ask(cast: Cast) -> Ask:
    """Calls with a key that lends all that Alice may."""
    return program(key_for(cast.studio, cast.alice), cast.studio)


def acts(cast: Cast, act: AuditEvent) -> list[Entry]:
    with studio_scope(cast.studio.id):
        return list(Entry.objects.filter(action=act))


def test_a_program_lists_and_changes_people(cast: Cast, ask: Ask) -> None:
    found = ask("GET", "members/?q=ivan").body
    assert [item["role"] for item in found["items"]] == ["instructor"]
    member = f"members/{found['items'][0]['id']}/"
    assert ask("PATCH", member, {"role": "viewer"}).body["role"] == "viewer"
    can = {item["action"]: item for item in ask("GET", member).body["can"]}
    assert not can["record"]["allowed"]
    assert "Viewer" in can["record"]["reason"]
    assert ask("DELETE", member).status_code == 204
    assert ask("GET", member).status_code == 404
    (entry,) = acts(cast, MEMBER_REMOVED)
    assert entry.actor_id == cast.alice.id
    assert entry.actor_job.startswith("api_key:")
    assert acts(cast, PEOPLE_LISTED)
    assert ask("GET", "members/?role=emperor").status_code == 400


def test_the_role_table_is_read_changed_and_reset(cast: Cast, ask: Ask) -> None:
    table = {row["role"]: row for row in ask("GET", "roles/").body["roles"]}
    assert set(table["guardian"]["limit"]) == set(LIMITS[Role.GUARDIAN])
    assert ask("PUT", "roles/viewer/", {"actions": ["view_studio", "view_class"]}).body["changed"]
    with studio_scope(cast.studio.id):
        assert not access.can(cast.vera.actor, REPLAY, cast.studio)
    too_much = ask("PUT", "roles/viewer/", {"actions": ["view_studio", "manage_people"]})
    assert too_much.status_code == 400
    assert "Manage people" in too_much.body["detail"]
    assert not ask("DELETE", "roles/viewer/").body["changed"]
    assert ask("PUT", "roles/emperor/", {"actions": []}).status_code == 404
    refused = ask("GET", "roles/viewer/")
    assert (refused.status_code, refused["Allow"]) == (405, "PUT, DELETE, OPTIONS")
    assert refused.body["title"] == "This address does not allow this method"
    nowhere = ask("GET", "emperors/")
    assert (nowhere.status_code, nowhere["Content-Type"]) == (404, "application/problem+json")


def test_rights_are_given_explained_and_taken_back(cast: Cast, ask: Ask) -> None:
    room = services.create_room(cast.studio, name="Big room", actor=cast.alice.actor)
    right = {
        "user_id": str(cast.vera.id),
        "action": "record",
        "thing": "room",
        "thing_id": str(room.id),
        "until": (timezone.now() + WEEK).isoformat(),
        "reason": "covers for Ivan",
    }
    given = ask("POST", "rights/", right)
    assert given.status_code == 201
    assert given.body["thing"] == "room", "as it is called when it is asked for"
    who = ask("GET", f"who-can/?thing=room&thing_id={room.id}&action=record").body["items"]
    vera = next(item for item in who if item["user_id"] == str(cast.vera.id))
    assert vera["allowed"]
    assert vera["code"] == "grant"
    assert vera["reason"].startswith("Granted for the room until ")
    assert ask("DELETE", f"rights/{given.body['id']}/").status_code == 204
    assert ask("GET", f"rights/?user_id={cast.vera.id}").body["count"] == 0
    stranger = ask("POST", "rights/", {"user_id": str(cast.sam.id), "action": "record", "thing": "studio"})
    assert stranger.status_code == 404


def test_an_invitation_is_made_shown_once_and_taken_back(ask: Ask, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    made = ask("POST", "invitations/", {"email": "new@example.org", "role": "viewer"})
    assert made.status_code == 201
    assert made.body["link"].startswith("http")
    (listed,) = ask("GET", "invitations/").body["items"]
    assert "link" not in listed
    assert ask("DELETE", f"invitations/{listed['id']}/").status_code == 204
    assert ask("GET", "invitations/").body["items"][0]["revoked_at"]


def test_dancers_and_who_answers_for_them(cast: Cast, ask: Ask) -> None:
    added = ask("POST", "dancers/", {"name": "Dora", "birth_year": 2015, "protected": True})
    assert added.status_code == 201
    dancer = f"dancers/{added.body['id']}/"
    assert ask("PATCH", dancer, {"note": "left knee"}).body["note"] == "left knee"
    tied = ask("POST", f"{dancer}guardianships/", {"user_id": str(cast.gita.id)})
    assert tied.status_code == 201
    assert ask("DELETE", f"guardianships/{tied.body['id']}/").status_code == 204
    assert ask("GET", dancer).body["guardianships"][0]["ended_at"]
    assert ask("GET", "dancers/").body["count"] == 1
    assert acts(cast, DANCER_OPENED)


def test_sign_in_rules_keys_usage_and_the_log(cast: Cast, ask: Ask) -> None:
    assert ask("PATCH", "sign-in/", {"session_hours": 12}).body["session_hours"] == 12
    assert ask("PATCH", "sign-in/", {"provider_only": True}).status_code == 400
    assert ask("POST", "keys/").status_code == 201
    keys = ask("GET", "keys/").body["items"]
    assert [bool(item["retired_at"]) for item in keys] == [False, True]
    assert {item["limit"] for item in ask("GET", "usage/").body["items"]} >= {"members", "storage_bytes"}
    page = ask("GET", "log/?action=studio.key_made").body
    assert {item["action"] for item in page["items"]} == {"studio.key_made"}
    assert len(page["items"]) == 2
    assert acts(cast, AUDIT_READ)
    assert ask("GET", "log/?action=nonsense").status_code == 400
    assert ask("GET", "log/?before=nonsense").status_code == 400
    newest = ask("GET", "log/?limit=1").body
    assert len(newest["items"]) == 1
    assert ask("GET", f"log/?{urlencode({'limit': 1, 'before': newest['older']})}").status_code == 200
    for limit in ("0", "x"):
        assert ask("GET", f"log/?limit={limit}").status_code == 400
    assert "by the key “Calendar”" in newest["items"][0]["words"]


def test_the_studio_itself_is_shown_and_renamed(cast: Cast, ask: Ask) -> None:
    assert ask("GET", "").body["slug"] == cast.studio.slug
    assert ask("PATCH", "", {"name": "New name"}).body["name"] == "New name"
    assert ask("PATCH", "", {"time_zone": "Mars/Olympus"}).status_code == 400
    assert ask("GET", "classes/").body["count"] == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "object"),
        ({"role": "emperor"}, "role"),
        ({"name": "x"}, "name"),
        ({"ends_at": "soon"}, "ends_at"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(ask: Ask, body: object, named: str) -> None:
    found = ask("GET", "members/?q=ivan").body["items"][0]
    answer = ask("PATCH", f"members/{found['id']}/", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert named in answer.body["detail"]
    assert ask("GET", "members/?limit=x").status_code == 400


def test_a_key_lends_no_more_than_it_says(cast: Cast) -> None:
    ask = program(key_for(cast.studio, cast.alice, [VIEW_CLASS]), cast.studio)
    assert ask("GET", "classes/").status_code == 200
    for path in ("members/", "roles/", "log/", "keys/", "dancers/", "sign-in/"):
        answer = ask("GET", path)
        assert answer.status_code == 403, path
        assert "key does not include" in answer.body["detail"]
        assert (answer.body["code"], answer.body["title"]) == (
            "key_not_enough",
            "The API key does not include this permission",
        )
    assert "“Manage people” (manage_people)" in ask("GET", "members/").body["detail"]


def test_a_key_lends_no_more_than_its_person_may_at_that_moment(cast: Cast, ask: Ask) -> None:
    services.add_member(cast.studio, cast.sam, Role.ADMIN, actor=SETUP)
    services.change_role(cast.membership(cast.alice), Role.PARTNER, actor=cast.sam.actor)
    assert ask("GET", "").status_code == 200
    beyond = ask("GET", "members/")
    assert (beyond.status_code, beyond.body["code"]) == (403, "forbidden")
    services.change_role(cast.membership(cast.alice), Role.VIEWER, actor=cast.sam.actor)
    assert ask("GET", "").status_code == 403
    services.remove_member(cast.membership(cast.alice), actor=cast.sam.actor)
    assert ask("GET", "").status_code == 401
    services.add_member(cast.studio, cast.alice, Role.ADMIN, actor=SETUP)
    assert ask("GET", "").status_code == 401, "a key must not come back with its person"


def test_a_key_ends(cast: Cast, ask: Ask) -> None:
    (key,) = ask("GET", "api-keys/").body["items"]
    assert "secret" not in key
    assert ask("DELETE", f"api-keys/{key['id']}/").status_code == 204
    gone = ask("GET", "")
    assert gone.status_code == 401
    assert gone["WWW-Authenticate"] == "Bearer"
    late = key_for(cast.studio, cast.alice)
    with studio_scope(cast.studio.id):
        ApiKey.objects.filter(revoked_at=None).update(expires_at=timezone.now())
    assert program(late, cast.studio)("GET", "").status_code == 401
    asleep = key_for(cast.studio, cast.alice)
    User.objects.filter(pk=cast.alice.pk).update(is_active=False)
    assert program(asleep, cast.studio)("GET", "").status_code == 401


def test_a_key_is_heard_in_its_own_studio_and_under_the_api_alone(cast: Cast, other: Cast) -> None:
    services.add_member(other.studio, cast.alice, Role.ADMIN, actor=SETUP)
    secret = key_for(cast.studio, cast.alice)
    assert program(secret, other.studio)("GET", "members/").status_code == 404
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    page = client.get(f"/studio/{cast.studio.slug}/classes/", headers={"Accept": "text/html"})
    assert page.status_code == 302
    (seen,) = client.get("/api/v1/studios/").json()["items"]
    assert seen["slug"] == cast.studio.slug


@pytest.mark.parametrize("header", ["Bearer 3dk_nonsense", "Bearer ", "Basic YTpi", "3dk_nonsense"])
def test_what_is_no_key_is_refused_even_beside_a_session(cast: Cast, header: str) -> None:
    client = Client(headers={"Authorization": header})
    client.force_login(cast.alice)
    assert client.get("/api/v1/studios/").status_code == 401


def test_a_person_makes_a_key_with_the_sessions_token_and_a_key_makes_none(cast: Cast, ask: Ask) -> None:
    body = {"name": "Mine", "actions": ["view_class"], "expires_at": (timezone.now() + WEEK).isoformat()}
    assert ask("POST", "api-keys/", body).status_code == 403
    path = f"/api/v1/studios/{cast.studio.slug}/api-keys/"
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(cast.alice)
    assert forged.post(path, body, content_type="application/json").status_code == 403
    client = Client()
    client.force_login(cast.alice)
    made = client.post(path, body, content_type="application/json")
    assert made.status_code == 201
    assert program(made.json()["secret"], cast.studio)("GET", "classes/").status_code == 200
    client.force_login(cast.vera)
    assert client.post(path, body, content_type="application/json").status_code == 403
    assert acts(cast, API_KEY_MADE)


def test_the_database_holds_no_secret(cast: Cast) -> None:
    secret = key_for(cast.studio, cast.alice)
    with studio_scope(cast.studio.id):
        row = ApiKey.objects.values().get()
    assert secret not in str(row)
    assert secret.removeprefix("3dk_")[:12] not in str(row)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"actions": []}, "at least one"),
        ({"actions": [UPLOAD]}, "agents"),
        ({"actions": [EXPORT]}, "needs"),
        ({"expires_at": timezone.now() - WEEK}, "expires_at"),
        ({"expires_at": timezone.now() + timedelta(days=500)}, "expires_at"),
        ({"name": ""}, "name"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(cast: Cast, values: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {"name": "x", "actions": [VIEW_CLASS], "expires_at": timezone.now() + WEEK}
    with pytest.raises(BadRequest, match=named):
        make_api_key(cast.studio, actor=cast.alice.actor, **(good | values))


def test_nobody_else_is_answered(cast: Cast, other: Cast) -> None:
    path = f"/api/v1/studios/{cast.studio.slug}/members/"
    assert Client().get(path).status_code == 401
    client = Client()
    client.force_login(other.alice)
    assert client.get(path).status_code == 404
    client.force_login(cast.vera)
    assert client.get(path).status_code == 403


def test_a_change_of_a_member_is_whole_or_none(cast: Cast, ask: Ask) -> None:
    vera = cast.membership(cast.vera)
    over = (timezone.now() - WEEK).isoformat()
    answer = ask("PATCH", f"members/{vera.id}/", {"role": "instructor", "ends_at": over})
    assert answer.status_code == 400
    assert cast.membership(cast.vera).role == Role.VIEWER
    assert not acts(cast, MEMBER_CHANGED)


def test_a_membership_with_an_end_becomes_an_admins_in_one_call(cast: Cast, ask: Ask) -> None:
    path = f"members/{cast.membership(cast.vera).id}/"
    soon = (timezone.now() + WEEK).isoformat()
    assert ask("PATCH", path, {"ends_at": soon}).status_code == 200
    assert ask("PATCH", path, {"role": "admin"}).status_code == 409
    assert ask("PATCH", path, {"role": "admin", "ends_at": None}).body["role"] == "admin"
    assert ask("PATCH", path, {"role": "viewer", "ends_at": soon}).body["ends_at"]


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("members/", PEOPLE_LISTED),
        ("member", PERSON_OPENED),
        ("invitations/", PEOPLE_LISTED),
        ("rights/", PEOPLE_LISTED),
        ("who-can/?thing=studio&action=replay", ACCESS_READ),
    ],
)
def test_who_is_shown_people_is_on_record(cast: Cast, ask: Ask, path: str, act: AuditEvent) -> None:
    path = f"members/{cast.membership(cast.vera).id}/" if path == "member" else path
    assert ask("GET", path).status_code == 200
    (entry,) = acts(cast, act)
    assert entry.actor_id == cast.alice.id


def test_who_can_goes_on_where_a_page_ends(cast: Cast, ask: Ask) -> None:
    asked = "who-can/?thing=studio&action=replay"
    everybody = ask("GET", asked).body["items"]
    assert len(everybody) == 5
    first, rest = ask("GET", f"{asked}&limit=2").body["items"], ask("GET", f"{asked}&offset=2").body
    assert [*first, *rest["items"]] == everybody
    assert rest["offset"] == 2
    assert ask("GET", f"{asked}&limit=x").status_code == 400


def test_who_answers_for_a_dancer_is_shown_to_those_who_decide_it(cast: Cast, ask: Ask) -> None:
    dancer = ask("POST", "dancers/", {"name": "Dora"}).body["id"]
    ask("POST", f"dancers/{dancer}/guardianships/", {"user_id": str(cast.gita.id)})
    assert ask("GET", f"dancers/{dancer}/").body["guardianships"]
    client = Client()
    client.force_login(cast.ivan)
    seen = client.get(f"/api/v1/studios/{cast.studio.slug}/dancers/{dancer}/").json()
    assert seen["name"] == "Dora"
    assert "guardianships" not in seen


def test_a_key_whose_person_may_use_none_lists_no_studio(cast: Cast) -> None:
    secret = key_for(cast.studio, cast.alice)
    services.add_member(cast.studio, cast.sam, Role.ADMIN, actor=SETUP)
    services.change_role(cast.membership(cast.alice), Role.VIEWER, actor=cast.sam.actor)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/v1/studios/").status_code == 403


def test_a_program_that_calls_too_often_is_told_when_to_come_back(cast: Cast, ask: Ask, other: Cast) -> None:
    plan = create_plan(actor=SETUP, slug="tiny", name="Tiny", api_per_minute=3)
    assign_plan(cast.studio, plan, actor=SETUP)
    answers = [ask("GET", "members/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 1 <= int(answers[3]["Retry-After"]) <= 20
    assert "3 requests a minute" in answers[3].body["detail"]
    assert answers[3]["Cache-Control"] == "no-store"
    elsewhere = program(key_for(other.studio, other.alice), other.studio)
    assert elsewhere("GET", "members/").status_code == 200, "one studio's calls hold no other back"
