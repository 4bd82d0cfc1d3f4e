"""The log as people see it: searched, exported, verified, and every look at it put down."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from control_plane.access import services as access_services
from control_plane.access.models import ApiKey
from control_plane.access.services.api_keys import actor_of, make_api_key
from control_plane.accounts.models import User
from control_plane.administration import services as administration_services
from control_plane.audit.events import AuditEvent, Category
from control_plane.audit.models import Entry
from control_plane.audit.offline import verify_export
from control_plane.audit.selectors import verify_chain
from control_plane.audit.services import record
from control_plane.common.actors import Actor
from control_plane.common.errors import BadRequest, Forbidden, NotFound
from control_plane.common.roles import Role
from control_plane.common.scoping import studio_scope
from control_plane.compliance.exporting import Form, export_log
from control_plane.compliance.search import AuditQuery, decode_cursor, encode_cursor, search
from control_plane.compliance.signing import public_key
from control_plane.people.permissions import VIEW_DANCERS
from control_plane.recordings.audit_events import CLASS_REPLAYED
from control_plane.recordings.permissions import REPLAY
from control_plane.tenancy.audit_events import ROOM_CHANGED
from control_plane.tenancy.permissions import MANAGE_ROOMS, VIEW_STUDIO
from shared.protocol.ids import new_id
from tests.control_plane.compliance.conftest import Lesson
from tests.control_plane.conftest import Cast, as_person


def content_of(response: Any) -> bytes:
    async def read() -> bytes:
        return b"".join([piece async for piece in response])

    assert isinstance(response, StreamingHttpResponse)
    return async_to_sync(read)()


def words(cast: Cast, **asked: Any) -> list[str]:
    with studio_scope(cast.studio.id):
        return [row.words for row in search(AuditQuery(**asked), reader=cast.alice.actor).rows]


def last(cast: Cast, count: int = 1) -> list[Entry]:
    with studio_scope(cast.studio.id):
        return list(Entry.objects.order_by("-sequence")[:count])


def opened(cast: Cast, lesson: Lesson) -> None:
    record(
        CLASS_REPLAYED,
        actor=cast.ivan.actor,
        studio_id=cast.studio.id,
        object_type="recordings.ClassSession",
        object_id=lesson.session.id,
    )


def test_an_entry_reads_as_a_sentence_with_todays_names(cast: Cast, lesson: Lesson) -> None:
    opened(cast, lesson)
    assert words(cast)[0] == "Ivan opened the replay of Ballet"
    cast.ivan.display_name = "Ivan the Dancer"
    cast.ivan.save()
    assert words(cast)[0] == "Ivan the Dancer opened the replay of Ballet"


def test_rights_roles_and_keys_are_told_with_what_they_are_about(cast: Cast, lesson: Lesson) -> None:
    alice, until = cast.alice.actor, timezone.now() + timedelta(days=3)
    with timezone.override("Europe/Berlin"):
        end = f"{timezone.localtime(until):%B %Y, %H:%M %Z}"
        access_services.grant_permission(
            cast.pat, REPLAY, lesson.session, actor=alice, until=until, reason="a <b>guest</b>"
        )
        assert words(cast)[0].startswith("Alice granted Pat “Watch recorded classes” on Ballet until ")
        assert words(cast)[0].endswith(f"{end}. Reason: a <b>guest</b>")
    assert last(cast)[0].details["reason"] == "a <b>guest</b>"
    page = as_person(cast.alice).get(f"/studio/{cast.studio.slug}/audit/").content.decode()
    assert "Reason: a &lt;b&gt;guest&lt;/b&gt;" in page
    access_services.end_grant(cast.pat, REPLAY, lesson.session, actor=alice)
    assert words(cast)[0] == "Alice revoked “Watch recorded classes” on Ballet from Pat"
    access_services.deny_permission(cast.vera, REPLAY, lesson.session, actor=alice, reason="asked {who}")
    assert words(cast)[0] == "Alice denied Vera “Watch recorded classes” on Ballet. Reason: asked {who}"
    access_services.set_role_actions(cast.studio, Role.VIEWER, {VIEW_STUDIO, VIEW_DANCERS}, actor=alice)
    assert words(cast)[0] == (
        "Alice changed the permissions of the role Viewer: now also “View dancers”; "
        "no longer “See the list of classes”, “Watch recorded classes”"
    )
    administration_services.change_role(cast.membership(cast.vera), Role.INSTRUCTOR, actor=alice)
    assert words(cast)[0] == "Alice changed the membership of Vera: Viewer before, Instructor now"


def test_an_act_by_a_key_names_the_person_and_the_key(cast: Cast) -> None:
    key, _ = make_api_key(
        cast.studio, name="Calendar", actions=[MANAGE_ROOMS], actor=cast.alice.actor,
        expires_at=timezone.now() + timedelta(days=3),
    )  # fmt: skip
    made = "Alice created the key “Calendar”; its permissions: “Manage rooms” until "
    assert words(cast)[0].startswith(made)
    administration_services.create_room(cast.studio, name="Blue", actor=actor_of(key))
    assert words(cast)[0] == "Alice by the key “Calendar” created Blue"
    with studio_scope(cast.studio.id):
        ApiKey.objects.all().delete()
    assert words(cast)[0] == f"Alice by the key {str(key.id)[-8:]} created Blue"


@pytest.mark.parametrize(
    "details", [{}, {"right": 3, "until": "soon", "added": "x", "role": "duke", "actions": [1]}]
)
@pytest.mark.parametrize("action", ["grant.given", "role.changed", "member.changed", "api_key.made"])
def test_details_that_say_nothing_or_are_odd_still_read(
    cast: Cast, action: str, details: dict[str, Any]
) -> None:
    with studio_scope(cast.studio.id):
        record(
            AuditEvent.named(action), actor=cast.alice.actor, studio_id=cast.studio.id,
            object_type="tenancy.Studio", object_id=cast.studio.id, details=details,
        )  # fmt: skip
    assert words(cast)[0].startswith("Alice ")


def test_people_and_things_that_are_gone_are_pseudonyms(cast: Cast) -> None:
    gone = Actor.user(new_id())
    with studio_scope(cast.studio.id):
        record(
            CLASS_REPLAYED, actor=gone, studio_id=cast.studio.id,
            object_type="recordings.ClassSession", object_id=gone.id or "",
        )  # fmt: skip
    tail = str(gone.id)[-8:]
    assert words(cast)[0] == f"Person {tail} opened the replay of class {tail}"


def test_a_search_finds_by_person_thing_act_category_and_time(cast: Cast, lesson: Lesson) -> None:
    opened(cast, lesson)
    with studio_scope(cast.studio.id):
        administration_services.create_room(cast.studio, name="Blue", actor=cast.alice.actor)
    assert words(cast, person_id=cast.ivan.id)[0] == "Ivan opened the replay of Ballet"
    assert all("Ivan" in text for text in words(cast, person_id=cast.ivan.id))
    assert "Alice confirmed the roster of Ballet" in words(cast, thing=str(lesson.session.id))
    assert words(cast, action="room.created") == ["Alice created Blue", "Alice created Big room"]
    assert words(cast, category=Category.FOOTAGE) == ["Ivan opened the replay of Ballet"]
    now = timezone.now()
    assert words(cast, from_at=now) == []
    assert len(words(cast, from_at=now - timedelta(minutes=5), to_at=now)) == len(words(cast))
    assert words(cast, person_id=cast.ivan.id, category=Category.SETUP) == []


@pytest.mark.parametrize("asked", [{}, {"category": Category.SETUP}, {"action": "room.changed"}])
def test_pages_go_on_where_the_last_ended(cast: Cast, asked: dict[str, Any]) -> None:
    with studio_scope(cast.studio.id):
        for number in range(23):
            record(
                ROOM_CHANGED, actor=cast.alice.actor, studio_id=cast.studio.id,
                object_type="tenancy.Room", object_id=str(number),
            )  # fmt: skip
        Entry.objects.count()
        found, before, pages = [], None, 0
        while True:
            page = search(AuditQuery(**asked), reader=cast.alice.actor, before=before, size=5)
            found += [row.sequence for row in page.rows]
            pages += 1
            if page.older is None:
                break
            before = decode_cursor(encode_cursor(page.older))
        everything = search(AuditQuery(**asked), reader=cast.alice.actor, size=1000)
    assert found == [row.sequence for row in everything.rows]
    assert len(found) == len(set(found)) >= 23
    assert pages == -(-len(found) // 5)


@pytest.mark.parametrize(
    "text",
    ["x", "2026-11-21~1", "~", "2026-11-21T10:00:00+00:00~-4", "2026-11-21T10:00:00+00:00~9" + "9" * 30],
)
def test_a_place_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        decode_cursor(text)


def test_the_page_is_for_those_who_may_read_the_log_and_each_look_is_an_entry(
    cast: Cast, other: Cast
) -> None:
    address = f"/studio/{cast.studio.slug}/audit/"
    for person, status in (
        (cast.ivan, 403),
        (cast.vera, 403),
        (cast.gita, 403),
        (cast.sam, 404),
        (other.alice, 404),
    ):
        assert as_person(person).get(address).status_code == status
    before = last(cast)[0].sequence
    response = as_person(cast.alice).get(address, {"category": "setup"})
    assert response.status_code == 200
    (entry,) = last(cast)
    assert (entry.sequence, entry.action, entry.actor_id) == (before + 1, "audit.read", cast.alice.id)
    assert entry.details["category"] == "setup"
    assert len(entry.details["network"]) == 16
    assert "127.0.0.1" not in str(entry.details)


@pytest.mark.parametrize(
    "asked", [{"person": "x"}, {"action": "nope"}, {"first": "soon"}, {"thing": "a" * 65}, {"person": "\0"}]
)
def test_a_search_that_makes_no_sense_says_so(cast: Cast, asked: dict[str, str]) -> None:
    assert as_person(cast.alice).get(f"/studio/{cast.studio.slug}/audit/", asked).status_code == 400


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("asked", [{}, {"category": "people"}])
def test_an_export_is_verified_offline_and_put_on_record(
    cast: Cast, lesson: Lesson, tmp_path: Path, form: str, asked: dict[str, str]
) -> None:
    opened(cast, lesson)
    response = as_person(cast.alice).post(f"/studio/{cast.studio.slug}/audit/export/", {"form": form} | asked)
    assert response.status_code == 200
    path = tmp_path / f"log.{form}"
    path.write_bytes(content_of(response))
    verdict = verify_export(path, public_key=public_key())
    assert verdict.holds, verdict
    assert verdict.entries > 5
    (entry,) = last(cast)
    assert (entry.action, entry.details["form"]) == ("audit.exported", form)
    text = path.read_text()
    assert ("Alice" in text) is (form == "csv"), "names are in the table for people, and in no archive"
    assert "geheim" not in text


def test_an_export_ends_where_the_right_to_it_does(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("control_plane.compliance.exporting.PLAIN_BATCH", 2)
    lines = export_log(cast.studio, AuditQuery(), Form.JSONL, actor=cast.alice.actor)
    assert b"header" in next(lines)
    next(lines)
    User.objects.filter(pk=cast.alice.id).update(is_active=False)
    with pytest.raises((NotFound, Forbidden)):
        list(lines)


def test_an_export_needs_the_right(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        export_log(cast.studio, AuditQuery(), Form.CSV, actor=cast.vera.actor)
    assert last(cast)[0].action != "audit.exported"


def test_receipts_are_for_those_who_may_read_the_log(cast: Cast) -> None:
    address = f"/studio/{cast.studio.slug}/audit/receipts/"
    assert as_person(cast.vera).post(address).status_code == 403
    assert as_person(cast.alice).post(address).status_code == 200
    assert last(cast)[0].action == "receipts.taken"


def test_the_queries_of_a_page_do_not_grow_with_its_rows(cast: Cast, lesson: Lesson) -> None:
    counts = []
    for _ in range(2):
        for _ in range(10):
            opened(cast, lesson)
        with studio_scope(cast.studio.id), CaptureQueriesContext(connection) as asked:
            search(AuditQuery(), reader=cast.alice.actor)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_chain_still_holds(cast: Cast) -> None:
    as_person(cast.alice).get(f"/studio/{cast.studio.slug}/audit/")
    assert verify_chain(cast.studio.id)[1] is None
