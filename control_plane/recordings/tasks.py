"""The sweeps of recordings: classes whose box will never answer again, and what is left of destroyed ones."""

from functools import partial
from uuid import UUID

from celery import shared_task

from control_plane.common.scoping import studio_scope
from control_plane.recordings.disposals import delete_due
from control_plane.recordings.moves import advance_move, due_moves
from control_plane.recordings.reports import settle_lost_recorders
from control_plane.recordings.shredding import remove_shredded
from control_plane.recordings.usage import warn_when_nearly_full
from control_plane.tenancy.sweeping import each_studio

BATCHES_AT_ONCE = 20
"""Of a move, in one run of the sweep; a move that has more to copy is kicked again at once."""
DELETIONS_AT_ONCE = 200
CLASSES_AT_ONCE = 500
"""Of one studio, before the next one has its turn."""


@shared_task
def sweep_recordings() -> None:
    """Sweeps every studio; started by beat once a minute."""
    each_studio("recordings sweep", _settle_lost_recorders_of)


def _settle_lost_recorders_of(scope: UUID) -> None:
    with studio_scope(scope):
        settle_lost_recorders()


@shared_task
def sweep_shredded() -> None:
    """Removes what is left of destroyed classes, in every studio; started by beat and after each shred."""
    each_studio("shredding sweep", _remove_shredded_of)


def _remove_shredded_of(scope: UUID) -> None:
    for _ in range(CLASSES_AT_ONCE):
        with studio_scope(scope):
            if not remove_shredded():
                break


@shared_task
def sweep_moves() -> None:
    """Kicks the moves between stores, in every studio; started by beat once a minute."""
    each_studio("moves sweep", _kick_moves_of)


def _kick_moves_of(scope: UUID) -> None:
    with studio_scope(scope):
        due = due_moves()
    for move_id in due:
        go_on_with_move.delay(studio=str(scope), move_id=str(move_id))


@shared_task
def go_on_with_move(studio: str, move_id: str) -> None:
    """Copies a part of a move, and kicks itself where there is more; its lease keeps other workers away.

    It is given `studio` and not `studio_id`: bytes are copied outside of any transaction.
    """
    if advance_move(UUID(studio), UUID(move_id), batches=BATCHES_AT_ONCE):
        go_on_with_move.delay(studio=studio, move_id=move_id)


@shared_task
def sweep_disposals() -> None:
    """Deletes objects whose time has come, in every studio; started by beat every five minutes."""
    each_studio("disposals sweep", partial(delete_due, most=DELETIONS_AT_ONCE))


@shared_task
def warn_of_full_storage() -> None:
    """Tells admins whose studio's storage is nearly used, once a week at most; started by beat once an hour."""
    each_studio("storage warning", warn_when_nearly_full)
