"""Sabotages of requests about data: of the download of everything, and of erasure."""

from tests.sabotage.sabotage import Sabotage

_ERASURE = "control_plane/data_requests/erasure.py"
_PACKAGE = "control_plane/data_requests/access_package.py"
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
)
