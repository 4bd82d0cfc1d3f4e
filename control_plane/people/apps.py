"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class PeopleConfig(AppConfig):
    """Dancers and their guardians."""

    name = "control_plane.people"
    label = "people"

    def ready(self) -> None:
        """Registers the source of guardians with `access`."""
        # Imported here, because models cannot be imported before the app registry is ready.
        sources.guardians = import_string("control_plane.people.ownership.Guardians")()
