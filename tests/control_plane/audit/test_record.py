"""The chain in the database: gapless, append-only, and honest about edits."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Barrier, Event
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from control_plane.accounts.audit_events import USER_RENAMED
from control_plane.administration import services
from control_plane.audit.chain import Link, canonical
from control_plane.audit.models import ChainHead, Entry
from control_plane.audit.selectors import entries, stored, verify_chain
from control_plane.audit.services import chain_scope, record, record_for
from control_plane.common.actors import Actor
from control_plane.common.errors import ScopeMismatch, ScopeMissing
from control_plane.common.scoping import studio_scope
from control_plane.tenancy.audit_events import ROOM_CHANGED, STUDIO_CHANGED
from control_plane.tenancy.models import Room
from tests.control_plane.conftest import Cast


def add(studio_id: UUID | None, **details: object) -> Entry:
    return record(
        ROOM_CHANGED,
        actor=Actor.system("test"),
        studio_id=studio_id,
        object_type="tenancy.Room",
        object_id="1",
        details=details,
    )


def test_each_studio_counts_for_itself_without_a_gap(cast: Cast, other: Cast) -> None:
    before = verify_chain(cast.studio.id)[0]
    add(cast.studio.id)
    add(other.studio.id)
    add(cast.studio.id)
    with studio_scope(cast.studio.id):
        sequences = list(entries().values_list("sequence", flat=True))
    assert sequences == list(range(before + 2, 0, -1))
    assert verify_chain(cast.studio.id) == (before + 2, None)


def test_an_event_about_a_row_is_on_the_chain_of_its_studio(cast: Cast) -> None:
    room = services.create_room(cast.studio, name="Blue room", actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        entry = record_for(ROOM_CHANGED, room, actor=cast.alice.actor, details={"fields": ["name"]})
    assert (entry.studio_id, entry.object_type) == (cast.studio.id, "tenancy.Room")
    assert (entry.object_id, entry.details) == (str(room.pk), {"fields": ["name"]})
    assert entry.actor_id == cast.alice.pk


def test_an_event_about_a_studio_is_on_its_own_chain(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        entry = record_for(STUDIO_CHANGED, cast.studio, actor=cast.alice.actor)
    assert (entry.studio_id, entry.object_id) == (cast.studio.id, str(cast.studio.pk))


def test_an_event_about_an_account_is_on_the_platforms_chain(cast: Cast) -> None:
    entry = record_for(USER_RENAMED, cast.alice, actor=cast.alice.actor)
    assert (entry.studio_id, entry.object_type) == (None, "accounts.User")


def test_an_act_that_is_rolled_back_leaves_no_entry(cast: Cast) -> None:
    before = verify_chain(cast.studio.id)
    with studio_scope(cast.studio.id):
        add(cast.studio.id)
        transaction.set_rollback(True)
    assert verify_chain(cast.studio.id) == before


def test_the_platforms_chain_is_apart_and_out_of_a_studios_sight(cast: Cast) -> None:
    before = verify_chain(None)[0]
    with studio_scope(cast.studio.id):
        entry = add(None)
        assert not Entry.objects.filter(pk=entry.pk).exists()
    assert verify_chain(None) == (before + 1, None)


def test_an_entry_for_another_studio_is_refused(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id), pytest.raises(ScopeMismatch):
        add(other.studio.id)


def test_the_log_is_not_read_without_a_scope(db: None) -> None:
    with pytest.raises(ScopeMissing):
        entries().count()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET action = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "ALTER TABLE audit_entry DISABLE TRIGGER append_only",
        "DROP TABLE audit_entry",
    ],
)
def test_the_application_changes_no_entry(cast: Cast, statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match=r"permission denied|must be owner"),
        studio_scope(cast.studio.id),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def owner_connection() -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(settings.ENV.database_owner_url, autocommit=True)


def test_the_owner_changes_no_entry_either(committed: Cast) -> None:
    with owner_connection() as owner:
        owner.execute("SELECT set_config('threedance.studio_id', %s, false)", [str(committed.studio.id)])
        assert owner.execute("SELECT count(*) FROM audit_entry").fetchone() != (0,)
        for statement in (
            "UPDATE audit_entry SET action = 'x'",
            "DELETE FROM audit_entry",
            "TRUNCATE audit_entry",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                owner.execute(statement)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ("UPDATE audit_entry SET details = '{\"forged\": true}' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET actor_kind = 'user', actor_job = '' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET details = details || '{\"x\": 1.5}' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET actor_id = gen_random_uuid() WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET action = action || 'x' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET object_id = object_id || '\"' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET object_type = 'x.Y' WHERE sequence = 3", "content"),
        (
            "UPDATE audit_entry SET occurred_at = occurred_at + interval '1 microsecond' WHERE sequence = 3",
            "content",
        ),
        ("UPDATE audit_entry SET occurred_at = 'infinity' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET occurred_at = '2026-11-21 10:00 BC' WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET previous_hash = sha256('x') WHERE sequence = 3", "follow"),
        ("UPDATE audit_entry SET hash = sha256('x') WHERE sequence = 3", "content"),
        ("UPDATE audit_entry SET sequence = 1000000 WHERE sequence = 3", "missing"),
        ("DELETE FROM audit_entry WHERE sequence = 3", "missing"),
    ],
)
def test_an_edit_behind_the_back_is_found_and_named(committed: Cast, edit: str, reason: str) -> None:
    with owner_connection() as owner:
        owner.execute("SELECT set_config('threedance.studio_id', %s, false)", [str(committed.studio.id)])
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
        assert owner.execute(edit).rowcount == 1
        owner.execute("ALTER TABLE audit_entry ENABLE TRIGGER append_only")
    found = verify_chain(committed.studio.id)[1]
    assert found is not None
    assert found.sequence == 3
    assert reason in found.reason
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 2 chains"):
        call_command("audit_verify", stdout=out)
    assert f"studio {committed.studio.id}: broken at entry 3" in out.getvalue()
    assert "platform: " in out.getvalue()


def test_a_cut_off_end_is_found(committed: Cast) -> None:
    with owner_connection() as owner:
        owner.execute("SELECT set_config('threedance.studio_id', %s, false)", [str(committed.studio.id)])
        owner.execute("ALTER TABLE audit_entry DISABLE TRIGGER append_only")
        owner.execute("DELETE FROM audit_entry WHERE sequence = (SELECT max(sequence) FROM audit_entry)")
    length, found = verify_chain(committed.studio.id)
    assert found is not None
    assert found.sequence == length


def test_parallel_acts_make_one_unbroken_chain(committed: Cast) -> None:
    def act(number: int) -> str:
        try:
            add(committed.studio.id, number=number)
        except DatabaseError as error:
            return str(error)
        finally:
            connection.close()
        return ""

    before = verify_chain(committed.studio.id)[0]
    with ThreadPoolExecutor(16) as pool:
        refused = set(pool.map(act, range(64))) - {""}
    assert refused == set(), (
        "the database refuses what takes another's place, and an act is undone that need not be"
    )
    assert verify_chain(committed.studio.id) == (before + 64, None)
    with chain_scope(committed.studio.id):
        assert ChainHead.objects.count() == 1


def test_a_chain_that_grows_while_it_is_verified_is_whole(committed: Cast) -> None:
    def act() -> None:
        try:
            for number in range(60):
                add(committed.studio.id, number=number)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(act)
        found = [verify_chain(committed.studio.id)[1] for _ in range(20)]
        writer.result(timeout=60)
    assert found == [None] * 20


def test_what_the_database_writes_as_text_is_what_was_hashed(cast: Cast) -> None:
    details = {
        "b": 1,
        "a": ["é", None, True, {"\U0001f484": -(2**53) + 1, "\ue000": '"\\\n\x1f\x7f\u2028'}],
        "": {},
    }
    add(cast.studio.id, **details)
    with studio_scope(cast.studio.id):
        entry = Entry.objects.latest("sequence")
        (found,) = stored(Entry.objects.filter(pk=entry.pk))
        values = {name: getattr(entry, name) for name in Link.__dataclass_fields__}
    assert found.content == canonical(Link(**values))
    assert found.stored == bytes(entry.hash).hex()


def test_the_command_says_that_all_is_well(committed: Cast) -> None:
    out = StringIO()
    call_command("audit_verify", stdout=out)
    assert out.getvalue().count("unbroken") == 2


def test_an_act_that_a_savepoint_undid_leaves_no_entry_and_no_gap(cast: Cast) -> None:
    before = verify_chain(cast.studio.id)[0]
    with studio_scope(cast.studio.id):
        add(cast.studio.id, number=1)
        with pytest.raises(RuntimeError), transaction.atomic():
            add_and_fail(cast.studio.id, number=2)
        with pytest.raises(RuntimeError), studio_scope(cast.studio.id):
            add_and_fail(cast.studio.id, number=3)
        with transaction.atomic():
            add(cast.studio.id, number=4)
    with studio_scope(cast.studio.id):
        numbers = [entry.details.get("number") for entry in entries()[:2]]
    assert numbers == [4, 1]
    assert verify_chain(cast.studio.id) == (before + 2, None)


def add_and_fail(studio_id: UUID, **details: object) -> None:
    add(studio_id, **details)
    raise RuntimeError


def test_a_read_in_the_transaction_of_an_act_finds_its_entry(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        entry = add(cast.studio.id)
        assert entries().first() == entry
        assert add(cast.studio.id) == entries().first()
        assert list(entries().values_list("sequence", flat=True)[:2]) == [entry.sequence + 1, entry.sequence]


def test_an_entry_that_was_written_in_a_savepoint_which_is_undone_is_not_lost(cast: Cast) -> None:
    """A read of the log in a savepoint writes the earlier entries there too."""
    before = verify_chain(cast.studio.id)[0]
    with studio_scope(cast.studio.id):
        add(cast.studio.id, number=1)
        with pytest.raises(RuntimeError), transaction.atomic():
            add_read_and_fail(cast.studio.id, [2, 1])
        assert [entry.details["number"] for entry in entries()[:1]] == [1]
        with pytest.raises(RuntimeError), transaction.atomic():
            add_read_and_fail(cast.studio.id, [3, 1])
        add(cast.studio.id, number=4)
    with studio_scope(cast.studio.id):
        assert [entry.details["number"] for entry in entries()[:2]] == [4, 1]
    assert verify_chain(cast.studio.id) == (before + 2, None)


def add_read_and_fail(studio_id: UUID, numbers: list[int]) -> None:
    add(studio_id, number=numbers[0])
    assert [entry.details["number"] for entry in entries()[:2]] == numbers
    raise RuntimeError


def test_an_act_whose_entry_cannot_be_written_is_undone(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    before = verify_chain(cast.studio.id)[0]
    monkeypatch.setattr("control_plane.audit.services.link_hash", refuse)
    with pytest.raises(DatabaseError, match="the disk is full"):
        services.create_room(cast.studio, name="Blue room", actor=cast.alice.actor)
    with studio_scope(cast.studio.id):
        assert not Room.objects.filter(name="Blue room").exists()
    assert verify_chain(cast.studio.id)[0] == before


def refuse(*args: object, **kwargs: object) -> None:
    raise DatabaseError("the disk is full")


def test_a_page_that_is_slow_after_its_entry_holds_nobody_up(committed: Cast) -> None:
    """The head of the chain is locked at the end of a transaction alone: others are recorded in the meantime."""
    recorded, others_done = Event(), Event()

    def slow() -> None:
        try:
            with studio_scope(committed.studio.id):
                add(committed.studio.id, who="slow")
                recorded.set()
                assert others_done.wait(20), "an entry of another transaction had to wait for this one"
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow)
        assert recorded.wait(20)
        for number in range(3):
            with studio_scope(committed.studio.id):
                add(committed.studio.id, who=number)
        others_done.set()
        waiting.result(20)
    with studio_scope(committed.studio.id):
        assert [entry.details["who"] for entry in entries()[:4]] == ["slow", 2, 1, 0]
    assert verify_chain(committed.studio.id)[1] is None


def test_two_acts_that_lock_the_same_row_before_and_after_their_entries_both_end(committed: Cast) -> None:
    """Were the head locked at `record`, one of them would be undone as a deadlock."""
    with studio_scope(committed.studio.id):
        room = services.create_room(committed.studio, name="Green room", actor=committed.alice.actor)
    meeting = Barrier(2)

    def act(first: Callable[[], object], then: Callable[[], object]) -> None:
        try:
            with studio_scope(committed.studio.id):
                first()
                meeting.wait(20)
                then()
        finally:
            connection.close()

    def lock() -> object:
        return Room.objects.select_for_update().get(pk=room.pk)

    def note() -> object:
        return add(committed.studio.id)

    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(act, lock, note), pool.submit(act, note, lock)]
        for task in tasks:
            task.result(30)
    assert verify_chain(committed.studio.id)[1] is None
