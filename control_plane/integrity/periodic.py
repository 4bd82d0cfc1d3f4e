"""Periodic tasks of integrity."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("start-nightly-scans", "control_plane.integrity.tasks.start_nightly_scans", minute=0),)
