"""Periodic tasks of recordings."""

from control_plane.common.schedules import Every

PERIODIC = (
    Every("sweep-shredded", "control_plane.recordings.tasks.sweep_shredded", seconds=60),
    Every("sweep-migrations", "control_plane.recordings.tasks.sweep_migrations", seconds=60),
    Every("sweep-deletions", "control_plane.recordings.tasks.sweep_deletions", seconds=300),
    Every("warn-of-full-storage", "control_plane.recordings.tasks.warn_of_full_storage", seconds=3600),
    Every("sweep-recordings", "control_plane.recordings.tasks.sweep_recordings", seconds=60),
)
