"""Registers the app."""

from django.apps import AppConfig


class FleetConfig(AppConfig):
    """Agents, pairing, cameras, configuration."""

    name = "control_plane.fleet"
    label = "fleet"
