"""Sabotages of retention: what is deleted, when, by whom, and what must stay."""

from tests.sabotage.sabotage import Sabotage

_SHREDDING = "control_plane/recordings/shredding.py"
_DELETION = "control_plane/recordings/object_deletion.py"
_EVALUATOR = "control_plane/retention/evaluator.py"
_SERVICES = "control_plane/retention/services.py"
_RUNS = "control_plane/retention/runs.py"
_PLANNING = "control_plane/retention/planning.py"
_PRESENCE = "control_plane/recordings/presence.py"
_RULE_TESTS = "tests/control_plane/retention/test_evaluator.py"
_SERVICE_TESTS = "tests/control_plane/retention/test_services.py"
_RUN_TESTS = "tests/control_plane/retention/test_runs.py"
_EXPIRY = "tests/control_plane/keys/test_class_expiry.py"

EXPIRY = (
    Sabotage(
        "a person ends the retention of a class without confirmation",
        "retention",
        _SHREDDING,
        "        access.require(actor, MAINTAIN, class_session)\n"
        "        # `remove_shredded` tells the end of a retention from a deliberate destruction by the kind of actor.\n"
        "        if actor.kind is not ActorKind.SYSTEM:\n",
        "        if False:\n",
        (f"{_EXPIRY}::test_only_the_system_ends_a_retention",),
    ),
    Sabotage(
        "a destroyed class says that it expired",
        "retention",
        _SHREDDING,
        "expired=tombstone.actor_kind == ActorKind.SYSTEM",
        "expired=True",
        (f"{_EXPIRY}::test_a_deliberate_destruction_says_so",),
    ),
    Sabotage(
        "an object that a clip needs is queued for deletion",
        "retention",
        _SHREDDING,
        "    unneeded = [item for item in objects if item[1] not in needed]\n",
        "    unneeded = objects\n",
        (f"{_EXPIRY}::test_what_something_else_needs_is_not_queued",),
    ),
    Sabotage(
        "an object that a clip needs is deleted from the queue",
        "retention",
        _DELETION,
        "    if segment is None and ObjectsInUse((row.object_key,)).all():\n",
        "    if False:\n",
        (f"{_EXPIRY}::test_what_something_else_needs_is_not_deleted",),
    ),
)

RUNS = (
    Sabotage(
        "a hold is ignored",
        "retention",
        _EVALUATOR,
        "    if active:\n",
        "    if False:\n",
        (
            f"{_RULE_TESTS}::test_nothing_that_is_held_is_due",
            f"{_RUN_TESTS}::test_what_is_held_is_kept",
        ),
    ),
    Sabotage(
        "a class that is kept until a date is deleted before",
        "retention",
        _EVALUATOR,
        "hold.ends_at is None or hold.ends_at > now]",
        "hold.ends_at is None]",
        (
            f"{_RULE_TESTS}::test_nothing_that_is_held_is_due",
            f"{_RUN_TESTS}::test_what_is_held_is_kept",
        ),
    ),
    Sabotage(
        "the longest rule wins for minors",
        "retention",
        _EVALUATOR,
        "return min(limited, default",
        "return max(limited, default",
        (f"{_RULE_TESTS}::test_the_shortest_rule_wins_for_minors",),
    ),
    Sabotage(
        "without a confirmed policy the default deletes",
        "retention",
        _EVALUATOR,
        "    if not policy.confirmed and item.kept_until is None:\n",
        "    if False:\n",
        (f"{_RULE_TESTS}::test_without_a_confirmed_policy_nothing_is_due",),
    ),
    Sabotage(
        "a day of retention begins with the class itself",
        "retention",
        _EVALUATOR,
        "datetime.combine(last_day + timedelta(days=1), time.min, zone)",
        "datetime.combine(last_day, time.min, zone)",
        (f"{_RULE_TESTS}::test_nothing_is_due_before_its_days_are_over_and_nothing_a_day_late",),
    ),
    Sabotage(
        "an unlimited rule for minors is saved",
        "retention",
        _SERVICES,
        "        if days is None and not adults_only:\n",
        "        if False:\n",
        (f"{_SERVICE_TESTS}::test_footage_of_minors_is_not_kept_without_end",),
    ),
    Sabotage(
        "a class whose roster is not confirmed counts as one of adults",
        "retention",
        _PLANNING,
        "minors=confirmed is None or class_id in with_minors",
        "minors=class_id in with_minors",
        (f"{_RUN_TESTS}::test_what_is_due_is_deleted_and_nothing_else",),
    ),
    Sabotage(
        "an enrolled child counts only on the roster",
        "retention",
        _PRESENCE,
        "for (class_id,) in [*rows.distinct(), *others.distinct()]",
        "for (class_id,) in rows.distinct()",
        (f"{_RUN_TESTS}::test_a_class_with_an_enrolled_child_is_one_with_minors",),
    ),
    Sabotage(
        "a child in the footage grows up with the date of today",
        "retention",
        _PRESENCE,
        'TruncDate(f"{path}__requested_at")',
        "__import__('datetime').date.today()",
        (f"{_RUN_TESTS}::test_who_has_grown_up_since_is_still_a_child_in_the_footage",),
    ),
    Sabotage(
        "a jump of the clock is ignored",
        "retention",
        _RUNS,
        "    if apart or behind or ahead:\n",
        "    if False:\n",
        (
            f"{_RUN_TESTS}::test_a_run_asks_when_the_clock_jumps",
            f"{_RUN_TESTS}::test_a_run_asks_when_it_is_long_after_the_last_or_before_it",
        ),
    ),
    Sabotage(
        "a run deletes more than 30 % without asking",
        "retention",
        _RUNS,
        "    if too_many or due_bytes",
        "    if due_bytes > plan.size_bytes and due_bytes",
        (
            f"{_RUN_TESTS}::test_a_run_that_would_delete_much_asks_first",
            f"{_RUN_TESTS}::test_bytes_count_too",
        ),
    ),
    Sabotage(
        "a run that waits for confirmation is worked on",
        "retention",
        _RUNS,
        "claim(RetentionRun.objects.filter(pk=run_id, state=RunState.RUNNING))",
        "claim(RetentionRun.objects.filter(pk=run_id))",
        (f"{_RUN_TESTS}::test_a_run_that_would_delete_much_asks_first",),
    ),
    Sabotage(
        "a worker whose lease is gone goes on deleting",
        "retention",
        _RUNS,
        "    if not renew(mine, token):\n        return False\n",
        "",
        (f"{_RUN_TESTS}::test_a_worker_that_lost_its_lease_deletes_nothing",),
    ),
    Sabotage(
        "a run deletes what its plan says, whatever has changed since",
        "retention",
        _RUNS,
        "    if not verdict.is_due:\n",
        "    if False:\n",
        (f"{_RUN_TESTS}::test_a_hold_that_is_placed_while_the_run_works_is_heeded",),
    ),
    Sabotage(
        "a run settles a class and does not delete it",
        "retention",
        _RUNS,
        "    expire_class(class_session, reason=reason, actor=SYSTEM)\n",
        "",
        (f"{_RUN_TESTS}::test_what_is_due_is_deleted_and_nothing_else",),
    ),
    Sabotage(
        "anybody in the studio confirms a stopped run",
        "retention",
        _RUNS,
        "        access.require(actor, MANAGE_RETENTION, studio)\n"
        "        mine = RetentionRun.objects.filter(pk=run.pk, state=RunState.WAITING)\n",
        "        mine = RetentionRun.objects.filter(pk=run.pk, state=RunState.WAITING)\n",
        (f"{_RUN_TESTS}::test_a_run_that_would_delete_much_asks_first",),
    ),
)
