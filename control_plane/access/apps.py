"""Registers the app."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    """Permissions, roles, the decision, grants, break-glass access, API keys."""

    name = "control_plane.access"
    label = "access"
