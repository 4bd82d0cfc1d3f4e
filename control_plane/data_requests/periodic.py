"""Periodic tasks of requests about data."""

from control_plane.common.schedules import Nightly

PERIODIC = (Nightly("tend-data-requests", "control_plane.data_requests.tasks.tend_data_requests", minute=40),)
