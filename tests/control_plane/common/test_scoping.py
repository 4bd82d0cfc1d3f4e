"""The first wall: a tenant query needs a scope, and sees one studio."""

import pytest
from django.db import connection, transaction

from control_plane.common.errors import ScopeMismatch, ScopeMissing
from control_plane.common.scoping import (
    CLOSED,
    capability_scope,
    current_scope,
    platform_scope,
    studio_scope,
    user_scope,
)
from control_plane.tenancy.models import Membership, Room, Studio
from control_plane.tenancy.selectors import own_memberships, studio_ids
from tests.control_plane.conftest import Cast


def setting() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('threedance.studio_id', true)")
        return str(cursor.fetchone()[0] or "")


@pytest.mark.parametrize(
    "query",
    [
        lambda: list(Room.objects.all()),
        lambda: Room.objects.count(),
        lambda: Room.objects.filter(name="x").exists(),
        lambda: Room.objects.update(name="x"),
        lambda: Room.objects.all().delete(),
        lambda: Room.objects.first(),
        lambda: list(Room._base_manager.all()),
        lambda: list(Studio.objects.all()),
        lambda: list(Membership.own.all()),
        lambda: list(Studio.objects.filter(id__in=Membership.objects.values("studio_id"))),
    ],
)
def test_a_tenant_query_without_a_scope_raises(cast: Cast, query: object) -> None:
    with pytest.raises(ScopeMissing):
        query()  # type: ignore[operator]


def test_a_stored_queryset_follows_the_scope_it_runs_in(cast: Cast, other: Cast) -> None:
    members = Membership.objects.order_by("id").values_list("user_id", flat=True)
    with studio_scope(cast.studio.id):
        assert cast.ivan.id in set(members.all())
    with studio_scope(other.studio.id):
        found = set(members.all())
    assert other.ivan.id in found
    assert cast.ivan.id not in found


def test_a_related_row_is_fetched_in_scope_only(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        membership = Membership.objects.get(user=cast.ivan)
        assert Membership.objects.get(user=cast.ivan).studio.name == cast.studio.name
    with pytest.raises(ScopeMissing):
        membership.refresh_from_db()


def test_another_studio_inside_a_studio_is_refused(cast: Cast, other: Cast) -> None:
    with (
        studio_scope(cast.studio.id),
        pytest.raises(ScopeMismatch),
        studio_scope(other.studio.id),
    ):
        pass


def test_the_same_studio_inside_itself_is_a_savepoint(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        with studio_scope(cast.studio.id):
            Membership.objects.filter(user=cast.ivan).delete()
            transaction.set_rollback(True)
        assert Membership.objects.filter(user=cast.ivan).exists()
        assert setting() == str(cast.studio.id)


def test_leaving_a_scope_closes_it_in_the_database_too(cast: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert setting() == str(cast.studio.id)
    assert setting() == ""
    assert current_scope() == CLOSED


def test_an_exception_closes_the_scope_in_the_database_too(cast: Cast) -> None:
    with pytest.raises(RuntimeError, match="stop"), studio_scope(cast.studio.id):
        raise RuntimeError("stop")
    assert setting() == ""


def test_a_scope_that_is_rolled_back_leaves_the_outer_one_as_it_was(cast: Cast) -> None:
    with user_scope(cast.vera.id):
        with studio_scope(cast.studio.id):
            transaction.set_rollback(True)
        assert current_scope().user_id == cast.vera.id
        assert [item.studio_id for item in Membership.own.all()] == [cast.studio.id]


def test_a_person_sees_own_memberships_and_their_studios_only(cast: Cast, other: Cast) -> None:
    assert [item.studio.slug for item in own_memberships(cast.vera.id)] == [cast.studio.slug]
    assert own_memberships(cast.sam.id) == []
    with user_scope(cast.vera.id):
        assert [studio.id for studio in Studio.objects.all()] == [cast.studio.id]


def test_a_person_writes_nothing_before_a_studio_is_chosen(cast: Cast) -> None:
    with user_scope(cast.vera.id):
        assert Membership.own.update(role="admin") == 0
        # One statement, as row security meets it; Django's own delete looks for what hangs on it, in a studio's scope.
        assert Membership.own.all()._raw_delete("default") == 0
        with pytest.raises(ScopeMissing):
            Membership.own.all().delete()
    assert own_memberships(cast.vera.id)[0].role == "viewer"


def test_a_sweep_sees_the_studios_and_nothing_in_them(cast: Cast, other: Cast) -> None:
    assert {cast.studio.id, other.studio.id} <= set(studio_ids("test"))
    with platform_scope("test"):
        assert Membership._meta.db_table not in _tables_with_rows()
        with pytest.raises(ScopeMissing):
            list(Room.objects.all())
        with pytest.raises(ScopeMismatch), studio_scope(cast.studio.id):
            pass


def test_an_unknown_capability_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"), capability_scope("nonsense", "x"):
        pass


def test_callbacks_after_the_commit_run_outside_of_the_scope(committed: Cast) -> None:
    seen = []
    with studio_scope(committed.studio.id):
        transaction.on_commit(lambda: seen.append(current_scope()))
    assert seen == [CLOSED]


def _tables_with_rows() -> set[str]:
    found = set()
    with connection.cursor() as cursor:
        for table in ("tenancy_membership", "tenancy_room", "keys_studiokey", "audit_entry"):
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {table})")  # noqa: S608
            if cursor.fetchone()[0]:
                found.add(table)
    return found
