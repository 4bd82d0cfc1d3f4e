"""Periodic tasks of clips."""

from control_plane.common.schedules import Every

PERIODIC = (Every("sweep-clips", "control_plane.clips.tasks.sweep_clips", seconds=60),)
