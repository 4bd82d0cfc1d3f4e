"""Sabotages of requests about data: of the download of everything, of the report for families, and of erasure."""

from tests.sabotage.sabotage import Sabotage

_ERASURE = "control_plane/data_requests/erasure.py"
_PACKAGE = "control_plane/data_requests/access_package.py"
_FAMILY = "control_plane/data_requests/family_report.py"
_TEST_FAMILY = "tests/control_plane/portal/test_child.py"
_TEST_ERASURE = "tests/control_plane/data_requests/test_erasure.py"
_TEST_PACKAGE = "tests/control_plane/data_requests/test_access_package.py"
_REQUIRE = "        access.require(actor, ANSWER_DATA_REQUESTS, dancer)\n"

DATA_REQUESTS = (
    Sabotage(
        "everybody who sees a dancer downloads everything about the dancer",
        "data requests",
        _PACKAGE,
        _REQUIRE,
        "",
        (f"{_TEST_PACKAGE}::test_nobody_else_gets_it",),
    ),
    Sabotage(
        "a dancer is erased without the name being typed",
        "data requests",
        _ERASURE,
        "        if confirmation.strip() != dancer.name:\n",
        "        if False:\n",
        (f"{_TEST_ERASURE}::test_it_asks_for_the_name_and_for_classes_of_the_dancer",),
    ),
    Sabotage(
        "an erasure destroys classes that do not show the dancer",
        "data requests",
        _ERASURE,
        "        if unknown := set(destroy) - shown.keys():\n",
        "        destroy = set(destroy) & shown.keys()\n        if unknown := set(destroy) - shown.keys():\n",
        (f"{_TEST_ERASURE}::test_it_asks_for_the_name_and_for_classes_of_the_dancer",),
    ),
    Sabotage(
        "a restored backup brings an erased dancer back",
        "data requests",
        _ERASURE,
        "    record_tombstone(TombstoneKind.DANCER, dancer.id, reason=reason, actor=actor, studio_id=dancer.studio_id)\n",
        "",
        (f"{_TEST_ERASURE}::test_what_a_restore_brings_back_is_erased_again_and_nothing_else",),
    ),
    Sabotage(
        "an erasure leaves the recordings that were chosen",
        "data requests",
        "control_plane/data_requests/erasure.py",
        "            shred_class(item.class_session, confirmation=title, reason=reason, actor=actor)\n",
        "            title\n",
        (f"{_TEST_ERASURE}::test_recordings_rows_and_name_are_gone_and_the_receipt_says_so",),
    ),
    Sabotage(
        "a receipt holds the name of the erased dancer",
        "data requests",
        _ERASURE,
        '            "dancer": str(dancer.id),\n',
        '            "dancer": dancer.name,\n',
        (f"{_TEST_ERASURE}::test_recordings_rows_and_name_are_gone_and_the_receipt_says_so",),
    ),
    Sabotage(
        "every member reads what the studio has of a child",
        "data requests",
        _FAMILY,
        "access.role_of(reader, dancer.studio_id) is None or not own.exists()",
        "access.role_of(reader, dancer.studio_id) is None",
        (f"{_TEST_FAMILY}::test_nobody_else_sees_it",),
    ),
    Sabotage(
        "a former guardian reads what the studio has of the child",
        "data requests",
        _FAMILY,
        "user_id=reader.id, ended_at__isnull=True, started_at__lte=now",
        "user_id=reader.id, started_at__lte=now",
        (f"{_TEST_FAMILY}::test_a_guardian_sees_own_dancers_only_and_while_they_are_guardian",),
    ),
    Sabotage(
        "a family learns of classes whose roster nobody has confirmed",
        "data requests",
        _FAMILY,
        "Appearance.objects.filter(dancer_id=dancer.pk, confirmed_at__isnull=False)",
        "Appearance.objects.filter(dancer_id=dancer.pk)",
        (f"{_TEST_FAMILY}::test_only_confirmed_rosters_say_that_the_dancer_was_there",),
    ),
    Sabotage(
        "a family reads what the studio has of its child without an audit event",
        "data requests",
        _FAMILY,
        "        record_for(FAMILY_REPORT_READ, dancer, actor=reader)\n",
        "",
        (f"{_TEST_FAMILY}::test_reading_it_is_logged",),
    ),
)
