"""Sabotages of the check of the stores and of the way back of what is damaged."""

from tests.sabotage.sabotage import Sabotage

_FAULTS = "tests/control_plane/integrity/test_damage.py"
_REPAIR = "tests/control_plane/ingest/test_repair.py"
_AGAIN = "tests/edge_agent/spool/test_requeue.py"
_TEST_GATEWAY = "tests/control_plane/fleet/test_gateway.py"
_ASKED = f"{_TEST_GATEWAY}::test_an_agent_is_asked_for_lost_footage_at_each_link_until_it_answers"

FSCK = (
    Sabotage(
        "a damaged segment is served to a page with an old playlist",
        "fsck",
        "control_plane/recordings/playback/views.py",
        '    where = f"{where} AND {_UNDAMAGED}"\n',
        "",
        (f"{_FAULTS}::test_what_is_found_is_a_gap_until_it_is_intact_again",),
    ),
    Sabotage(
        "a damaged segment stays in the playlist",
        "fsck",
        "control_plane/recordings/selectors.py",
        'missing = DAMAGE_REASONS[DamageKind(fault)] if fault else ""',
        'missing = ""',
        (f"{_FAULTS}::test_what_is_found_is_a_gap_until_it_is_intact_again",),
    ),
    Sabotage(
        "what was moved while it was looked at is a finding",
        "fsck",
        "control_plane/integrity/damage.py",
        "    return [row for row in locked if ObjectLocation(row.store_id, row.object_key) == places[row.id]]",
        "    return list(locked)",
        (f"{_FAULTS}::test_what_moved_while_it_was_looked_at_is_no_finding",),
    ),
    Sabotage(
        "what is left of a destroyed class is looked at",
        "fsck",
        "control_plane/integrity/inspect.py",
        'rows.exclude(class_session__wrapped_key=b"", kept=False).order_by(order)',
        "rows.order_by(order)",
        (f"{_FAULTS}::test_what_was_destroyed_is_no_finding",),
    ),
    Sabotage(
        "an empty store is believed",
        "fsck",
        "control_plane/integrity/inspect.py",
        "    is_believed = False\n",
        "    is_believed = True\n",
        (f"{_FAULTS}::test_an_empty_store_is_not_believed",),
    ),
    Sabotage(
        "the last good copy goes, for there is a damaged one",
        "fsck",
        "control_plane/recordings/object_deletion.py",
        "    if SegmentDamage.objects.filter(segment=segment).exists():\n",
        "    if not segment:\n",
        (f"{_FAULTS}::test_the_old_copy_stays_while_the_new_one_is_damaged",),
    ),
    Sabotage(
        "an object that is there again is intact",
        "fsck",
        "control_plane/integrity/inspect.py",
        "        seen = inspect_objects(items, store, ScanDepth.HASH)\n",
        "        seen = inspect_objects(items, store, ScanDepth.PRESENCE)\n",
        (f"{_FAULTS}::test_a_damaged_object_that_is_merely_there_again_is_no_good_news",),
    ),
    Sabotage(
        "a repair goes to the key of the damaged object",
        "fsck",
        "control_plane/ingest/intents.py",
        'again = f"-{damage_id.hex}" if damage_id else ""',
        'again = ""',
        (f"{_REPAIR}::test_a_damaged_segment_comes_back_and_is_once_in_the_record",),
    ),
    Sabotage(
        "an agent gets a receipt for a damaged segment",
        "fsck",
        "control_plane/ingest/services.py",
        " if id_ not in damaged\n",
        "\n",
        (f"{_REPAIR}::test_a_late_commit_of_the_first_time_is_no_receipt",),
    ),
    Sabotage(
        "the mover points a repaired segment to where its new copy is not",
        "fsck",
        "control_plane/integrity/repairs.py",
        '            row.save(update_fields=["store", "object_key"])\n',
        '            row.save(update_fields=["object_key"])\n',
        (f"{_REPAIR}::test_the_new_copy_goes_where_new_footage_goes",),
    ),
    Sabotage(
        "an older agent is sent a message that it does not know",
        "fsck",
        "control_plane/fleet/gateway.py",
        "knows_how = agent.protocol >= SEND_AGAIN_SINCE",
        "knows_how = True",
        (_ASKED,),
    ),
    Sabotage(
        "another agent answers for one",
        "fsck",
        "control_plane/integrity/repairs.py",
        "    asked = SegmentDamage.objects.filter(agent=agent, repair=RepairState.ASKED)\n    now",
        "    asked = SegmentDamage.objects.filter(repair=RepairState.ASKED)\n    now",
        (f"{_REPAIR}::test_another_agent_neither_answers_nor_repairs",),
    ),
    Sabotage(
        "a damaged copy is sent as good",
        "fsck",
        "edge_agent/spool/requeue.py",
        "elif verify_file(path, row.manifest, CheckDepth.HASH):",
        "elif verify_file(path, row.manifest, CheckDepth.SIZE):",
        (f"{_AGAIN}::test_each_is_answered_as_it_is",),
    ),
    Sabotage(
        "a copy is promised that is being cleaned away",
        "fsck",
        "edge_agent/spool/spool.py",
        "        with self._removal_lock:\n            taken",
        "        if True:\n            taken",
        (f"{_AGAIN}::test_a_copy_that_is_being_cleaned_away_is_not_promised",),
    ),
)
