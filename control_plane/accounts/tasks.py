"""The nightly round of sign-in: sessions that have ended are cleared away."""

from celery import shared_task

from control_plane.accounts.sessions import clear_sessions

BATCH, BATCHES = 1000, 200


@shared_task
def clear_expired_sessions() -> None:
    """Clears what has expired, in batches; started by beat at night. What is left waits for the next night."""
    for _ in range(BATCHES):
        if not clear_sessions(most=BATCH):
            break
