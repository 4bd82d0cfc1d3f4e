"""Registers the app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """Configuration of the portal."""

    name = "control_plane.portal"
    label = "portal"
