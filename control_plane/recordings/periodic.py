"""Periodic tasks of recordings."""

from control_plane.common.schedules import Every

PERIODIC = (
    Every("sweep-shredded", "control_plane.recordings.tasks.sweep_shredded", seconds=60),
    Every("sweep-moves", "control_plane.recordings.tasks.sweep_moves", seconds=60),
    Every("sweep-disposals", "control_plane.recordings.tasks.sweep_disposals", seconds=300),
    Every("warn-of-full-storage", "control_plane.recordings.tasks.warn_of_full_storage", seconds=3600),
    Every("sweep-recordings", "control_plane.recordings.tasks.sweep_recordings", seconds=60),
)
