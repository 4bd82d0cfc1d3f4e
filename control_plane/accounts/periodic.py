"""Periodic tasks of accounts."""

from control_plane.common.schedules import Nightly

PERIODIC = (
    Nightly("clear-expired-sessions", "control_plane.accounts.tasks.clear_expired_sessions", minute=10),
)
