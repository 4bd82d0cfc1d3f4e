"""System checks: forced row security on every tenant table, and read-only tables for the application role.

A missing policy or an excessive grant is an error at start.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import connections

READ_ONLY = ("django_migrations", "django_content_type", "auth_permission")
"""Tables that the application reads and only migrations write."""


def tenant_tables() -> set[str]:
    """Returns the tables of our models that have a studio's id, and the table of studios."""
    return {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("control_plane.")
        and (
            model._meta.label == "tenancy.Studio"
            or any(field.column == "studio_id" for field in model._meta.local_concrete_fields)
        )
    }


def unforced_tables(alias: str = "default") -> set[str]:
    """Returns the tenant tables that exist in the database without forced row security."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
            " AND relname = ANY(%s) AND NOT (relrowsecurity AND relforcerowsecurity)",
            [sorted(tenant_tables())],
        )
        return {row[0] for row in cursor.fetchall()}


def check_row_security(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Returns an error for each tenant table that other studios could read."""
    return [
        Error(
            f"{table} is a tenant table without forced row level security",
            hint="Add control_plane.common.rls.ForceRowSecurity to the migration that creates it, then migrate.",
            id="threedance.E001",
        )
        for alias in databases or ()
        for table in sorted(unforced_tables(alias))
    ]


def writable_tables(alias: str = "default") -> set[str]:
    """Returns the tables of `READ_ONLY` that the connected role may change."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)"
            " AND has_table_privilege(oid, 'INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')",
            [list(READ_ONLY)],
        )
        return {row[0] for row in cursor.fetchall()}


def check_read_only(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Returns an error for each table that only migrations may write, but that the application may change."""
    if settings.DATABASE_AS_OWNER:
        return []
    return [
        Error(
            f"the application's database role may write {table}, which only migrations may write",
            hint="Run the migrations as the owner: they revoke the privilege. If your own grants give it, REVOKE it.",
            id="threedance.E002",
        )
        for alias in databases or ()
        for table in sorted(writable_tables(alias))
    ]
