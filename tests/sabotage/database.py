"""Sabotages of what the application may do to its database, and of how it compares secrets."""

from tests.sabotage.sabotage import Sabotage

_ROWS = "tests/control_plane/common/test_row_security.py"

_CSV = "tests/control_plane/common/test_csv_lines.py"

_STATES = "tests/control_plane/common/test_states.py"

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
    Sabotage(
        "an upload's signature is compared up to the first wrong letter",
        "database",
        "control_plane/ingest/targets.py",
        "    if not hmac.compare_digest(allowed.signature().encode(), signature.encode()):",
        "    if allowed.signature() != signature:",
        ("tests/repo/test_secrets.py::test_secrets_are_compared_in_constant_time",),
    ),
    Sabotage(
        "a pairing code is compared up to the first wrong letter",
        "database",
        "control_plane/fleet/pairing_codes.py",
        "    return hmac.compare_digest(given_hash.encode(), kept_hash.encode())",
        "    return given_hash == kept_hash",
        ("tests/repo/test_secrets.py::test_secrets_are_compared_in_constant_time",),
    ),
    Sabotage(
        "a state follows any other",
        "database",
        "control_plane/common/states.py",
        '        allowed = rows.filter(**{f"{table.field}__in": table.sources(to)})',
        "        allowed = rows",
        (
            f"{_STATES}::test_every_pair_that_the_table_lacks_is_refused",
            f"{_STATES}::test_of_two_transactions_at_once_the_second_obeys_the_state_that_the_first_left",
        ),
    ),
    Sabotage(
        "a heartbeat makes a revoked agent active",
        "database",
        "control_plane/common/states.py",
        '        may_change = When(**{f"{table.field}__in": table.sources(to)}, then=Value(str(to.value)))',
        "        may_change = When(pk__isnull=False, then=Value(str(to.value)))",
        (f"{_STATES}::test_every_pair_that_the_table_lacks_is_refused",),
    ),
    Sabotage(
        "a name becomes a formula in a spreadsheet",
        "database",
        "control_plane/common/csv_lines.py",
        """    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell""",
        "    return cell",
        (
            f"{_CSV}::test_a_text_that_a_spreadsheet_would_evaluate_is_shown_as_text",
            f"{_CSV}::test_no_cell_of_text_begins_like_a_formula_and_no_other_is_changed",
            "tests/control_plane/audit/test_offline.py::test_names_that_a_spreadsheet_would_run_are_shown_as_text",
        ),
    ),
)
