"""Nightly removal of expired sessions."""

from celery import shared_task

from control_plane.accounts.sessions import clear_sessions

BATCH, BATCHES = 1000, 200


@shared_task
def clear_expired_sessions() -> None:
    """Removes expired sessions in batches. Runs nightly; the next night removes the rest."""
    for _ in range(BATCHES):
        if not clear_sessions(most=BATCH):
            break
