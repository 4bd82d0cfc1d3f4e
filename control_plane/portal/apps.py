"""Registers the app."""

from django.apps import AppConfig


class PortalConfig(AppConfig):
    """The web that instructors and families see."""

    name = "control_plane.portal"
    label = "portal"
