"""Waits for another thread of a test to end, or to wait for a lock of the database."""

import time
from collections.abc import Callable
from threading import Event

from django.db import connection

TIMEOUT_S = 60


def wait_until_done_or_held(is_done: Callable[[], bool]) -> None:
    """Returns when `is_done`, or when a connection to this database waits for a lock."""
    deadline_s = time.monotonic() + TIMEOUT_S
    pause = Event()
    while not is_done():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        assert time.monotonic() < deadline_s
        pause.wait(0.01)
