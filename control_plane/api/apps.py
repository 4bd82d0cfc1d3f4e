"""Registers the app."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The REST API."""

    name = "control_plane.api"
