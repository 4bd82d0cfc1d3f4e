"""Every table with a studio in it is behind forced row security; a missing policy is an error, not a surprise."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db import connections


def tenant_tables() -> set[str]:
    """Returns the tables of our models that hold a studio's id, and the studios' own."""
    return {
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if model.__module__.startswith("control_plane.")
        and (
            model._meta.label == "studios.Studio"
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
    """Says which tenant tables another studio could read."""
    return [
        Error(
            f"{table} is a tenant table without forced row level security",
            hint="Add control_plane.common.rls.ForceRowSecurity to the migration that creates it, then migrate.",
            id="threedance.E001",
        )
        for alias in databases or ()
        for table in sorted(unforced_tables(alias))
    ]
