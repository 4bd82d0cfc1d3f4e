"""Periodic tasks of storage."""

from control_plane.common.schedules import Every, Nightly

PERIODIC = (
    Nightly("probe-stores", "control_plane.storage.tasks.probe_stores", minute=25),
    Every("sweep-probes", "control_plane.storage.tasks.sweep_probes", seconds=60),
)
