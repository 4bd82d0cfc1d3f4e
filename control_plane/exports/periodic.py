"""Periodic tasks of exports."""

from control_plane.common.schedules import Every

PERIODIC = (Every("sweep-exports", "control_plane.exports.tasks.sweep_exports", seconds=60),)
