"""Adds the database time of a request to its turn, and gives way between statements (`common.turns`).

This and the processor time of its thread are what a request costs the machine. Waiting for anything else, such as a
remote store or a lock in Python, costs other requests nothing.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.backends.signals import connection_created

from control_plane.common.turns import current_turn, give_way

T = TypeVar("T")


def _timed(execute: Callable[..., T], sql: str, params: Any, many: bool, context: dict[str, Any]) -> T:
    turn = current_turn()
    if turn is None:
        return execute(sql, params, many, context)
    give_way()
    began_s, cpu_s = time.perf_counter(), time.thread_time()
    try:
        return execute(sql, params, many, context)
    finally:
        # The thread's own processor time in it is counted separately.
        turn.used_s += max(0.0, time.perf_counter() - began_s - (time.thread_time() - cpu_s))


def _time_statements(*, connection: Any, **_: Any) -> None:
    if _timed not in connection.execute_wrappers:
        connection.execute_wrappers.append(_timed)


def time_statements() -> None:
    """Times the statements of every connection opened from now on; idempotent."""
    connection_created.connect(_time_statements, dispatch_uid="threedance.cost")
