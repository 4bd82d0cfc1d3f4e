"""Sabotages of what the application may do to its database."""

from tests.sabotage.sabotage import Sabotage

_ROWS = "tests/control_plane/common/test_row_security.py"

_ENDS = "tests/control_plane/common/test_scope_ends.py"

DATABASE = (
    Sabotage(
        "a scope stays on the connection when it ends",
        "database",
        "control_plane/common/scoping.py",
        'chr(39) * 2}, true)" for name',
        'chr(39) * 2}, false)" for name',
        (
            f"{_ENDS}::test_nothing_is_left_of_a_scope",
            f"{_ENDS}::test_nothing_is_left_of_a_task",
            f"{_ENDS}::test_nothing_is_left_of_a_request",
        ),
    ),
    Sabotage(
        "the application may rewrite which migrations have run",
        "database",
        "control_plane/common/migrations/0002_read_only_tables.py",
        '        ReadOnlyForApplication("django_migrations", "django_content_type", "auth_permission"),\n',
        '        ReadOnlyForApplication("django_content_type", "auth_permission"),\n',
        (
            f"{_ROWS}::test_what_the_applications_role_may_do_to_each_table",
            f"{_ROWS}::test_what_migrations_make_is_not_the_applications_to_change",
        ),
    ),
)
