"""Periodic tasks of keys."""

from control_plane.common.schedules import Every

PERIODIC = (Every("sweep-keys", "control_plane.keys.tasks.sweep_keys", seconds=60),)
