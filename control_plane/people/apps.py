"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class PeopleConfig(AppConfig):
    """Dancers and their guardians."""

    name = "control_plane.people"
    label = "people"

    def ready(self) -> None:
        """Registers the fact that a class shows a guardian's own dancers."""
        # Imported here, because models cannot be imported before the app registry is ready.
        sources.register(import_string("control_plane.people.ownership.OWN_DANCERS"))
