"""Registers the app."""

from django.apps import AppConfig
from django.utils.module_loading import import_string

from control_plane.access import sources


class PeopleConfig(AppConfig):
    """Dancers and their guardians."""

    name = "control_plane.people"
    label = "people"

    def ready(self) -> None:
        """Hands the guardians to `access`."""
        # The models are loaded only now.
        sources.guardians = import_string("control_plane.people.ownership.Guardians")()
