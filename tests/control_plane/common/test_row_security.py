"""The second wall: with the application's own filters off, PostgreSQL still shows one studio."""

import pytest
from django.apps import apps
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.db.models import Manager, Model

from control_plane.common.checks import (
    READ_ONLY,
    check_read_only,
    check_row_security,
    tenant_tables,
    unforced_tables,
)
from control_plane.common.scoping import studio_scope, user_scope
from control_plane.config.checks import check_application_role
from control_plane.tenancy.models import Membership, Room, Studio
from tests.control_plane.conftest import Cast


def unfiltered(model: type[Model]) -> Manager[Model]:
    manager: Manager[Model] = Manager()
    manager.model = model
    return manager


def tenant_models() -> list[type[Model]]:
    return [model for model in apps.get_models() if model._meta.db_table in tenant_tables()]


def test_every_tenant_table_is_behind_forced_row_security(db: None) -> None:
    assert {"tenancy_studio", "tenancy_membership", "audit_entry"} <= tenant_tables()
    assert unforced_tables() == set()
    assert check_row_security(databases=["default"]) == []


def test_a_tenant_table_without_forced_row_security_is_found(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "control_plane.common.checks.tenant_tables", lambda: {"accounts_user", "tenancy_room"}
    )
    assert [message.id for message in check_row_security(databases=["default"])] == ["threedance.E001"]


@pytest.mark.parametrize("model", tenant_models(), ids=lambda model: model._meta.label)
def test_without_a_scope_the_database_shows_nothing(cast: Cast, model: type[Model]) -> None:
    assert unfiltered(model).count() == 0


def test_with_the_filters_off_a_studio_sees_only_itself(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        for model in tenant_models():
            column = "id" if model is Studio else "studio_id"
            seen = set(unfiltered(model).values_list(column, flat=True))
            assert seen <= {cast.studio.id}, model._meta.label
        assert unfiltered(Membership).count() == 5


def test_with_the_filters_off_another_studios_rows_cannot_be_changed(cast: Cast, other: Cast) -> None:
    with studio_scope(cast.studio.id):
        assert unfiltered(Membership).filter(studio_id=other.studio.id).update(role="admin") == 0
        assert unfiltered(Studio).filter(pk=other.studio.pk).update(name="taken") == 0
        assert unfiltered(Membership).filter(studio_id=other.studio.id)._raw_delete("default") == 0


def test_a_row_cannot_be_put_into_another_studio(cast: Cast, other: Cast) -> None:
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        studio_scope(cast.studio.id),
        transaction.atomic(),
    ):
        Room(studio_id=other.studio.id, name="smuggled").save(force_insert=True)


def test_a_row_cannot_be_moved_to_another_studio(cast: Cast, other: Cast) -> None:
    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        studio_scope(cast.studio.id),
        transaction.atomic(),
    ):
        unfiltered(Membership).filter(user=cast.ivan).update(studio_id=other.studio.id)


def test_a_person_with_the_filters_off_still_sees_own_rows_only(cast: Cast, other: Cast) -> None:
    with user_scope(cast.vera.id):
        assert set(unfiltered(Membership).values_list("user_id", flat=True)) == {cast.vera.id}
        assert set(unfiltered(Studio).values_list("id", flat=True)) == {cast.studio.id}
        assert unfiltered(Room).count() == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SET row_security = off; SELECT count(*) FROM tenancy_membership",
        "ALTER TABLE tenancy_membership NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE tenancy_membership DISABLE ROW LEVEL SECURITY",
        "DROP POLICY in_scope ON tenancy_membership",
        "CREATE POLICY mine ON tenancy_membership USING (true)",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "TRUNCATE tenancy_membership CASCADE",
        "TRUNCATE audit_entry",
    ],
)
def test_the_application_role_cannot_get_around_it(cast: Cast, statement: str) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_application_role_of_the_tests_is_a_fit_one(db: None) -> None:
    assert check_application_role(databases=["default"]) == []


ADDED_TO_ONLY = {
    "audit_entry",
    "compliance_checkpoint",
    "compliance_checkpointcopy",
    "compliance_alert",
    "compliance_alertacknowledgement",
    "compliance_alertnotice",
}


NEVER_CHANGED = {"people_consentrecord"}
"""Rows that are added and, with a dancer who is erased, removed."""


def privileges() -> dict[str, set[str]]:
    """Returns what the application's role may do to every table, view and sequence there is."""
    kinds = "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"
    columns = ", ".join(f"has_table_privilege(oid, '{kind}')" for kind in kinds)
    query = f"SELECT relname, {columns} FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"  # noqa: S608  # ours
    with connection.cursor() as cursor:
        cursor.execute(f"{query} AND relnamespace = 'public'::regnamespace")
        return {
            name: {kind for kind, may in zip(kinds, may_each, strict=True) if may}
            for name, *may_each in cursor.fetchall()
        }


def test_what_the_applications_role_may_do_to_each_table(db: None) -> None:
    found = privileges()
    assert set(found) >= {model._meta.db_table for model in apps.get_models()}
    usual = {"SELECT", "INSERT", "UPDATE", "DELETE"}
    for table, may in found.items():
        if table in READ_ONLY:
            assert may == {"SELECT"}, table
        elif table in ADDED_TO_ONLY:
            assert may == {"SELECT", "INSERT"}, table
        elif table in NEVER_CHANGED:
            assert may == {"SELECT", "INSERT", "DELETE"}, table
        else:
            assert may == usual, table
    assert set(READ_ONLY) | ADDED_TO_ONLY | NEVER_CHANGED <= set(found)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM django_migrations",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('fleet', '0099_mine', now())",
        "UPDATE django_content_type SET model = 'mine'",
        "DELETE FROM auth_permission",
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ],
)
def test_what_migrations_make_is_not_the_applications_to_change(db: None, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_grant_too_many_is_found_at_the_start(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_read_only(databases=["default"]) == []
    monkeypatch.setattr("control_plane.common.checks.READ_ONLY", ("django_session",))
    assert [message.id for message in check_read_only(databases=["default"])] == ["threedance.E002"]
