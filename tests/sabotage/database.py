"""Sabotages of what the application may do to its database."""

from tests.sabotage.sabotage import Sabotage

_ROWS = "tests/control_plane/common/test_row_security.py"

DATABASE = (
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
