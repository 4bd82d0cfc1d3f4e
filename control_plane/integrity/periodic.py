"""Periodic tasks of integrity."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("sweep-checks", "control_plane.integrity.tasks.sweep_checks", minute=0),)
