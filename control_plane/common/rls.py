"""Migration operations for row level security, append-only tables and grants: the second line of tenant isolation.

`FORCE ROW LEVEL SECURITY` applies to the table's owner too, so data migrations see only what a scope allows.
Source: PostgreSQL 18 documentation, section 5.9 (row security policies).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

STUDIO_SETTING = "threedance.studio_id"


def setting(name: str, type_: str = "uuid") -> str:
    """Returns the SQL of a setting of `scoping` (`name` with or without the prefix); it is null outside of its scope."""
    full = name if name.startswith("threedance.") else f"threedance.{name}"
    return f"NULLIF(current_setting('{full}', true), '')::{type_}"


@dataclass(frozen=True)
class Reach:
    """An additional way to *read* rows of a table: a policy named `name` with the SQL condition `using`."""

    name: str
    using: str


class ForceRowSecurity(Operation):
    """Enables row security on a table: rows of the studio in scope, plus those that each `Reach` allows to read.

    Args:
        model_name: the model of the table.
        model_name: the model whose table it is.
        column: the column that holds the studio's id.
        reach: additional read policies, such as
            `Reach("by_hash", f"code_hash = {setting('pairing_hash', 'text')}")`.
        writable: SQL condition that replaces `column = studio in scope` for every command.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(
        self,
        model_name: str,
        *,
        column: str = "studio_id",
        reach: Sequence[Reach] = (),
        writable: str = "",
    ) -> None:
        self.model_name = model_name
        self.column = column
        self.reach = tuple(reach)
        self.writable = writable or f"{column} = {setting(STUDIO_SETTING)}"

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Changes no model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Enables and forces row security and creates the policies."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, to_state))
        _run(schema_editor, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        _run(schema_editor, f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        _run(
            schema_editor,
            f"CREATE POLICY in_scope ON {table} USING ({self.writable}) WITH CHECK ({self.writable})",
        )
        for reach in self.reach:
            _run(schema_editor, f"CREATE POLICY {reach.name} ON {table} FOR SELECT USING ({reach.using})")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Drops the policies and the row security."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, from_state))
        for name in ("in_scope", *(reach.name for reach in self.reach)):
            _run(schema_editor, f"DROP POLICY IF EXISTS {name} ON {table}")
        _run(schema_editor, f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        _run(schema_editor, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    def describe(self) -> str:
        """Returns what it does, for `migrate --plan`."""
        return f"Force row level security on {self.model_name}"


class AppendOnly(Operation):
    """Makes a table append-only: UPDATE, DELETE and TRUNCATE fail, for its owner too.

    Args:
        erased_with: a column; rows can be deleted while the setting `threedance.erasing` has its value. Empty: never.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, model_name: str, *, erased_with: str = "") -> None:
        self.model_name = model_name
        self.erased_with = erased_with

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Changes no model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Revokes the privileges and adds the triggers."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, to_state))
        role = schema_editor.quote_name(application_role())
        deletes = "" if self.erased_with else " DELETE,"
        _run(schema_editor, f"REVOKE UPDATE,{deletes} TRUNCATE ON {table} FROM {role}")
        _run(
            schema_editor,
            "CREATE OR REPLACE FUNCTION threedance_append_only() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = '42501'; END $$",
        )
        _run(
            schema_editor,
            f"CREATE TRIGGER append_only BEFORE UPDATE{'' if self.erased_with else ' OR DELETE'} ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION threedance_append_only()",
        )
        if self.erased_with:
            _run(
                schema_editor,
                f"CREATE TRIGGER erased_only BEFORE DELETE ON {table} FOR EACH ROW"
                f" WHEN (OLD.{self.erased_with} IS DISTINCT FROM {setting('erasing')})"
                " EXECUTE FUNCTION threedance_append_only()",
            )
        _run(
            schema_editor,
            f"CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION threedance_append_only()",
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Drops the triggers and restores the privileges."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, from_state))
        role = schema_editor.quote_name(application_role())
        _run(schema_editor, f"DROP TRIGGER append_only ON {table}")
        _run(schema_editor, f"DROP TRIGGER IF EXISTS erased_only ON {table}")
        _run(schema_editor, f"DROP TRIGGER append_only_truncate ON {table}")
        _run(schema_editor, f"GRANT UPDATE, DELETE ON {table} TO {role}")

    def describe(self) -> str:
        """Returns what it does, for `migrate --plan`."""
        return f"Make {self.model_name} append-only"


class FrozenOnce(Operation):
    """Refuses changes and deletion of a row once `column` is set, for the table's owner too."""

    reversible = True
    reduces_to_sql = True

    def __init__(self, model_name: str, *, column: str) -> None:
        self.model_name = model_name
        self.column = column

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Changes no model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Adds the trigger."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, to_state))
        _run(
            schema_editor,
            "CREATE OR REPLACE FUNCTION threedance_frozen() RETURNS trigger LANGUAGE plpgsql AS $$"
            " BEGIN RAISE EXCEPTION 'this row of % is frozen', TG_TABLE_NAME USING ERRCODE = '42501'; END $$",
        )
        _run(
            schema_editor,
            f"CREATE TRIGGER frozen BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW"
            f" WHEN (OLD.{self.column} IS NOT NULL) EXECUTE FUNCTION threedance_frozen()",
        )

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Drops the trigger."""
        table = schema_editor.quote_name(_table(app_label, self.model_name, from_state))
        _run(schema_editor, f"DROP TRIGGER frozen ON {table}")

    def describe(self) -> str:
        """Returns what it does, for `migrate --plan`."""
        return f"Freeze rows of {self.model_name} once {self.column} is set"


class GrantToApplication(Operation):
    """Lets the application role use every table that the owner creates from now on, and read the migrations table."""

    reversible = True
    reduces_to_sql = True

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Changes no model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Sets the default privileges."""
        role = schema_editor.quote_name(application_role())
        _run(
            schema_editor,
            f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}",
        )
        _run(schema_editor, f"ALTER DEFAULT PRIVILEGES GRANT USAGE, SELECT ON SEQUENCES TO {role}")
        _run(schema_editor, f"GRANT SELECT ON django_migrations TO {role}")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Revokes the default privileges."""
        role = schema_editor.quote_name(application_role())
        _run(schema_editor, f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM {role}")
        _run(schema_editor, f"ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM {role}")
        revoke = f"REVOKE SELECT ON django_migrations FROM {role}"  # noqa: S608  # a quoted name, and no query
        _run(schema_editor, revoke)

    def describe(self) -> str:
        """Returns what it does, for `migrate --plan`."""
        return "Grant later tables to the application role"


class ReadOnlyForApplication(Operation):
    """Makes tables that only migrations write read-only for the application role.

    Default privileges apply to every table that the owner creates, Django's own included. If they were set before the first
    migration, the application could change the list of applied migrations.
    """

    reversible = True
    reduces_to_sql = True

    def __init__(self, *tables: str) -> None:
        self.tables = tables

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Changes no model state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Revokes every other privilege."""
        role = schema_editor.quote_name(application_role())
        for table in map(schema_editor.quote_name, self.tables):
            _run(schema_editor, f"REVOKE ALL ON {table} FROM {role}")
            _run(schema_editor, f"GRANT SELECT ON {table} TO {role}")

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        """Restores the default privileges."""
        role = schema_editor.quote_name(application_role())
        for table in map(schema_editor.quote_name, self.tables):
            _run(schema_editor, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {role}")

    def describe(self) -> str:
        """Returns what it does, for `migrate --plan`."""
        return f"Let the application role only read {', '.join(self.tables)}"


def application_role() -> str:
    """Returns the name of the application's database role."""
    role: str = settings.DATABASE_APPLICATION_ROLE
    return role


def _run(schema_editor: BaseDatabaseSchemaEditor, statement: str) -> None:
    # With params=None a percent sign in the statement is kept; with an empty tuple it would be a placeholder.
    schema_editor.execute(statement, params=None)


def _table(app_label: str, model_name: str, state: Any) -> str:
    table: str = state.apps.get_model(app_label, model_name)._meta.db_table
    return table
