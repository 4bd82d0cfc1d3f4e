"""Periodic tasks of retention."""

from control_plane.common.schedules import Every, Nightly

PERIODIC = (
    Nightly("run-retention", "control_plane.retention.tasks.run_retention", minute=30),
    Every("sweep-retention", "control_plane.retention.tasks.sweep_retention", seconds=60),
)
