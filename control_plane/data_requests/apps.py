"""Registers the app."""

from django.apps import AppConfig


class DataRequestsConfig(AppConfig):
    """Requests of people about their data."""

    name = "control_plane.data_requests"
    label = "data_requests"
