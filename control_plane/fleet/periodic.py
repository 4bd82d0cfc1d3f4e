"""Periodic tasks of the fleet."""

from control_plane.common.schedules import Every

PERIODIC = (Every("sweep-fleet", "control_plane.fleet.tasks.sweep_fleet", seconds=60),)
