"""Base class of Celery tasks: runs outside of any scope, takes ids, and opens the studio that it is given.

A task is a `@shared_task` that takes `studio_id` if it works inside a studio, and calls one service. The Celery message
only starts it. A row in the database says whether the work is still to be done, and beat starts the task again.
"""

from contextlib import nullcontext
from typing import Any
from uuid import UUID

from celery import Task, current_app
from django.db import close_old_connections, transaction

from control_plane.common.scoping import studio_scope


class ThreedanceTask(Task[..., Any]):
    """Opens `studio_scope` for tasks with a `studio_id`, and returns the connection afterwards."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task. `studio_id` is taken from the keywords, as text or UUID."""
        studio_id = kwargs.get("studio_id")
        scope = studio_scope(UUID(str(studio_id))) if studio_id else nullcontext()
        inside = transaction.get_connection().in_atomic_block
        try:
            with scope:
                return super().__call__(*args, **kwargs)
        finally:
            if not inside:
                close_old_connections()


def enqueue_by_name(name: str, **kwargs: Any) -> None:
    """Sends a task by name after the open transaction commits. For services, which must not import tasks above them."""
    plain = {key: str(value) if isinstance(value, UUID) else value for key, value in kwargs.items()}
    transaction.on_commit(lambda: current_app.send_task(name, kwargs=plain), robust=True)
