"""Registers the app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class StudiosConfig(AppConfig):
    """Studios, rooms, people, keys."""

    name = "control_plane.studios"
    label = "studios"

    def ready(self) -> None:
        """Has the permissions of rights on single things made with each migration."""
        from control_plane.studios.permissions import make_permissions  # models are loaded only now

        post_migrate.connect(make_permissions, sender=self)
