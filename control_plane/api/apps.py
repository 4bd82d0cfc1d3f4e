"""The app's name."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API."""

    name = "control_plane.api"
