"""What every Celery task is made of: it runs outside of any scope, takes ids, and opens the studio it was given.

A task says `@shared_task`, takes `studio_id` where it works inside a studio, and calls one service. Celery carries
only the kick: whether the work is still to be done stands in a row, and beat kicks again.
"""

from contextlib import nullcontext
from typing import Any
from uuid import UUID

from celery import Task, current_app
from django.db import close_old_connections, transaction

from control_plane.common.scoping import studio_scope


class ThreedanceTask(Task[..., Any]):
    """Opens `studio_scope` for tasks that are given `studio_id`, and gives the connection back afterwards."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task; `studio_id` is taken from the keywords, as text or UUID."""
        studio_id = kwargs.get("studio_id")
        scope = studio_scope(UUID(str(studio_id))) if studio_id else nullcontext()
        inside = transaction.get_connection().in_atomic_block
        try:
            with scope:
                return super().__call__(*args, **kwargs)
        finally:
            if not inside:
                close_old_connections()


def kick_on_commit(task: Task[..., Any], **kwargs: Any) -> None:
    """Sends a task when the open transaction commits: its worker then finds what was written."""
    plain = {name: str(value) if isinstance(value, UUID) else value for name, value in kwargs.items()}
    transaction.on_commit(lambda: task.delay(**plain), robust=True)


def kick_named(name: str, **kwargs: Any) -> None:
    """Sends a task by its name when the open transaction commits: a service does not import the tasks above it."""
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in kwargs.items()}
    transaction.on_commit(lambda: current_app.send_task(name, kwargs=plain), robust=True)
