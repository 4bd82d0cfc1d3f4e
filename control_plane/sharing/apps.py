"""Registers the app."""

from django.apps import AppConfig


class SharingConfig(AppConfig):
    """Egress policy, share links, clips."""

    name = "control_plane.sharing"
    label = "sharing"
