"""Registers the app."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Studios, rooms, memberships, invitations."""

    name = "control_plane.tenancy"
    label = "tenancy"
