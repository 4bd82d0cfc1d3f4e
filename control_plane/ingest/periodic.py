"""Periodic tasks of ingest."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("sweep-uploads", "control_plane.ingest.tasks.sweep_uploads", minute=5),)
