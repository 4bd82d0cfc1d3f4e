"""Registers the app."""

from django.apps import AppConfig


class AdministrationConfig(AppConfig):
    """Changes of studios, rooms, members, invitations and operators."""

    name = "control_plane.administration"
    label = "administration"
