"""Sabotages of retention: what is deleted, when, by whom, and what must stay."""

from tests.sabotage.sabotage import Sabotage

_SHREDDING = "control_plane/recordings/shredding.py"
_DELETION = "control_plane/recordings/object_deletion.py"
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
        "    objects = [item for item in objects if item[1] not in needed]\n",
        "",
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
