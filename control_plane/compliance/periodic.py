"""Periodic tasks of compliance."""

from control_plane.common.schedules import Every

PERIODIC = (
    Every("take-checkpoint", "control_plane.compliance.tasks.take_checkpoint", seconds=300),
    Every("watch-reads", "control_plane.compliance.tasks.watch_reads", seconds=60),
)
